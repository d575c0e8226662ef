//! Undo, for a session that is ours or anybody's: the key off first, then the record, whose deletion takes all
//! other objects with it.

use std::collections::BTreeSet;
use std::fmt::Debug;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use kube::api::{DeleteParams, ListParams};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::Cluster;
use super::api::{ApiError, Doing};
use super::names::{Names, SELECT_OURS};
use super::{key, record};

/// Leads the target's Services back to the originals and deletes its record.
///
/// # Flow
/// 1. The key off every Service that leads to the target's agent.
/// 2. The record deleted; with `uid`, only that one. Kubernetes' garbage collector removes the rest; the agent
///    drains meanwhile.
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
    Ok(services)
}

/// Something of ours that belongs to no session any more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leftover {
    /// `Service`, `Deployment`, …
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What would be done: "remove the key" or "delete".
    pub action: &'static str,
}

/// Everything in the namespace that carries our label or key and belongs to no record.
///
/// # Errors
/// The API server can't be reached or refuses.
pub async fn leftovers(cluster: &Cluster, dead: &BTreeSet<String>) -> Result<Vec<Leftover>, ApiError> {
    let ours = ListParams::default().labels(SELECT_OURS);
    let records = cluster.api::<Lease>().list(&ours).await.doing(|| "list Leases".into())?;
    let live: BTreeSet<_> = records
        .items
        .iter()
        .filter(|lease| !dead.contains(&lease.name_any()))
        .filter_map(ResourceExt::uid)
        .collect();
    let agents: BTreeSet<_> = records
        .items
        .iter()
        .filter(|lease| !dead.contains(&lease.name_any()))
        .filter_map(|lease| lease.labels().get(super::names::TARGET).map(|target| Names::new(target).agent))
        .collect();
    let mut found: Vec<Leftover> = records
        .items
        .iter()
        .filter(|lease| dead.contains(&lease.name_any()))
        .map(|lease| Leftover { kind: "Lease", name: lease.name_any(), action: "delete" })
        .collect();
    let services =
        cluster.api::<Service>().list(&ListParams::default()).await.doing(|| "list Services".into())?;
    for service in &services.items {
        if key::leads_to(service).is_some_and(|agent| !agents.contains(agent)) {
            found.push(Leftover { kind: "Service", name: service.name_any(), action: "remove the key" });
        }
    }
    found.extend(orphans::<Deployment>(cluster, "Deployment", &live).await?);
    found.extend(orphans::<Service>(cluster, "Service", &live).await?);
    found.extend(orphans::<Secret>(cluster, "Secret", &live).await?);
    found.extend(orphans::<ConfigMap>(cluster, "ConfigMap", &live).await?);
    found.sort();
    found.dedup();
    Ok(found)
}

/// Does what a [`Leftover`] says. Keys go before objects, so that no Service leads to an agent that is gone: call
/// it in the order of [`sorted`].
///
/// # Errors
/// The API server can't be reached or refuses; that it is gone already is no error.
pub async fn remove(cluster: &Cluster, leftover: &Leftover) -> Result<(), ApiError> {
    if leftover.action == "remove the key" {
        let service = cluster.api::<Service>().get_opt(&leftover.name).await;
        let service = service.doing(|| format!("read Service {}", leftover.name))?;
        if let Some(agent) = service.as_ref().and_then(key::leads_to) {
            key::unset(cluster, agent).await?;
        }
        return Ok(());
    }
    match leftover.kind {
        "Lease" => record::delete(cluster, &leftover.name, None).await,
        "Deployment" => delete::<Deployment>(cluster, leftover).await,
        "Service" => delete::<Service>(cluster, leftover).await,
        "Secret" => delete::<Secret>(cluster, leftover).await,
        _ => delete::<ConfigMap>(cluster, leftover).await,
    }
}

/// Keys first, then records, then the rest.
pub fn sorted(mut leftovers: Vec<Leftover>) -> Vec<Leftover> {
    leftovers.sort_by_key(|leftover| (leftover.action != "remove the key", leftover.kind != "Lease"));
    leftovers
}

/// Objects with our label and without a live owner.
async fn orphans<K>(
    cluster: &Cluster,
    kind: &'static str,
    live: &BTreeSet<String>,
) -> Result<Vec<Leftover>, ApiError>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Debug,
{
    let ours = ListParams::default().labels(SELECT_OURS);
    let list = cluster.api::<K>().list(&ours).await.doing(|| format!("list {kind}s"))?;
    let orphan = |object: &&K| {
        object.meta().deletion_timestamp.is_none()
            && !object.owner_references().iter().any(|owner| live.contains(&owner.uid))
    };
    let names = list.items.iter().filter(orphan).map(ResourceExt::name_any);
    Ok(names.map(|name| Leftover { kind, name, action: "delete" }).collect())
}

async fn delete<K>(cluster: &Cluster, leftover: &Leftover) -> Result<(), ApiError>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Debug,
{
    let deleted = cluster.api::<K>().delete(&leftover.name, &DeleteParams::background()).await;
    match deleted.doing(|| format!("delete {} {}", leftover.kind, leftover.name)) {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}
