//! What the keeper reads of Kubernetes' objects.
//!
//! Anybody with `edit` may have written them. So little is read, and each value is checked where it is read: a name that
//! could not be one of Kubernetes' never comes further.

use std::net::IpAddr;

use serde_json::{Value, json};

/// Label on everything that devbridge makes.
pub(super) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Its value.
pub(super) const DEVBRIDGE: &str = "devbridge";
/// Label on records: the target.
pub(super) const TARGET: &str = "devbridge.dev/target";
/// Label on agent pods, key in a swapped Service's selector, annotation on a record: the agent's name.
pub(super) const AGENT: &str = "devbridge.dev/agent";
/// Annotation on a Service: the agent whose session paused Flux on it.
const PAUSED: &str = "devbridge.dev/paused";
/// By this annotation Flux' kustomize-controller leaves an object as it is.
const PAUSE: &str = "kustomize.toolkit.fluxcd.io/reconcile";
/// Its value.
const PAUSE_VALUE: &str = "disabled";
/// Annotation on the keeper's Deployment: somebody installed it, and only somebody removes it.
const INSTALLED: &str = "devbridge.dev/installed";
/// How names of records begin.
const RECORD: &str = "devbridge-";
/// Label on an EndpointSlice: its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Longest label value.
const LABEL: usize = 63;
/// Longest name.
const NAME: usize = 253;

/// One state of one object: what is deleted must still be this.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Exactly {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) version: String,
}

impl Exactly {
    /// `None` without a name that can be one, or without a uid.
    pub(super) fn read(object: &Value) -> Option<Self> {
        let text = |key: &str| object["metadata"][key].as_str().map(str::to_owned);
        let (name, uid, version) = (text("name")?, text("uid")?, text("resourceVersion")?);
        is_name(&name, NAME).then_some(Self { name, uid, version })
    }
}

/// A record as the keeper sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) lease: Exactly,
    /// The agent that it holds; `None` when what it says can't be an agent's name.
    pub(super) agent: Option<String>,
}

impl Record {
    /// A Lease that carries our labels and a name like ours; anything else is none of the keeper's business.
    pub(super) fn read(lease: &Value) -> Option<Self> {
        let labels = &lease["metadata"]["labels"];
        let ours = labels[MANAGED_BY] == DEVBRIDGE && labels[TARGET].is_string();
        let agent = lease["metadata"]["annotations"][AGENT].as_str();
        let agent = agent.filter(|agent| is_name(agent, LABEL)).map(str::to_owned);
        let lease = Exactly::read(lease)?;
        (ours && lease.name.starts_with(RECORD)).then_some(Self { lease, agent })
    }
}

/// The agent that a Service of the user's leads to by our key. Not one of ours, and not one whose selector is our key
/// alone: nobody swapped that, and without the key it would select nothing for ever.
pub(super) fn led_to(service: &Value) -> Option<String> {
    let ours = service["metadata"]["labels"][MANAGED_BY] == DEVBRIDGE;
    let selector = service["spec"]["selector"].as_object()?;
    let agent = selector.get(AGENT)?.as_str()?;
    let usable = is_name(service["metadata"]["name"].as_str()?, NAME) && is_name(agent, LABEL);
    (!ours && usable && selector.len() > 1).then(|| agent.to_owned())
}

/// The JSON patch that leads a Service back to the originals: our key off if it has this value, and with it the pause of
/// Flux that this agent's session made.
pub(super) fn without_key(service: &Value, agent: &str) -> Vec<Value> {
    let mut patch = Vec::new();
    let mut take = |at: &str, key: &str, value: &str| {
        let path = format!("{at}/{}", key.replace('/', "~1"));
        patch.push(json!({"op": "test", "path": path, "value": value}));
        patch.push(json!({"op": "remove", "path": path}));
    };
    take("/spec/selector", AGENT, agent);
    let annotations = &service["metadata"]["annotations"];
    if annotations[PAUSED] == agent {
        take("/metadata/annotations", PAUSED, agent);
        if annotations[PAUSE] == PAUSE_VALUE {
            take("/metadata/annotations", PAUSE, PAUSE_VALUE);
        }
    }
    patch
}

/// The Service that an EndpointSlice belongs to, and whether it has a ready endpoint. Unknown readiness is ready.
pub(super) fn endpoints(slice: &Value) -> Option<(String, bool)> {
    let service = slice["metadata"]["labels"][SERVICE_NAME].as_str()?;
    let mut endpoints = slice["endpoints"].as_array().into_iter().flatten();
    let ready = endpoints.any(|endpoint| endpoint["conditions"]["ready"].as_bool().unwrap_or(true));
    Some((service.to_owned(), ready))
}

/// An agent's pod, as the keeper asks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AgentPod {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) agent: String,
    pub(super) ip: IpAddr,
    /// Port of `/readyz`.
    pub(super) port: u16,
}

impl AgentPod {
    /// A pod that carries our labels, has an address, answers `/readyz` on a port of its own and is not on its way out.
    pub(super) fn read(pod: &Value) -> Option<Self> {
        let metadata = &pod["metadata"];
        if metadata["labels"][MANAGED_BY] != DEVBRIDGE {
            return None;
        }
        let agent = metadata["labels"][AGENT].as_str().filter(|agent| is_name(agent, LABEL))?;
        let containers = pod["spec"]["containers"].as_array()?;
        let mut probes = containers.iter().map(|container| &container["readinessProbe"]["httpGet"]);
        let port = &probes.find(|probe| probe["path"] == "/readyz")?["port"];
        let going = metadata["deletionTimestamp"].is_string();
        let name = metadata["name"].as_str().filter(|name| is_name(name, NAME))?;
        let read = Self {
            name: name.to_owned(),
            uid: metadata["uid"].as_str()?.to_owned(),
            agent: agent.to_owned(),
            ip: pod["status"]["podIP"].as_str()?.parse().ok()?,
            port: u16::try_from(port.as_u64()?).ok()?,
        };
        (!going).then_some(read)
    }
}

/// Whether this is a keeper's Deployment that may be deleted by the keeper itself.
pub(super) fn may_end(deployment: &Value) -> bool {
    let metadata = &deployment["metadata"];
    metadata["annotations"][INSTALLED].is_null() && metadata["deletionTimestamp"].is_null()
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
    use super::*;

    fn record(lease: Value) -> Option<Record> {
        Record::read(&lease)
    }

    #[test]
    fn only_leases_with_our_labels_and_a_name_like_ours_are_records() {
        let lease = |name: &str, labels: Value, agent: &str| {
            json!({"metadata": {"name": name, "uid": "u", "resourceVersion": "7", "labels": labels,
                                "annotations": {AGENT: agent, "devbridge.dev/services": "kubernetes,../x"}}})
        };
        let ours = json!({MANAGED_BY: DEVBRIDGE, TARGET: "web"});
        let read = record(lease("devbridge-web", ours.clone(), "web-devbridge")).unwrap();
        assert_eq!((read.lease.version.as_str(), read.agent.as_deref()), ("7", Some("web-devbridge")));
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
            led_to(&object)
        };
        let swapped = json!({"app": "web", AGENT: "web-devbridge"});
        assert_eq!(service(json!({}), swapped.clone()).as_deref(), Some("web-devbridge"));
        assert_eq!(service(json!({MANAGED_BY: DEVBRIDGE}), swapped), None);
        assert_eq!(service(json!({}), json!({AGENT: "web-devbridge"})), None);
        assert_eq!(service(json!({}), json!({"app": "web"})), None);
        assert_eq!(service(json!({}), json!({"app": "web", AGENT: ""})), None);
    }

    #[test]
    fn a_key_takes_only_its_own_pause_with_it() {
        let paths = |annotations: Value| -> Vec<String> {
            let service = json!({"metadata": {"annotations": annotations}});
            let patch = without_key(&service, "web-devbridge");
            let removed = patch.iter().filter(|operation| operation["op"] == "remove");
            removed.map(|operation| operation["path"].as_str().unwrap().to_owned()).collect()
        };
        let key = "/spec/selector/devbridge.dev~1agent";
        let (paused, pause) = (
            "/metadata/annotations/devbridge.dev~1paused",
            "/metadata/annotations/kustomize.toolkit.fluxcd.io~1reconcile",
        );
        assert_eq!(paths(Value::Null), [key]);
        assert_eq!(paths(json!({PAUSE: PAUSE_VALUE})), [key], "somebody else's pause");
        assert_eq!(paths(json!({PAUSE: PAUSE_VALUE, PAUSED: "shop-devbridge"})), [key]);
        assert_eq!(paths(json!({PAUSED: "web-devbridge"})), [key, paused]);
        assert_eq!(paths(json!({PAUSE: PAUSE_VALUE, PAUSED: "web-devbridge"})), [key, paused, pause]);
    }

    #[test]
    fn a_pod_is_asked_only_where_it_says_that_it_is_ready() {
        let pod = |path: &str, port: Value, ip: &str, more: Value| {
            let labels = json!({AGENT: "web-devbridge", MANAGED_BY: DEVBRIDGE});
            let mut metadata = json!({"name": "web-devbridge-1", "uid": "u", "labels": labels});
            metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let probe = json!({"httpGet": {"path": path, "port": port}});
            let containers = json!([{"name": "sidecar"}, {"readinessProbe": probe}]);
            let object =
                json!({"metadata": metadata, "spec": {"containers": containers}, "status": {"podIP": ip}});
            AgentPod::read(&object)
        };
        assert_eq!(pod("/readyz", json!(8089), "10.0.0.9", json!({})).unwrap().port, 8089);
        assert_eq!(pod("/metrics", json!(8089), "10.0.0.9", json!({})), None);
        assert_eq!(pod("/readyz", json!("http"), "10.0.0.9", json!({})), None);
        assert_eq!(pod("/readyz", json!(99999), "10.0.0.9", json!({})), None);
        assert_eq!(pod("/readyz", json!(8089), "", json!({})), None);
        assert_eq!(pod("/readyz", json!(8089), "10.0.0.9", json!({"deletionTimestamp": "now"})), None);
        assert_eq!(pod("/readyz", json!(8089), "10.0.0.9", json!({"name": "../secrets/x"})), None);
        assert_eq!(
            pod("/readyz", json!(8089), "10.0.0.9", json!({"labels": {AGENT: "web-devbridge"}})),
            None
        );
    }

    #[test]
    fn an_endpoint_of_unknown_readiness_is_ready_and_none_is_not() {
        let ready = |list: Value| {
            let object = json!({"metadata": {"labels": {SERVICE_NAME: "web"}}, "endpoints": list});
            endpoints(&object).unwrap().1
        };
        assert!(ready(json!([{"conditions": {"ready": false}}, {"conditions": {}}])));
        assert!(!ready(json!([{"conditions": {"ready": false}}])));
        assert!(!ready(Value::Null));
    }
}
