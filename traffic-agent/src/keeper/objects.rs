//! What the keeper reads of Kubernetes' objects.
//!
//! Anybody with `edit` may have written them. So little is read, and each value is checked where it is read: a name that
//! could not be one of Kubernetes' never comes further.

use std::{collections::BTreeMap, net::IpAddr};

use serde::Deserialize;

/// Label on everything that devbridge makes.
pub(super) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Its value.
pub(super) const DEVBRIDGE: &str = "devbridge";
/// Label on records: the target.
pub(super) const TARGET: &str = "devbridge.dev/target";
/// Label on agent pods, key in a swapped Service's selector, annotation on a record: the agent's name.
pub(super) const AGENT: &str = "devbridge.dev/agent";
/// Annotation on the keeper's Deployment: somebody installed it, and only somebody removes it.
pub(super) const INSTALLED: &str = "devbridge.dev/installed";
/// How names of records begin.
const RECORD: &str = "devbridge-";
/// Label on an EndpointSlice: its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Longest label value.
const LABEL: usize = 63;
/// Longest name.
const NAME: usize = 253;

type Map = BTreeMap<String, String>;

/// What every object has.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Meta {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) resource_version: String,
    pub(super) deletion_timestamp: Option<String>,
    pub(super) labels: Map,
    pub(super) annotations: Map,
}

/// An object of which only this much is read: Leases, Deployments.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Bare {
    pub(super) metadata: Meta,
}

/// A record as the keeper sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) version: String,
    /// The agent that it holds; `None` when what it says can't be an agent's name.
    pub(super) agent: Option<String>,
}

impl Record {
    /// A Lease that carries our labels and a name like ours; anything else is none of the keeper's business.
    pub(super) fn read(lease: Bare) -> Option<Self> {
        let Meta { name, uid, resource_version, mut annotations, labels, .. } = lease.metadata;
        let ours = labels.get(MANAGED_BY).is_some_and(|by| by == DEVBRIDGE) && labels.contains_key(TARGET);
        let plain = name.starts_with(RECORD) && is_name(&name, NAME) && !uid.is_empty();
        let agent = annotations.remove(AGENT).filter(|agent| is_name(agent, LABEL));
        (ours && plain).then_some(Self { name, uid, version: resource_version, agent })
    }
}

/// A Service.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Service {
    pub(super) metadata: Meta,
    spec: ServiceSpec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ServiceSpec {
    selector: Map,
}

impl Service {
    /// The agent that a Service of the user's leads to by our key. Not one of ours, and not one whose selector is our key
    /// alone: nobody swapped that, and without the key it would select nothing for ever.
    pub(super) fn leads_to(&self) -> Option<&str> {
        let ours = self.metadata.labels.get(MANAGED_BY).is_some_and(|by| by == DEVBRIDGE);
        let agent = self.spec.selector.get(AGENT)?;
        let usable = is_name(&self.metadata.name, NAME) && is_name(agent, LABEL);
        (!ours && usable && self.spec.selector.len() > 1).then_some(agent)
    }
}

/// An EndpointSlice.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Slice {
    pub(super) metadata: Meta,
    // A slice without endpoints may say `null`.
    endpoints: Option<Vec<Endpoint>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Endpoint {
    conditions: Conditions,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Conditions {
    ready: Option<bool>,
}

impl Slice {
    /// The Service that it belongs to, and whether it has a ready endpoint. Unknown readiness is ready.
    pub(super) fn read(&self) -> Option<(&str, bool)> {
        let service = self.metadata.labels.get(SERVICE_NAME)?;
        let ready = self.endpoints.iter().flatten().any(|endpoint| endpoint.conditions.ready.unwrap_or(true));
        Some((service, ready))
    }
}

/// A pod, with the label of an agent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pod {
    metadata: Meta,
    spec: PodSpec,
    status: PodStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PodSpec {
    containers: Vec<Container>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Container {
    readiness_probe: Option<Probe>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Probe {
    http_get: Option<HttpGet>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HttpGet {
    path: String,
    port: serde_json::Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PodStatus {
    #[serde(rename = "podIP")]
    pod_ip: String,
}

/// An agent's pod, as the keeper asks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AgentPod {
    pub(super) uid: String,
    pub(super) agent: String,
    pub(super) ip: IpAddr,
    /// Port of `/readyz`.
    pub(super) port: u16,
}

impl AgentPod {
    /// A pod with an address that answers `/readyz` on a port of its own and is not on its way out.
    pub(super) fn read(pod: Pod) -> Option<Self> {
        let Meta { uid, mut labels, deletion_timestamp: None, .. } = pod.metadata else { return None };
        let agent = labels.remove(AGENT).filter(|agent| is_name(agent, LABEL))?;
        let probes =
            pod.spec.containers.into_iter().filter_map(|container| container.readiness_probe?.http_get);
        let probe = { probes }.find(|probe| probe.path == "/readyz")?;
        let port = u16::try_from(probe.port.as_u64()?).ok()?;
        Some(Self { uid, agent, ip: pod.status.pod_ip.parse().ok()?, port })
    }
}

/// Whether `text` can be a name of Kubernetes': it goes into paths and patches as it is.
pub(super) fn is_name(text: &str, longest: usize) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let ends = [text.bytes().next(), text.bytes().last()];
    text.len() <= longest
        && text.bytes().all(inner)
        && ends.iter().all(|end| end.is_some_and(|byte| byte.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn record(lease: Value) -> Option<Record> {
        Record::read(serde_json::from_value(lease).unwrap())
    }

    #[test]
    fn only_leases_with_our_labels_and_a_name_like_ours_are_records() {
        let lease = |name: &str, labels: Value, agent: &str| {
            json!({"metadata": {"name": name, "uid": "u", "resourceVersion": "7", "labels": labels,
                                "annotations": {AGENT: agent, "devbridge.dev/services": "kubernetes,../x"}}})
        };
        let ours = json!({MANAGED_BY: DEVBRIDGE, TARGET: "web"});
        let read = record(lease("devbridge-web", ours.clone(), "web-devbridge")).unwrap();
        assert_eq!((read.version.as_str(), read.agent.as_deref()), ("7", Some("web-devbridge")));
        for (name, labels) in [
            ("kube-scheduler", ours.clone()),
            ("devbridge-../../secrets/x", ours.clone()),
            ("devbridge-web", json!({TARGET: "web"})),
            ("devbridge-web", json!({MANAGED_BY: "Helm", TARGET: "web"})),
            ("devbridge-web", json!({MANAGED_BY: DEVBRIDGE})),
        ] {
            assert_eq!(record(lease(name, labels, "web-devbridge")), None, "{name}");
        }
        for agent in ["", "a/b", "x\"", "Ü", &"x".repeat(64), "web-devbridge\r\nHost: x"] {
            assert_eq!(record(lease("devbridge-web", ours.clone(), agent)).unwrap().agent, None, "{agent}");
        }
    }

    #[test]
    fn only_a_selector_with_more_than_the_key_is_swapped() {
        let service = |labels: Value, selector: Value| -> Option<String> {
            let object =
                json!({"metadata": {"name": "web", "labels": labels}, "spec": {"selector": selector}});
            serde_json::from_value::<Service>(object).unwrap().leads_to().map(str::to_owned)
        };
        let swapped = json!({"app": "web", AGENT: "web-devbridge"});
        assert_eq!(service(json!({}), swapped.clone()).as_deref(), Some("web-devbridge"));
        assert_eq!(service(json!({MANAGED_BY: DEVBRIDGE}), swapped), None);
        assert_eq!(service(json!({}), json!({AGENT: "web-devbridge"})), None);
        assert_eq!(service(json!({}), json!({"app": "web"})), None);
        assert_eq!(service(json!({}), json!({"app": "web", AGENT: ""})), None);
    }

    #[test]
    fn a_pod_is_asked_only_where_it_says_that_it_is_ready() {
        let pod = |path: &str, port: Value, ip: &str, more: Value| {
            let mut metadata = json!({"uid": "u", "labels": {AGENT: "web-devbridge"}});
            metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let probe = json!({"httpGet": {"path": path, "port": port}});
            let containers = json!([{"name": "sidecar"}, {"readinessProbe": probe}]);
            let object =
                json!({"metadata": metadata, "spec": {"containers": containers}, "status": {"podIP": ip}});
            AgentPod::read(serde_json::from_value(object).unwrap())
        };
        assert_eq!(pod("/readyz", json!(8089), "10.0.0.9", json!({})).unwrap().port, 8089);
        assert_eq!(pod("/metrics", json!(8089), "10.0.0.9", json!({})), None);
        assert_eq!(pod("/readyz", json!("http"), "10.0.0.9", json!({})), None);
        assert_eq!(pod("/readyz", json!(99999), "10.0.0.9", json!({})), None);
        assert_eq!(pod("/readyz", json!(8089), "", json!({})), None);
        assert_eq!(pod("/readyz", json!(8089), "10.0.0.9", json!({"deletionTimestamp": "now"})), None);
    }

    #[test]
    fn an_endpoint_of_unknown_readiness_is_ready_and_none_is_not() {
        let ready = |endpoints: Value| {
            let object = json!({"metadata": {"labels": {SERVICE_NAME: "web"}}, "endpoints": endpoints});
            serde_json::from_value::<Slice>(object).unwrap().read().unwrap().1
        };
        assert!(ready(json!([{"conditions": {"ready": false}}, {"conditions": {}}])));
        assert!(!ready(json!([{"conditions": {"ready": false}}])));
        assert!(!ready(Value::Null));
    }
}
