//! Undo, for a session that is ours or anybody's: the key off first, then the record, whose deletion takes all
//! other objects with it.

use std::collections::BTreeSet;
use std::fmt::Debug;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, ListParams, Preconditions};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::Cluster;
use super::api::{ApiError, Doing};
use super::names::{AGENT, Names, SELECT_OURS, TARGET};
use super::{keeper, key, record};

/// Leads the target's Services back to the originals and deletes its record.
///
/// # Flow
/// 1. The key off every Service that leads to the target's agent.
/// 2. The record deleted; with `uid`, only that one. Kubernetes' garbage collector removes the rest; the agent
///    drains meanwhile.
/// 3. The keeper removed, if this was the namespace's last record and nobody installed it.
///
/// # Guarantees
/// Safe to repeat, from any machine, and after any part of attach. The target itself is never touched.
///
/// # Caveats
/// With a `uid` that is not the record's any more, somebody else holds the target, and only their key could be
/// there: then nothing is changed.
///
/// # Errors
/// The API server can't be reached or refuses; what was done before stays done.
pub async fn undo(cluster: &Cluster, names: &Names, uid: Option<&str>) -> Result<Vec<String>, ApiError> {
    if let Some(uid) = uid {
        let there = cluster
            .api::<Lease>()
            .get_opt(&names.record)
            .await
            .doing(|| format!("read Lease {}", names.record))?;
        if there.is_some_and(|lease| lease.uid().as_deref() != Some(uid)) {
            return Ok(Vec::new());
        }
    }
    let services = key::unset(cluster, &names.agent).await?;
    record::delete(cluster, &names.record, uid).await?;
    // One that works ends by itself; and who may undo a session need not be allowed to remove a keeper.
    let _ = keeper::release(cluster).await;
    Ok(services)
}

/// A record that nobody renews, exactly as it was when it was last seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dead {
    /// Name of the Lease.
    pub name: String,
    /// Its `resourceVersion`: one that was renewed since then is another.
    pub version: String,
}

/// Something of ours that belongs to no session any more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leftover {
    /// What would be done.
    pub action: Action,
    /// `Service`, `Deployment`, …
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Only this one, as it was seen.
    exactly: Exactly,
}

/// What would be done, in the order in which it has to be: no Service may lead to an agent that is gone, and with a record
/// goes what it owns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Take off the key that leads to this agent.
    TakeKey(String),
    /// Delete a record.
    DeleteRecord,
    /// Delete anything else.
    Delete,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Exactly {
    uid: Option<String>,
    version: Option<String>,
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::TakeKey(_) => "remove the key",
            Self::DeleteRecord | Self::Delete => "delete",
        })
    }
}

/// Everything in the namespace that carries our label or key and belongs to no record but `dead` ones, in the order in
/// which it has to be removed.
///
/// # Guarantees
/// What belongs to a session that lives is not among it, also if that session began a moment ago: records are made before
/// all else, and are read here after all else.
///
/// # Errors
/// The API server can't be reached or refuses.
pub async fn leftovers(cluster: &Cluster, dead: &BTreeSet<Dead>) -> Result<Vec<Leftover>, ApiError> {
    let services =
        cluster.api::<Service>().list(&ListParams::default()).await.doing(|| "list Services".into())?;
    let (deployments, ours, secrets, maps) = tokio::try_join!(
        metadata::<Deployment>(cluster, "Deployment"),
        metadata::<Service>(cluster, "Service"),
        metadata::<Secret>(cluster, "Secret"),
        metadata::<ConfigMap>(cluster, "ConfigMap"),
    )?;
    let all = ListParams::default().labels(&format!("{SELECT_OURS},{TARGET}"));
    let records = cluster.api::<Lease>().list(&all).await.doing(|| "list Leases".into())?.items;
    let is_dead = |lease: &Lease| {
        let seen = Dead { name: lease.name_any(), version: lease.resource_version().unwrap_or_default() };
        dead.contains(&seen)
    };
    let (gone, live): (Vec<_>, Vec<_>) = records.iter().partition(|lease| is_dead(lease));
    let agents: BTreeSet<_> = live.iter().filter_map(|lease| agent_of(lease)).collect();

    let mut found = Vec::new();
    for service in &services.items {
        if let Some(agent) = key::carries(service).filter(|agent| !agents.contains(*agent)) {
            found.push(leftover(Action::TakeKey(agent.into()), "Service", service.meta()));
        }
    }
    found.extend(gone.iter().map(|lease| leftover(Action::DeleteRecord, "Lease", lease.meta())));
    let mut owners: BTreeSet<_> = live.iter().filter_map(|lease| lease.uid()).collect();
    // A keeper belongs to all sessions of its namespace, and one that was installed to nobody.
    let is_keeper =
        |object: &ObjectMeta| object.labels.iter().any(|labels| labels.contains_key(keeper::KEEPER));
    for deployment in deployments.iter().filter(|deployment| is_keeper(deployment)) {
        let installed = deployment.annotations.iter().any(|all| all.contains_key(keeper::INSTALLED));
        if installed || !live.is_empty() {
            owners.extend(deployment.uid.clone());
        } else if deployment.deletion_timestamp.is_none() {
            found.push(leftover(Action::Delete, "Deployment", deployment));
        }
    }
    let all = [("Deployment", deployments), ("Service", ours), ("Secret", secrets), ("ConfigMap", maps)];
    for (kind, objects) in &all {
        let orphans = objects.iter().filter(|object| {
            let mut of = object.owner_references.iter().flatten();
            object.deletion_timestamp.is_none()
                && !is_keeper(object)
                && !of.any(|owner| owners.contains(&owner.uid))
        });
        found.extend(orphans.map(|object| leftover(Action::Delete, kind, object)));
    }
    found.sort();
    Ok(found)
}

/// Does what a [`Leftover`] says; `false` when it has changed since it was seen, and so is left alone.
///
/// # Errors
/// The API server can't be reached or refuses; that it is gone already is no error.
pub async fn remove(cluster: &Cluster, leftover: &Leftover) -> Result<bool, ApiError> {
    if let Action::TakeKey(agent) = &leftover.action {
        return key::unset(cluster, agent).await.map(|_| true);
    }
    match leftover.kind {
        "Lease" => delete::<Lease>(cluster, leftover).await,
        "Deployment" => delete::<Deployment>(cluster, leftover).await,
        "Service" => delete::<Service>(cluster, leftover).await,
        "Secret" => delete::<Secret>(cluster, leftover).await,
        _ => delete::<ConfigMap>(cluster, leftover).await,
    }
}

/// The agent that a record holds.
fn agent_of(lease: &Lease) -> Option<String> {
    let said = lease.annotations().get(AGENT).cloned();
    said.or_else(|| lease.labels().get(TARGET).map(|target| Names::new(target).agent))
}

fn leftover(action: Action, kind: &'static str, metadata: &ObjectMeta) -> Leftover {
    let exactly = Exactly { uid: metadata.uid.clone(), version: metadata.resource_version.clone() };
    Leftover { action, kind, name: metadata.name.clone().unwrap_or_default(), exactly }
}

/// What carries our label; contents, which may be long or secret, are not fetched.
async fn metadata<K>(cluster: &Cluster, kind: &'static str) -> Result<Vec<ObjectMeta>, ApiError>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Debug,
{
    let ours = ListParams::default().labels(SELECT_OURS);
    let list = cluster.api::<K>().list_metadata(&ours).await.doing(|| format!("list {kind}s"))?;
    Ok(list.items.into_iter().map(|object| object.metadata).collect())
}

async fn delete<K>(cluster: &Cluster, leftover: &Leftover) -> Result<bool, ApiError>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Debug,
{
    let Exactly { uid, version } = leftover.exactly.clone();
    let exactly = Preconditions { uid, resource_version: version };
    let params = DeleteParams::background().preconditions(exactly);
    let deleted = cluster.api::<K>().delete(&leftover.name, &params).await;
    match deleted.doing(|| format!("delete {} {}", leftover.kind, leftover.name)) {
        Ok(_) => Ok(true),
        // Kubernetes' own garbage collector was faster.
        Err(error) if error.is_not_found() => Ok(true),
        Err(error) if error.is_conflict() => Ok(false),
        Err(error) => Err(error),
    }
}
