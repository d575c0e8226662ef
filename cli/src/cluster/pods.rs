//! The pods of a workload, for commands that only look at them: any kind that has pods, a Service in front or not.

use k8s_openapi::api::apps::v1::{DaemonSet, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::ResourceExt;
use kube::api::ListParams;

use super::Cluster;
use super::api::{ApiError, Doing, Namespaced};
use super::names::{AGENT, RUNS_CODE};
use super::target::{TargetError, candidates, choose};
use super::watch::Selection;

/// Says which container of a pod people mean, if they don't say; kubectl reads it, too.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// Pods that belong together.
#[derive(Debug, Clone)]
pub struct Pods {
    /// `deployment/web`
    pub what: String,
    /// All of them, and agents that stand in for them.
    pub selection: Selection,
}

impl Pods {
    /// Of `written`: `web`, `deployment/web`, `service/web`, `statefulset/db`, `daemonset/log`, `replicaset/x`, `pod/web-0`.
    ///
    /// # Errors
    /// See [`TargetError`].
    pub async fn of(cluster: &Cluster, written: &str) -> Result<Self, TargetError> {
        let (kind, name) = written.split_once('/').unwrap_or(("", written));
        match kind {
            "pod" | "pods" | "po" => {
                let pod = named::<Pod>(cluster, "pod", name).await?;
                let selection = Selection::name(&pod.name_any());
                Ok(Self { what: format!("pod/{name}"), selection })
            }
            "statefulset" | "statefulsets" | "sts" => {
                let found = named::<StatefulSet>(cluster, "statefulset", name).await?;
                Ok(Self::selected("statefulset", name, &found.spec.selector))
            }
            "daemonset" | "daemonsets" | "ds" => {
                let found = named::<DaemonSet>(cluster, "daemonset", name).await?;
                Ok(Self::selected("daemonset", name, &found.spec.selector))
            }
            "replicaset" | "replicasets" | "rs" => {
                let found = named::<ReplicaSet>(cluster, "replicaset", name).await?;
                Ok(Self::selected("replicaset", name, &found.spec.selector))
            }
            _ => {
                let (deployments, services) = candidates(cluster).await?;
                let found = choose(&cluster.namespace, written, &deployments, &services)?;
                Ok(Self::selected("deployment", &found.name_any(), &found.spec.selector))
            }
        }
    }

    /// Those that there are, agents among them.
    ///
    /// # Errors
    /// The API server can't be reached or refuses.
    pub async fn now(&self, cluster: &Cluster) -> Result<Vec<Pod>, ApiError> {
        let mut params = ListParams::default().labels(&self.selection.labels);
        if !self.selection.fields.is_empty() {
            params = params.fields(&self.selection.fields);
        }
        Ok(cluster.api::<Pod>().list(&params).await.doing(|| "list pods".into())?.items)
    }

    fn selected(kind: &str, name: &str, selector: &LabelSelector) -> Self {
        Self { what: format!("{kind}/{name}"), selection: Selection::labels(written(selector)) }
    }
}

async fn named<K: Namespaced>(cluster: &Cluster, kind: &str, name: &str) -> Result<K, TargetError> {
    let found = cluster.api::<K>().get_opt(name).await.doing(|| format!("read {kind} {name}"))?;
    found.ok_or_else(|| TargetError::Missing {
        name: format!("{kind}/{name}"),
        namespace: cluster.namespace.clone(),
        there: Vec::new(),
    })
}

/// It stands in for others, and is devbridge's own.
pub fn is_agent(pod: &Pod) -> bool {
    pod.labels().contains_key(AGENT)
}

/// Whether a pod is an agent's that runs the code of a laptop.
pub fn runs_code(pod: &Pod) -> bool {
    is_agent(pod) && pod.annotations().contains_key(RUNS_CODE)
}

/// The container that is meant: the one that was named, else the pod's own default, else the first.
///
/// # Errors
/// The names that there are, when the wanted one is not among them.
pub fn container(pod: &Pod, wanted: Option<&str>) -> Result<String, Vec<String>> {
    let spec = pod.spec.as_ref();
    let usual = spec.into_iter().flat_map(|spec| &spec.containers).map(|container| container.name.clone());
    let usual: Vec<_> = usual.collect();
    let init =
        spec.into_iter().flat_map(|spec| spec.init_containers.iter().flatten()).map(|c| c.name.clone());
    let debug = spec.into_iter().flat_map(|spec| spec.ephemeral_containers.iter().flatten());
    let all: Vec<_> = usual.iter().cloned().chain(init).chain(debug.map(|c| c.name.clone())).collect();
    match wanted {
        Some(wanted) if all.iter().any(|name| name == wanted) => Ok(wanted.to_owned()),
        Some(_) => Err(all),
        None => {
            let default =
                pod.annotations().get(DEFAULT_CONTAINER).filter(|name| usual.contains(name)).cloned();
            default.or_else(|| usual.first().cloned()).ok_or(all)
        }
    }
}

/// A selector as the API takes it in a query.
fn written(selector: &LabelSelector) -> String {
    let equal = selector.match_labels.iter().flatten().map(|(key, value)| format!("{key}={value}"));
    let others = selector.match_expressions.iter().flatten().map(|wanted| {
        let values = wanted.values.clone().unwrap_or_default().join(",");
        match wanted.operator.as_str() {
            "In" => format!("{} in ({values})", wanted.key),
            "NotIn" => format!("{} notin ({values})", wanted.key),
            "DoesNotExist" => format!("!{}", wanted.key),
            _ => wanted.key.clone(),
        }
    });
    equal.chain(others).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_are_written_as_the_api_takes_them() {
        let selector = serde_json::from_value(json!({
            "matchLabels": { "app": "web", "tier": "front" },
            "matchExpressions": [
                { "key": "track", "operator": "In", "values": ["a", "b"] },
                { "key": "canary", "operator": "DoesNotExist" },
                { "key": "owner", "operator": "Exists" },
            ],
        }));
        assert_eq!(written(&selector.unwrap()), "app=web,tier=front,track in (a,b),!canary,owner");
    }

    #[test]
    fn the_container_is_the_one_that_was_named_or_the_default_or_the_first() {
        let pod = |annotations: serde_json::Value| -> Pod {
            let containers = json!([{ "name": "proxy" }, { "name": "app" }]);
            let spec = json!({ "containers": containers, "initContainers": [{ "name": "setup" }] });
            serde_json::from_value(json!({ "metadata": { "annotations": annotations }, "spec": spec }))
                .unwrap()
        };
        assert_eq!(container(&pod(json!({})), None).unwrap(), "proxy");
        assert_eq!(container(&pod(json!({ DEFAULT_CONTAINER: "app" })), None).unwrap(), "app");
        assert_eq!(container(&pod(json!({ DEFAULT_CONTAINER: "gone" })), None).unwrap(), "proxy");
        assert_eq!(container(&pod(json!({})), Some("setup")).unwrap(), "setup");
        assert_eq!(container(&pod(json!({})), Some("other")).unwrap_err(), ["proxy", "app", "setup"]);
    }
}
