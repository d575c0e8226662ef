//! A keeper that stays: `devbridge install` by somebody who may make roles, for those who may not.
//!
//! Its ConfigMaps have names of their own. Those of sessions are removed with the last session that uses them, and a
//! keeper that was printed and applied by another tool could not keep them.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::objects::labels;
use super::{INSTALLED, Image, KEEPER, NAME, Objects, gone, is_keeper, once_known, owner, read};
use crate::cluster::Cluster;
use crate::cluster::api::{ApiError, Doing};
use crate::cluster::names::MANAGER;
use crate::cluster::parts::Parts;

/// How the ConfigMaps of sessions begin, and those of an installed keeper.
const PREFIXES: (&str, &str) = ("devbridge-agent-", "devbridge-keeper-");

/// Why it could not be installed or removed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A Deployment of this name is not a keeper.
    #[error("Deployment {NAME} is not devbridge's")]
    Foreign,
    /// The API server refused.
    #[error(transparent)]
    Api(#[from] ApiError),
}

/// Everything of an installed keeper.
#[derive(Debug, Clone)]
pub struct Manifests {
    objects: Objects,
    maps: Vec<ConfigMap>,
}

impl Manifests {
    /// Makes the objects.
    pub fn new(cluster: &Cluster, image: &Image, parts: &Parts) -> Self {
        let own = |name: &str| name.replacen(PREFIXES.0, PREFIXES.1, 1);
        let mut maps = parts.objects(None);
        for map in &mut maps {
            map.metadata.name = Some(own(&map.name_any()));
            map.metadata.namespace = Some(cluster.namespace.clone());
            map.metadata.labels = Some(labels());
        }
        let names: Vec<_> = parts.agent.iter().map(|name| own(name)).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let mut objects = Objects::new(cluster, image, &own(&parts.bootstrap), &names);
        objects.deployment.annotations_mut().insert(INSTALLED.into(), "true".into());
        Self { objects, maps }
    }

    /// As documents that `kubectl apply --server-side -f -` takes, in an order in which they can be made.
    ///
    /// # Errors
    /// Never for these objects.
    pub fn documents(&self) -> Result<Vec<Value>, serde_json::Error> {
        let Objects { deployment, account, role, binding } = &self.objects;
        let mut all = vec![document(account)?, document(role)?, document(binding)?];
        for map in &self.maps {
            all.push(document(map)?);
        }
        all.push(document(deployment)?);
        Ok(all)
    }
}

fn document<K: Serialize>(object: &K) -> Result<Value, serde_json::Error> {
    let mut object = serde_json::to_value(object)?;
    // Written by the cluster alone.
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    Ok(object)
}

/// Installs a keeper, or makes the one that is there an installed one of this version.
///
/// # Flow
/// Server-side apply, for all of these objects are ours: the Deployment first, then the rest, which it owns.
///
/// # Guarantees
/// Safe to repeat. The namespace is never without a keeper while another version replaces it.
///
/// # Errors
/// See [`InstallError`]; what was made before stays, and `uninstall` removes it.
pub async fn install(cluster: &Cluster, manifests: &Manifests) -> Result<(), InstallError> {
    let there = read(cluster).await?;
    if there.is_some_and(|there| !is_keeper(&there)) {
        return Err(InstallError::Foreign);
    }
    let Manifests { objects, maps } = manifests.clone();
    // The program first, or a keeper that is replaced would wait for it.
    let maps = {
        let mut made = Vec::new();
        for map in maps {
            made.push(apply(cluster, map, None).await?);
        }
        made
    };
    let Objects { deployment, account, role, binding } = objects;
    let owner = owner(&apply(cluster, deployment, None).await?);
    tokio::try_join!(apply(cluster, account, Some(&owner)), async {
        apply(cluster, role, Some(&owner)).await?;
        once_known(|| apply(cluster, binding.clone(), Some(&owner))).await
    })?;
    for map in &maps {
        adopt(cluster, map, &owner).await?;
    }
    // Of another version.
    let current: Vec<_> = maps.iter().map(ResourceExt::name_any).collect();
    for old in labelled::<ConfigMap>(cluster).await? {
        if !current.contains(&old) {
            remove::<ConfigMap>(cluster, &old).await?;
        }
    }
    Ok(())
}

/// What [`uninstall`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// There was something to remove.
    pub found: bool,
    /// Roles and role bindings may be left: they could not be looked for. Those of a keeper that `install` or a session
    /// made go with its Deployment.
    pub roles_unknown: bool,
}

/// Removes the keeper, whoever made it. Returns when its Deployment is gone.
///
/// # Errors
/// See [`InstallError`].
pub async fn uninstall(cluster: &Cluster) -> Result<Removed, InstallError> {
    let there = read(cluster).await?;
    if there.as_ref().is_some_and(|there| !is_keeper(there)) {
        return Err(InstallError::Foreign);
    }
    let mut found = there.is_some();
    if found {
        remove::<Deployment>(cluster, NAME).await?;
    }
    let mut roles_unknown = false;
    for removed in [remove_all::<RoleBinding>(cluster).await, remove_all::<Role>(cluster).await] {
        match removed {
            Err(error) if error.status() == Some(403) => roles_unknown = true,
            removed => found |= removed?,
        }
    }
    found |= remove_all::<ServiceAccount>(cluster).await?;
    found |= remove_all::<ConfigMap>(cluster).await?;
    gone(cluster).await?;
    Ok(Removed { found, roles_unknown })
}

async fn apply<K>(cluster: &Cluster, mut object: K, owner: Option<&OwnerReference>) -> Result<K, ApiError>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Serialize
        + Debug,
{
    object.meta_mut().owner_references = owner.map(|owner| vec![owner.clone()]);
    let name = object.name_any();
    let params = PatchParams::apply(MANAGER).force();
    let applied = cluster.api::<K>().patch(&name, &params, &Patch::Apply(&object)).await;
    applied.doing(|| format!("apply {} {name}", K::kind(&())))
}

/// Makes the Deployment the owner, without sending the contents once more.
async fn adopt(cluster: &Cluster, map: &ConfigMap, owner: &OwnerReference) -> Result<(), ApiError> {
    let patch = Patch::Merge(serde_json::json!({"metadata": {"ownerReferences": [owner]}}));
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    let name = map.name_any();
    let patched = cluster.api::<ConfigMap>().patch(&name, &params, &patch).await;
    patched.doing(|| format!("patch ConfigMap {name}")).map(drop)
}

async fn remove_all<K>(cluster: &Cluster) -> Result<bool, ApiError>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let names = labelled::<K>(cluster).await?;
    for name in &names {
        remove::<K>(cluster, name).await?;
    }
    Ok(!names.is_empty())
}

/// Names of the objects with the keeper's label.
async fn labelled<K>(cluster: &Cluster) -> Result<Vec<String>, ApiError>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let list = cluster.api::<K>().list_metadata(&ListParams::default().labels(KEEPER)).await;
    let list = list.doing(|| format!("list {}s", K::kind(&())))?;
    Ok(list.items.iter().map(ResourceExt::name_any).collect())
}

async fn remove<K>(cluster: &Cluster, name: &str) -> Result<(), ApiError>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let deleted = cluster.api::<K>().delete(name, &DeleteParams::background()).await;
    match deleted.doing(|| format!("delete {} {name}", K::kind(&()))) {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}
