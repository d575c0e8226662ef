//! The keeper's objects: a pod that passes Pod Security *restricted*, and a Role that is part of `edit`.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{LocalObjectReference, Pod, PodSpec, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::ListParams;
use serde_json::{Value, json};

use super::{KEEPER, NAME};
use crate::bundle::Bundle;
use crate::cluster::Cluster;
use crate::cluster::agent_pod::placing::leaves_node_that_is_gone;
use crate::cluster::api::{ApiError, Doing};
use crate::cluster::names::{AGENT, DEVBRIDGE, MANAGED_BY};
use crate::cluster::parts;
use crate::cluster::target::Target;

/// Directory of everything of ours in the pod.
const BASE: &str = "/devbridge";
/// Port of `/livez` and `/readyz`; the pod listens on nothing else.
const HEALTH: u16 = 8089;
/// A user that owns nothing in any usual image.
const USER: i64 = 65532;
/// A node that is gone is given up after so many seconds: the keeper must not wait for it for minutes.
const NODE_GONE: i64 = 10;

/// An image that the cluster can run, because it runs it already; what is in it does not matter.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// Its name.
    pub image: String,
    /// Secrets for its registry.
    pub pull_secrets: Vec<LocalObjectReference>,
    /// CPU architecture of the program that is brought along.
    pub arch: &'static str,
}

/// The four objects of a keeper; its ConfigMaps are those of the agent.
#[derive(Debug, Clone)]
pub struct Objects {
    /// Owns the others.
    pub deployment: Deployment,
    /// Whom the keeper is at the API server.
    pub account: ServiceAccount,
    /// What it may do.
    pub role: Role,
    /// Gives it that.
    pub binding: RoleBinding,
}

/// The image of the target's container, as its running pods have it: admission may have changed names and added secrets.
pub async fn image_of(cluster: &Cluster, target: &Target, bundle: &Bundle) -> Image {
    let labels = target.deployment.spec.selector.match_labels.clone().unwrap_or_default();
    let labels: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let pods = cluster.api::<Pod>().list(&ListParams::default().labels(&labels.join(","))).await;
    let template = target.template().spec.unwrap_or_default();
    let container = template.containers.get(target.container).map(|container| container.name.clone());
    let running = pods.map(|pods| pods.items).unwrap_or_default().into_iter().filter(runs);
    let mut specs = running.filter_map(|pod| pod.spec).chain([template]);
    specs.find_map(|spec| image(&spec, container.as_deref(), bundle)).unwrap_or(Image {
        image: String::new(),
        pull_secrets: Vec::new(),
        arch: bundle.arch,
    })
}

/// The image of some pod that runs in the namespace.
///
/// # Errors
/// The API server can't be reached or refuses.
pub async fn any_image(cluster: &Cluster, bundle: &Bundle) -> Result<Option<Image>, ApiError> {
    let pods = cluster.api::<Pod>().list(&ListParams::default()).await.doing(|| "list Pods".into())?;
    Ok(pods.items.into_iter().filter(runs).find_map(|pod| image(&pod.spec.unwrap_or_default(), None, bundle)))
}

fn runs(pod: &Pod) -> bool {
    let running = pod.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Running"));
    running && pod.metadata.deletion_timestamp.is_none()
}

fn image(spec: &PodSpec, container: Option<&str>, bundle: &Bundle) -> Option<Image> {
    let wanted = |name: &str| container.is_none_or(|wanted| wanted == name);
    let image = spec.containers.iter().find(|container| wanted(&container.name))?.image.clone()?;
    Some(Image {
        image,
        pull_secrets: spec.image_pull_secrets.clone().unwrap_or_default(),
        arch: bundle.arch,
    })
}

impl Objects {
    /// Makes the objects; the ConfigMaps named hold the bootstrap and the packed program, in order.
    pub fn new(cluster: &Cluster, image: &Image, bootstrap: &str, parts: &[&str]) -> Self {
        Self::within(&cluster.namespace, image, bootstrap, parts)
    }

    fn within(namespace: &str, image: &Image, bootstrap: &str, parts: &[&str]) -> Self {
        let metadata = || json!({"name": NAME, "namespace": namespace, "labels": labels()});
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": NAME, "namespace": namespace, "labels": labels(),
                         "annotations": {"devbridge.dev/version": env!("CARGO_PKG_VERSION")}},
            "spec": {
                "replicas": 1,
                "revisionHistoryLimit": 0,
                "selector": {"matchLabels": {KEEPER: "true"}},
                "template": {"metadata": {"labels": labels()}, "spec": pod(image, bootstrap, parts)},
            },
        });
        let role = json!({"metadata": metadata(), "rules": [
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["list", "delete"]},
            {"apiGroups": [""], "resources": ["services"], "verbs": ["get", "list", "watch", "patch"]},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "delete"]},
            {"apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": [NAME], "verbs": ["get", "delete"]},
        ]});
        let binding = json!({
            "metadata": metadata(),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": NAME},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": namespace}],
        });
        Self {
            deployment: typed(deployment),
            account: typed(json!({"metadata": metadata()})),
            role: typed(role),
            binding: typed(binding),
        }
    }
}

/// On all of it.
pub(super) fn labels() -> BTreeMap<String, String> {
    BTreeMap::from([(MANAGED_BY.into(), DEVBRIDGE.into()), (KEEPER.into(), "true".into())])
}

fn typed<K: serde::de::DeserializeOwned + Default>(object: Value) -> K {
    // Only what is written above comes here, and a test reads all of it.
    serde_json::from_value(object).unwrap_or_default()
}

fn pod(image: &Image, bootstrap: &str, parts: &[&str]) -> Value {
    let sources = parts::sources(parts);
    let probe = |path: &str, period: u32| json!({"httpGet": {"path": path, "port": HEALTH}, "periodSeconds": period, "timeoutSeconds": 2});
    let field =
        |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    let mount = |name: &str, path: &str, read_only: bool| json!({"name": name, "mountPath": format!("{BASE}/{path}"), "readOnly": read_only});
    // Where an agent's node dies, somebody else must see it.
    let apart = json!({"weight": 100, "podAffinityTerm": {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchExpressions": [{"key": AGENT, "operator": "Exists"}]},
    }});
    json!({
        "serviceAccountName": NAME,
        "terminationGracePeriodSeconds": 5,
        "enableServiceLinks": false,
        "nodeSelector": {"kubernetes.io/os": "linux", "kubernetes.io/arch": image.arch},
        "tolerations": leaves_node_that_is_gone(NODE_GONE),
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [apart]}},
        "imagePullSecrets": image.pull_secrets,
        "securityContext": {
            "runAsNonRoot": true, "runAsUser": USER, "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [{
            "name": "keeper",
            "image": image.image,
            "imagePullPolicy": "IfNotPresent",
            "workingDir": "/",
            "command": [format!("{BASE}/boot/bootstrap")],
            "args": ["--ports", "", "--", "keeper"],
            "env": [
                {"name": "DEVBRIDGE_HEALTH_PORT", "value": HEALTH.to_string()},
                field("DEVBRIDGE_POD_IP", "status.podIP"),
                field("DEVBRIDGE_NAMESPACE", "metadata.namespace"),
            ],
            "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"memory": "128Mi"}},
            "securityContext": {
                "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
            },
            "readinessProbe": probe("/readyz", 1),
            "livenessProbe": probe("/livez", 10),
            "volumeMounts": [
                mount("boot", "boot", true), mount("parts", "parts", true), mount("run", "run", false),
            ],
        }],
        "volumes": [
            {"name": "boot", "configMap": {"name": bootstrap, "defaultMode": 0o555}},
            {"name": "parts", "projected": {"sources": sources, "defaultMode": 0o444}},
            {"name": "run", "emptyDir": {}},
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Image {
        let secret = LocalObjectReference { name: "registry".into() };
        Image { image: "web:1".into(), pull_secrets: vec![secret], arch: "amd64" }
    }

    #[test]
    fn all_that_is_written_is_understood() {
        let Objects { deployment, account, role, binding } =
            Objects::within("shop", &image(), "boot", &["part-a", "part-b"]);
        let pod = deployment.spec.template.spec.unwrap();
        let container = &pod.containers[0];
        assert_eq!(container.args.as_ref().unwrap().last().unwrap(), "keeper");
        assert_eq!(container.security_context.as_ref().unwrap().read_only_root_filesystem, Some(true));
        assert_eq!(pod.security_context.unwrap().run_as_user, Some(USER));
        assert_eq!(pod.image_pull_secrets.unwrap()[0].name, "registry");
        assert_eq!(pod.volumes.unwrap()[1].projected.as_ref().unwrap().sources.as_ref().unwrap().len(), 2);
        assert!(pod.affinity.unwrap().pod_anti_affinity.is_some());
        assert_eq!(account.metadata.name.as_deref(), Some(NAME));
        assert_eq!(role.rules.unwrap().len(), 5);
        assert_eq!(binding.subjects.unwrap()[0].namespace.as_deref(), Some("shop"));
    }
}
