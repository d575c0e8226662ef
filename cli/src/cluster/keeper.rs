//! The keeper in the cluster: one small pod per namespace that cleans up after laptops that died.
//!
//! A session makes it where its user may make roles, and uses the one that is there, whoever made it. It ends itself when
//! nothing is left to keep; one that somebody installed stays. What it does is in `traffic-agent/src/keeper.rs`.

mod install;
mod objects;

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use serde_json::json;
use tokio::time::{self, Instant};

use super::Cluster;
use super::api::{ApiError, Doing, Namespaced, create};
use super::names::{MANAGER, SELECT_OURS, TARGET};
use super::parts::Parts;
use super::preflight::{Right, lacking};
use super::watch::{self, Selection};

pub use install::{InstallError, Manifests, Removed, install, uninstall};
pub use objects::{Image, Objects, any_image, image_of};

/// Name of its Deployment, ServiceAccount, Role and RoleBinding.
pub const NAME: &str = "devbridge-keeper";
/// Label on all that belongs to a keeper, its pod included.
pub const KEEPER: &str = "devbridge.dev/keeper";
/// Annotation on its Deployment: somebody installed it, so it does not end itself.
pub const INSTALLED: &str = "devbridge.dev/installed";
/// Annotation on its Deployment: the last session that began to use it. Changing it is what keeps it from ending itself at
/// that moment.
const USED: &str = "devbridge.dev/used";

/// What is needed to make one, beside the role `edit`.
pub const RIGHTS: &[Right] = &[
    ("create", "", "serviceaccounts", ""),
    ("create", "rbac.authorization.k8s.io", "roles", ""),
    ("create", "rbac.authorization.k8s.io", "rolebindings", ""),
];

/// How long one that is on its way out may take.
const GONE: Duration = Duration::from_secs(30);
/// Tries while others make, use and remove the same keeper.
const TRIES: usize = 5;
/// Tries to bind a Role that the API server does not know yet.
const BINDS: usize = 50;
/// Pause between them.
const PAUSE: Duration = Duration::from_millis(100);

/// Why there is no keeper.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The user may not make one.
    #[error("you may not {}", .0.join(", "))]
    Rights(Vec<String>),
    /// A Deployment of this name is not a keeper.
    #[error("Deployment {NAME} is not devbridge's")]
    Foreign,
    /// It comes and goes.
    #[error("Deployment {NAME} keeps changing")]
    Unsteady,
    /// The API server refused.
    #[error(transparent)]
    Api(#[from] ApiError),
}

/// A keeper that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keeper {
    /// Somebody installed it.
    pub installed: bool,
    /// Its pod is ready: it has read the namespace's records.
    pub ready: bool,
}

/// The keeper of the namespace, if there is one.
///
/// # Errors
/// The API server can't be reached or refuses.
pub async fn find(cluster: &Cluster) -> Result<Option<Keeper>, ApiError> {
    let found = read(cluster).await?.filter(is_keeper);
    Ok(found.map(|found| Keeper { installed: is_installed(&found), ready: is_ready(&found) }))
}

/// Makes sure that the namespace has a keeper, for `session`, whose record must be there already.
///
/// # Flow
/// The keeper that is there is marked as used; otherwise the Deployment is made, then all that it owns.
///
/// # Guarantees
/// Everything that is made belongs to the Deployment and goes with it. After an error nothing that this call has made is
/// left. A keeper that was about to end does not: it reads its Deployment, then the records, and ends only if the
/// Deployment has not changed since; here the order is the other way round.
///
/// # Caveats
/// Must not be dropped while it runs, or a Deployment without its rights may stay until the session is left.
///
/// # Errors
/// See [`KeeperError`].
pub async fn ensure(
    cluster: &Cluster,
    image: &Image,
    parts: &Parts,
    session: &str,
) -> Result<Keeper, KeeperError> {
    for _ in 0..TRIES {
        let Some(there) = read(cluster).await? else {
            let lacking = lacking(cluster, RIGHTS).await?;
            if !lacking.is_empty() {
                return Err(KeeperError::Rights(lacking));
            }
            if make(cluster, image, parts).await? {
                return Ok(Keeper { installed: false, ready: false });
            }
            continue;
        };
        if !is_keeper(&there) {
            return Err(KeeperError::Foreign);
        }
        let keeper = Keeper { installed: is_installed(&there), ready: is_ready(&there) };
        if there.metadata.deletion_timestamp.is_some() {
            gone(cluster).await?;
        } else if keeper.installed || mark(cluster, &there, session).await? {
            return Ok(keeper);
        }
        time::sleep(PAUSE).await;
    }
    Err(KeeperError::Unsteady)
}

/// Removes the keeper if nobody needs it any more: not an installed one, and not while there is any record.
///
/// # Guarantees
/// Safe to repeat. A session that begins meanwhile keeps it, see [`ensure`].
///
/// # Errors
/// The API server can't be reached or refuses.
pub async fn release(cluster: &Cluster) -> Result<(), ApiError> {
    for _ in 0..TRIES {
        let Some(there) = read(cluster).await?.filter(is_keeper) else { return Ok(()) };
        if is_installed(&there) || there.metadata.deletion_timestamp.is_some() {
            return Ok(());
        }
        let records = ListParams::default().labels(&format!("{SELECT_OURS},{TARGET}"));
        let records = cluster.api::<Lease>().list(&records).await.doing(|| "list Leases".into())?;
        if !records.items.is_empty() {
            return Ok(());
        }
        match delete(cluster, &there, there.resource_version()).await {
            Err(error) if error.is_conflict() => time::sleep(PAUSE).await,
            deleted => return deleted,
        }
    }
    // It changes because somebody uses it, or because its pod comes and goes; then it sees for itself.
    Ok(())
}

/// Waits until the keeper's pod is ready; `false` after `within`.
///
/// Cancel safe.
///
/// # Errors
/// The API server refuses.
pub async fn ready(cluster: &Cluster, within: Duration) -> Result<bool, ApiError> {
    let look = |set: &[Deployment]| set.iter().any(is_ready).then_some(());
    let deadline = Instant::now() + within;
    let found = watch::until(&cluster.api(), &Selection::name(NAME), deadline, look).await;
    Ok(found.doing(|| format!("watch Deployment {NAME}"))?.is_some())
}

/// Makes one; `false` when somebody else was faster.
async fn make(cluster: &Cluster, image: &Image, parts: &Parts) -> Result<bool, KeeperError> {
    let names: Vec<_> = parts.agent.iter().map(String::as_str).collect();
    let Objects { deployment, account, role, binding } =
        Objects::new(cluster, image, &parts.bootstrap, &names);
    let made = match create(cluster, &deployment).await {
        Err(error) if error.is_conflict() => return Ok(false),
        made => made?,
    };
    let owner = owner(&made);
    let rest = async {
        tokio::try_join!(
            own(cluster, account, &owner),
            async {
                own(cluster, role, &owner).await?;
                once_known(|| own(cluster, binding.clone(), &owner)).await
            },
            parts.ensure(cluster, &owner),
        )
    };
    match rest.await {
        Ok(_) => Ok(true),
        Err(error) => {
            // The first error counts.
            let _ = delete(cluster, &made, None).await;
            match error.status() {
                Some(403) => Err(KeeperError::Rights(vec![error.doing])),
                _ => Err(error.into()),
            }
        }
    }
}

/// Makes a binding to a Role that was made just now. Who may not bind anything may bind a Role whose rights they have
/// themselves; for that the API server looks it up in its cache, which may be a moment behind.
async fn once_known<T, F>(mut bind: impl FnMut() -> F) -> Result<T, ApiError>
where
    F: Future<Output = Result<T, ApiError>>,
{
    let mut tries = 0;
    loop {
        match bind().await {
            Err(error) if error.is_not_found() && tries < BINDS => tries += 1,
            bound => return bound,
        }
        time::sleep(PAUSE).await;
    }
}

/// Creates what the Deployment owns. One of the same name belongs to a keeper that is on its way out.
async fn own<K: Namespaced>(
    cluster: &Cluster,
    mut object: K,
    owner: &OwnerReference,
) -> Result<(), ApiError> {
    object.meta_mut().owner_references = Some(vec![owner.clone()]);
    let first = create(cluster, &object).await;
    let Err(error) = first.map(drop) else { return Ok(()) };
    let (api, name) = (cluster.api::<K>(), object.name_any());
    let doing = || format!("replace {} {name}", K::kind(&()));
    if !error.is_conflict() {
        return Err(error);
    }
    let there = api.get_opt(&name).await.doing(doing)?;
    if there.is_some_and(|there| !there.labels().contains_key(KEEPER)) {
        return Err(error);
    }
    match api.delete(&name, &DeleteParams::background()).await.doing(doing) {
        Err(error) if !error.is_not_found() => return Err(error),
        _ => {}
    }
    create(cluster, &object).await.map(drop)
}

/// Says that a session uses it; `false` when it is gone or another one.
async fn mark(cluster: &Cluster, there: &Deployment, session: &str) -> Result<bool, ApiError> {
    let metadata = json!({"uid": there.uid(), "annotations": {USED: session}});
    let patch = Patch::Merge(json!({ "metadata": metadata }));
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    let marked = cluster.api::<Deployment>().patch(NAME, &params, &patch).await;
    match marked.doing(|| format!("mark Deployment {NAME}")) {
        Err(error) if error.is_not_found() || error.is_conflict() || error.status() == Some(422) => Ok(false),
        marked => marked.map(|marked| marked.metadata.deletion_timestamp.is_none()),
    }
}

async fn read(cluster: &Cluster) -> Result<Option<Deployment>, ApiError> {
    cluster.api::<Deployment>().get_opt(NAME).await.doing(|| format!("read Deployment {NAME}"))
}

async fn gone(cluster: &Cluster) -> Result<(), ApiError> {
    let look = |set: &[Deployment]| set.is_empty().then_some(());
    let deadline = Instant::now() + GONE;
    let gone = watch::until(&cluster.api(), &Selection::name(NAME), deadline, look).await;
    gone.doing(|| format!("wait for Deployment {NAME} to go")).map(drop)
}

/// Deletes exactly this Deployment, with `version` only if it has not changed.
async fn delete(cluster: &Cluster, there: &Deployment, version: Option<String>) -> Result<(), ApiError> {
    let exactly = Preconditions { uid: there.uid(), resource_version: version };
    let params = DeleteParams::background().preconditions(exactly);
    let deleted = cluster.api::<Deployment>().delete(NAME, &params).await;
    match deleted.doing(|| format!("delete Deployment {NAME}")) {
        Err(error) if error.is_not_found() => Ok(()),
        deleted => deleted.map(drop),
    }
}

fn owner(deployment: &Deployment) -> OwnerReference {
    OwnerReference {
        api_version: "apps/v1".into(),
        kind: "Deployment".into(),
        name: NAME.into(),
        uid: deployment.uid().unwrap_or_default(),
        controller: None,
        block_owner_deletion: None,
    }
}

fn is_keeper(deployment: &Deployment) -> bool {
    deployment.labels().contains_key(KEEPER)
}

fn is_installed(deployment: &Deployment) -> bool {
    deployment.annotations().contains_key(INSTALLED)
}

fn is_ready(deployment: &Deployment) -> bool {
    deployment.status.as_ref().and_then(|status| status.ready_replicas).is_some_and(|ready| ready > 0)
}
