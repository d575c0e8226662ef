//! What is made in the cluster for one swap, besides the record and the agent's binary.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Secret, Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{Resource, ResourceExt};
use serde_json::json;

use super::Cluster;
use super::agent_pod::{AgentPod, port_name};
use super::api::{ApiError, Doing, Namespaced, create};
use super::names::{AGENT, DEVBRIDGE, MANAGED_BY, TARGET};
use super::parts::Parts;
use super::target::Target;

/// The objects of one swap.
#[derive(Debug, Clone)]
pub struct Objects {
    /// The agent's keys; mounted into the agent's container only, so that only who may read Secrets can join.
    pub secret: Secret,
    /// Leads to the originals: how the agent finds them when no laptop tells it.
    pub origin: Service,
    /// Leads to all agents: what is subtracted from the originals, so that agents never forward to each other.
    pub agents: Service,
    /// The agent.
    pub deployment: Deployment,
}

impl Objects {
    /// Makes the objects; `agent_seed` is the agent's private key, `laptop_key` the public key that it accepts.
    pub fn new(target: &Target, pod: &AgentPod, agent_seed: &[u8], laptop_key: &[u8]) -> Self {
        let names = &target.names;
        let secret = Secret {
            metadata: metadata(target, &names.record),
            type_: Some("Opaque".into()),
            data: Some(BTreeMap::from([
                ("agent.seed".into(), ByteString(agent_seed.to_vec())),
                ("laptop.pub".into(), ByteString(laptop_key.to_vec())),
            ])),
            ..Secret::default()
        };
        let selector = target.services.first().map(|service| service.selector.clone()).unwrap_or_default();
        let origin = headless(target, &names.origin, selector, false);
        let agent_label = BTreeMap::from([(AGENT.to_owned(), names.agent.clone())]);
        let agents = headless(target, &names.agents, agent_label.clone(), true);
        let mut deployment: Deployment = serde_json::from_value(json!({"spec": {
            "replicas": pod.replicas,
            "revisionHistoryLimit": 0,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": agent_label},
            "template": {},
        }}))
        .unwrap_or_default();
        deployment.metadata = metadata(target, &names.agent);
        deployment.spec.template = pod.template.clone();
        Self { secret, origin, agents, deployment }
    }

    /// Makes all of it and the agent's binary, owned by `owner`.
    ///
    /// # Flow
    /// Everything else side by side, then the Deployment: its pod mounts the Secret and the binary (a mount that fails
    /// is tried again half a second later at the earliest) and asks for the Services (a DNS answer "no such name" would
    /// be cached for up to 30 s).
    ///
    /// # Guarantees
    /// Every object goes away with the record. What a session that died left behind under the same name is
    /// replaced, for it has no owner any more.
    ///
    /// # Errors
    /// The API server refused one of them; the others may be there.
    pub async fn create(
        &self,
        cluster: &Cluster,
        owner: &OwnerReference,
        parts: &Parts,
    ) -> Result<(), ApiError> {
        tokio::try_join!(
            parts.ensure(cluster, owner),
            replace(cluster, owned(&self.secret, owner)),
            replace(cluster, owned(&self.origin, owner)),
            replace(cluster, owned(&self.agents, owner)),
        )?;
        replace(cluster, owned(&self.deployment, owner)).await
    }
}

fn headless(target: &Target, name: &str, selector: BTreeMap<String, String>, not_ready: bool) -> Service {
    let mut ports = BTreeMap::new();
    for port in target.services.iter().flat_map(|service| &service.ports) {
        ports.entry(port.container).or_insert_with(|| ServicePort {
            name: Some(port_name(port.container)),
            port: i32::from(port.container),
            target_port: Some(port.target_port.clone()),
            protocol: Some("TCP".into()),
            ..ServicePort::default()
        });
    }
    Service {
        metadata: metadata(target, name),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".into()),
            selector: Some(selector),
            ports: Some(ports.into_values().collect()),
            publish_not_ready_addresses: not_ready.then_some(true),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// Nothing of the target's own labels and annotations is copied: what manages the target by them would adopt or
/// remove ours.
fn metadata(target: &Target, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        labels: Some(BTreeMap::from([
            (MANAGED_BY.into(), DEVBRIDGE.into()),
            (TARGET.into(), target.names.target.clone()),
        ])),
        ..ObjectMeta::default()
    }
}

fn owned<K: Resource + Clone>(object: &K, owner: &OwnerReference) -> K {
    let mut object = object.clone();
    object.meta_mut().owner_references = Some(vec![owner.clone()]);
    object
}

/// Creates `object`; one of ours that is there already belongs to a session that is gone, as the caller has the
/// record: it is deleted first.
async fn replace<K: Namespaced>(cluster: &Cluster, object: K) -> Result<(), ApiError> {
    let api = cluster.api::<K>();
    let (kind, name) = (K::kind(&()).into_owned(), object.name_any());
    let error = match create(cluster, &object).await {
        Ok(_) => return Ok(()),
        Err(error) if error.is_conflict() => error,
        Err(error) => return Err(error),
    };
    let there = api.get_opt(&name).await.doing(|| format!("read {kind} {name}"))?;
    if there.is_some_and(|there| there.labels().get(MANAGED_BY).is_none_or(|by| by != DEVBRIDGE)) {
        // The user's own object has our name.
        return Err(error);
    }
    let gone = api
        .delete(&name, &kube::api::DeleteParams::foreground())
        .await
        .doing(|| format!("delete {kind} {name}"));
    match gone {
        Err(error) if !error.is_not_found() => return Err(error),
        _ => {}
    }
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    let selection = super::watch::Selection::name(&name);
    let look = |set: &[K]| set.is_empty().then_some(());
    super::watch::until(&api, &selection, deadline, look)
        .await
        .doing(|| format!("wait for {kind} {name} to go"))?;
    create(cluster, &object).await.map(drop)
}
