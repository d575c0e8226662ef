//! The agent's binary in the cluster: immutable ConfigMaps below 1 MiB, named by their content.
//!
//! So there is no image to pull or to publish, and several targets of a namespace share one copy: each target's
//! record is added as an owner, and Kubernetes' garbage collector removes the copy with the last one.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use http::HeaderValue;
use http::header::ACCEPT;
use json_patch::{AddOperation, Patch as JsonPatch, PatchOperation};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{Api, PartialObjectMeta, Patch, PatchParams, PostParams, Request};
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use super::Cluster;
use super::api::{ApiError, Doing};
use super::names::{DEVBRIDGE, MANAGED_BY, MANAGER};
use super::watch::{self, Selection};
use crate::bundle::Bundle;

/// Tries for one object when other sessions change it at the same moment.
const TRIES: usize = 10;
/// Longest wait for one that is being deleted: the garbage collector takes milliseconds.
const GONE: Duration = Duration::from_secs(2);

/// Asks for an answer without the content, which is what was just sent: the upload takes half the time (measured: 110 ms
/// to 60 ms for a part). Every API server since 1.15 knows it.
const METADATA_ONLY: HeaderValue =
    HeaderValue::from_static("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");

/// The parts as sources of a projected volume, under the names that the bootstrap reads in order.
pub fn sources<S: AsRef<str>>(parts: &[S]) -> Vec<Value> {
    let source = |(at, name): (usize, &S)| {
        let items = json!([{"key": "part", "path": format!("part-{at:02}")}]);
        json!({"configMap": {"name": name.as_ref(), "items": items}})
    };
    parts.iter().enumerate().map(source).collect()
}

/// The ConfigMaps that carry one agent.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Holds the bootstrap.
    pub bootstrap: String,
    /// Hold the packed agent, in order.
    pub agent: Vec<String>,
    contents: Vec<(String, &'static str, Vec<u8>)>,
}

impl Parts {
    /// Cuts the bundle.
    pub fn new(bundle: &Bundle) -> Self {
        let name = |what: &str| format!("devbridge-agent-{}-{}-{what}", bundle.hash, bundle.arch);
        let bootstrap = name("boot");
        let mut contents = vec![(bootstrap.clone(), "bootstrap", bundle.bootstrap.to_vec())];
        let mut agent = Vec::new();
        for (at, part) in bundle.parts().enumerate() {
            let name = name(&at.to_string());
            agent.push(name.clone());
            contents.push((name, "part", part.to_vec()));
        }
        Self { bootstrap, agent, contents }
    }

    /// The objects, owned by `owner` if there is one already.
    pub fn objects(&self, owner: Option<&OwnerReference>) -> Vec<ConfigMap> {
        let object = |(name, key, bytes): &(String, &'static str, Vec<u8>)| ConfigMap {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                labels: Some(BTreeMap::from([(MANAGED_BY.into(), DEVBRIDGE.into())])),
                owner_references: owner.map(|owner| vec![owner.clone()]),
                ..ObjectMeta::default()
            },
            immutable: Some(true),
            binary_data: Some(BTreeMap::from([((*key).into(), ByteString(bytes.clone()))])),
            ..ConfigMap::default()
        };
        self.contents.iter().map(object).collect()
    }

    /// Makes what is missing and adds `owner` to what is there; contents of what is there are compared.
    ///
    /// # Errors
    /// The API server refused, or a ConfigMap of this name holds something else.
    pub async fn ensure(&self, cluster: &Cluster, owner: &OwnerReference) -> Result<(), ApiError> {
        let api = cluster.api::<ConfigMap>();
        let objects = self.objects(Some(owner));
        try_join_all(objects.iter().map(|object| ensure(cluster, &api, object, owner))).await?;
        Ok(())
    }
}

async fn ensure(
    cluster: &Cluster,
    api: &Api<ConfigMap>,
    object: &ConfigMap,
    owner: &OwnerReference,
) -> Result<(), ApiError> {
    let name = object.name_any();
    let doing = || format!("create ConfigMap {name}");
    for _ in 0..TRIES {
        let Some(there) = api.get_opt(&name).await.doing(doing)? else {
            match create(cluster, object).await.doing(doing) {
                Err(error) if error.is_conflict() => continue,
                created => return created,
            }
        };
        if there.metadata.deletion_timestamp.is_some() || there.binary_data != object.binary_data {
            // On its way out with its last owner, or not ours: out of the way, then again.
            let _ = api.delete(&name, &kube::api::DeleteParams::default()).await;
            let gone = |found: &[ConfigMap]| found.iter().all(|one| one.uid() != there.uid()).then_some(());
            let deadline = Instant::now() + GONE;
            // The next try tells what is wrong if it stays.
            let _ = watch::until(api, &Selection::name(&name), deadline, gone).await;
            continue;
        }
        match own(api, &there, owner).await {
            Err(error) if error.is_conflict() || error.is_not_found() || error.status() == Some(422) => {}
            owned => return owned,
        }
    }
    Err(ApiError {
        doing: doing(),
        source: Box::new(kube::Error::Api(
            kube::core::Status::failure("it keeps changing", "Conflict").with_code(409).boxed(),
        )),
    })
}

async fn create(cluster: &Cluster, object: &ConfigMap) -> Result<(), kube::Error> {
    let params = PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() };
    let body = serde_json::to_vec(object).map_err(kube::Error::SerdeError)?;
    let url = ConfigMap::url_path(&(), Some(&cluster.namespace));
    let mut request = Request::new(url).create(&params, body).map_err(kube::Error::BuildRequest)?;
    request.headers_mut().insert(ACCEPT, METADATA_ONLY);
    cluster.client.request::<PartialObjectMeta<ConfigMap>>(request).await.map(drop)
}

/// Adds an owner, if nobody changed the object meanwhile.
async fn own(api: &Api<ConfigMap>, there: &ConfigMap, owner: &OwnerReference) -> Result<(), ApiError> {
    let owners = there.owner_references();
    if owners.iter().any(|known| known.uid == owner.uid) {
        return Ok(());
    }
    let name = there.name_any();
    let mut all = owners.to_vec();
    all.push(owner.clone());
    let add = |path: &str, value: Value| {
        PatchOperation::Add(AddOperation {
            path: json_patch::jsonptr::PointerBuf::parse(path).unwrap_or_default(),
            value,
        })
    };
    let owners = serde_json::to_value(&all).unwrap_or_default();
    let patch = Patch::Json::<()>(JsonPatch(vec![
        super::key::test("/metadata/resourceVersion", there.resource_version().unwrap_or_default().into()),
        add("/metadata/ownerReferences", owners),
    ]));
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    api.patch(&name, &params, &patch).await.doing(|| format!("patch ConfigMap {name}")).map(drop)
}
