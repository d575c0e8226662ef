//! The agent's pod, made from the target's own template.
//!
//! It runs the target's image as the target's user, with its environment, volumes, network policy labels and
//! service account; only what the container executes is different. So it may do what the target may do and
//! nothing more, and passes Pod Security wherever the target does. What had to be left out is reported.

mod code;
pub(super) mod placing;

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{
    Container, EnvVar, Pod, PodSecurityContext, PodSpec, PodTemplateSpec, ResourceRequirements, Sysctl,
    Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::ResourceExt;
use serde_json::json;
use tunnel::identity::PublicKey;

pub use self::code::Code;
use super::names::{AGENT, AGENT_KEY, DEVBRIDGE, MANAGED_BY, RUNS_CODE, TARGET, hex};
use super::parts;
use super::stand_in;
use super::target::Target;

/// Where the agent's own files are mounted; a path that no image uses.
const BASE: &str = "/devbridge";
/// Seconds that Kubernetes waits for the agent to drain: 10 s of accepting and 60 s for open connections.
const GRACE_SECONDS: i64 = 75;
/// First choice for the control and health ports: unassigned by IANA, below the ephemeral range.
const FIRST_PORT: u16 = 30710;

/// The ports of the agent itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentPorts {
    /// Tunnel; on the pod's loopback only.
    pub control: u16,
    /// `/livez` and `/readyz`; on the pod's address, for the kubelet.
    pub health: u16,
}

/// What goes into the agent's pod.
#[derive(Debug, Clone)]
pub struct AgentPod {
    /// The template for its Deployment.
    pub template: PodTemplateSpec,
    /// The agent's own ports.
    pub ports: AgentPorts,
    /// Name of the container that runs the agent.
    pub container: String,
    /// How many of it there are.
    pub replicas: i32,
    /// What of the target's pod is not in it, for people.
    pub dropped: Vec<String>,
}

impl AgentPod {
    /// The pod of the agent that has this key.
    #[must_use]
    pub fn of(mut self, key: PublicKey) -> Self {
        let metadata = self.template.metadata.get_or_insert_default();
        metadata.annotations.get_or_insert_default().insert(AGENT_KEY.into(), hex(key.as_der()));
        self
    }

    /// Whether a pod was made of this template's agent. One of an earlier session has the same labels, and may be there
    /// until the cluster has removed what that session left.
    pub fn is(&self, pod: &Pod) -> bool {
        let own = self.template.metadata.as_ref().and_then(|metadata| metadata.annotations.as_ref());
        own.and_then(|own| own.get(AGENT_KEY)) == pod.annotations().get(AGENT_KEY)
    }
}

/// Makes the pod template. `parts` are the ConfigMaps of the packed agent in order, `nodes` those that have
/// the target's image already, `code` what of the laptop runs in it.
pub fn build(
    target: &Target,
    bootstrap: &str,
    parts: &[String],
    nodes: &BTreeSet<String>,
    code: Option<&Code>,
) -> AgentPod {
    let mut template = target.template();
    let mut dropped = Vec::new();
    let mut spec = template.spec.take().unwrap_or_default();
    let ports = own_ports(&spec);

    let metadata = template.metadata.get_or_insert_default();
    let labels = metadata.labels.get_or_insert_default();
    labels.insert(AGENT.into(), target.names.agent.clone());
    labels.insert(TARGET.into(), target.names.target.clone());
    labels.insert(MANAGED_BY.into(), DEVBRIDGE.into());
    let annotations = metadata.annotations.get_or_insert_default();
    // The agent's metrics are not the target's.
    annotations.retain(|key, _| !key.starts_with("prometheus.io/"));
    if let Some(code) = code {
        annotations.insert(RUNS_CODE.into(), code.to.display().to_string());
    }

    pod_wide(&mut spec, &target.names.agent, nodes, &target.ports(), &mut dropped);
    stand_in::without_claims(&mut spec, &mut dropped);
    for container in &mut spec.containers {
        for port in container.ports.iter_mut().flatten() {
            port.host_port = None;
        }
    }
    let mut container_name = String::new();
    if let Some(container) = spec.containers.get_mut(target.container) {
        container_name.clone_from(&container.name);
        annotations.insert("kubectl.kubernetes.io/default-container".into(), container.name.clone());
        agent_container(container, target, ports, code);
    }
    let others: Vec<_> =
        spec.containers.iter().map(|c| c.name.as_str()).filter(|name| *name != container_name).collect();
    if !others.is_empty() {
        dropped.push(format!("containers kept beside the agent: {}", others.join(", ")));
    }
    spec.volumes.get_or_insert_default().extend(volumes(target, bootstrap, parts));
    if let Some(code) = code {
        code.seed(&mut spec, target.container);
    }
    template.spec = Some(spec);
    let replicas = code.map_or(1, |code| code.replicas);
    AgentPod { template, ports, container: container_name, replicas, dropped }
}

/// Two ports that no container of the pod declares.
fn own_ports(spec: &PodSpec) -> AgentPorts {
    let declared: BTreeSet<i32> = spec
        .containers
        .iter()
        .flat_map(|c| c.ports.iter().flatten())
        .map(|port| port.container_port)
        .collect();
    let mut free = (FIRST_PORT..).filter(|port| !declared.contains(&i32::from(*port)));
    let control = free.next().unwrap_or(FIRST_PORT);
    AgentPorts { control, health: free.next().unwrap_or(FIRST_PORT + 1) }
}

/// Everything that would tie the pod to a node, a probe or a start-up that is the target's own.
fn pod_wide(
    spec: &mut PodSpec,
    agent: &str,
    nodes: &BTreeSet<String>,
    ports: &BTreeSet<u16>,
    dropped: &mut Vec<String>,
) {
    spec.restart_policy = Some("Always".into());
    spec.termination_grace_period_seconds = Some(GRACE_SECONDS);
    stand_in::untie(spec, dropped);
    placing::place(spec, agent, nodes);
    // Allowed by Pod Security restricted: a "safe" sysctl, namespaced to the pod (KEP-34).
    if ports.iter().any(|port| *port < 1024) {
        let security = spec.security_context.get_or_insert_with(PodSecurityContext::default);
        let sysctls = security.sysctls.get_or_insert_default();
        let name = "net.ipv4.ip_unprivileged_port_start";
        sysctls.retain(|sysctl| sysctl.name != name);
        sysctls.push(Sysctl { name: name.into(), value: "0".into() });
    }
}

fn agent_container(container: &mut Container, target: &Target, ports: AgentPorts, code: Option<&Code>) {
    let listen: Vec<_> = target.ports().iter().map(u16::to_string).collect();
    container.command = Some(vec![format!("{BASE}/boot/bootstrap")]);
    container.args = Some(vec!["--ports".into(), listen.join(",")]);
    container.image_pull_policy = Some("IfNotPresent".into());
    container.lifecycle = None;
    container.startup_probe = None;
    container.resize_policy = None;
    container.stdin = None;
    container.stdin_once = None;
    container.tty = None;
    container.readiness_probe = probe("/readyz", ports.health, 1);
    container.liveness_probe = probe("/livez", ports.health, 10);
    container.resources =
        if code.is_some() { code::resources(container.resources.take()) } else { Some(own_resources()) };
    container.env.get_or_insert_default().extend(own_env(target, ports, code));
    let mount = |name: &str, path: &str, read_only: bool| VolumeMount {
        name: format!("devbridge-{name}"),
        mount_path: format!("{BASE}/{path}"),
        read_only: Some(read_only),
        ..VolumeMount::default()
    };
    container.volume_mounts.get_or_insert_default().extend([
        mount("boot", "boot", true),
        mount("parts", "parts", true),
        mount("keys", "keys", true),
        mount("run", "run", false),
    ]);
}

fn own_resources() -> ResourceRequirements {
    let quantity = |text: &str| Quantity(text.to_owned());
    ResourceRequirements {
        requests: Some([("cpu".into(), quantity("10m")), ("memory".into(), quantity("32Mi"))].into()),
        // No CPU limit: it would slow every request. The memory limit is far above what the agent uses.
        limits: Some([("memory".into(), quantity("256Mi"))].into()),
        claims: None,
    }
}

fn probe(path: &str, port: u16, period: i32) -> Option<k8s_openapi::api::core::v1::Probe> {
    let probe = json!({
        "httpGet": {"path": path, "port": port},
        "periodSeconds": period, "timeoutSeconds": 2, "failureThreshold": 3
    });
    serde_json::from_value(probe).ok()
}

/// What the agent needs to know; all names begin with `DEVBRIDGE_`, so that the agent can tell them from the
/// target's own.
fn own_env(target: &Target, ports: AgentPorts, code: Option<&Code>) -> Vec<EnvVar> {
    let set = |name: &str, value: String| EnvVar { name: name.into(), value: Some(value), value_from: None };
    let field = |name: &str, path: &str| {
        let value = json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
        serde_json::from_value(value).ok()
    };
    let names: Vec<_> = target.ports().iter().map(|port| format!("{}={port}", port_name(*port))).collect();
    let mut env = vec![
        set("DEVBRIDGE_CONTROL_PORT", ports.control.to_string()),
        set("DEVBRIDGE_HEALTH_PORT", ports.health.to_string()),
        set("DEVBRIDGE_ORIGIN", target.names.origin.clone()),
        set("DEVBRIDGE_AGENTS", target.names.agents.clone()),
        set("DEVBRIDGE_PORT_NAMES", names.join(",")),
    ];
    env.extend(code.map(|code| set("DEVBRIDGE_CODE", code.to.display().to_string())));
    env.extend(field("DEVBRIDGE_POD_IP", "status.podIP"));
    env.extend(field("DEVBRIDGE_NAMESPACE", "metadata.namespace"));
    env
}

/// Name of the origin Service's port for a container port; also the SRV name.
pub fn port_name(port: u16) -> String {
    format!("p{port}")
}

fn volumes(target: &Target, bootstrap: &str, parts: &[String]) -> Vec<Volume> {
    let sources = parts::sources(parts);
    let volumes = json!([
        {"name": "devbridge-boot", "configMap": {"name": bootstrap, "defaultMode": 0o555}},
        {"name": "devbridge-parts", "projected": {"sources": sources, "defaultMode": 0o444}},
        {"name": "devbridge-keys", "secret": {"secretName": target.names.record, "defaultMode": 0o444}},
        {"name": "devbridge-run", "emptyDir": {}},
    ]);
    serde_json::from_value(volumes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn target(pod: &Value) -> Target {
        let deployment = serde_json::from_value(json!({
            "metadata": {"name": "web"},
            "spec": {"selector": {}, "template": {"metadata": {
                "labels": {"app": "web"},
                "annotations": {"prometheus.io/scrape": "true", "sidecar/inject": "no"}}, "spec": pod}}
        }))
        .unwrap();
        Target {
            deployment,
            names: super::super::names::Names::new("web"),
            container: 0,
            services: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn pod() -> Value {
        json!({
            "serviceAccountName": "web",
            "securityContext": {"runAsNonRoot": true, "runAsUser": 7},
            "hostNetwork": true,
            "initContainers": [{"name": "migrate"}, {"name": "mesh", "restartPolicy": "Always"}],
            "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}, {"name": "conf", "configMap": {"name": "c"}}],
            "containers": [{
                "name": "app", "image": "web:1", "command": ["/web"], "args": ["--x"],
                "env": [{"name": "GREETING", "value": "hi"}],
                "securityContext": {"readOnlyRootFilesystem": true},
                "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
                "readinessProbe": {"httpGet": {"path": "/", "port": 80}},
                "resources": {"limits": {"cpu": "2"}, "requests": {"cpu": "2"}},
                "ports": [{"containerPort": 80, "hostPort": 80}, {"containerPort": FIRST_PORT}],
                "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "conf", "mountPath": "/conf"}]
            }]
        })
    }

    #[test]
    fn a_pod_of_an_earlier_session_is_told_by_its_key() {
        let built = |seed| {
            let pod = build(&target(&pod()), "boot", &[], &BTreeSet::new(), None);
            pod.of(tunnel::identity::KeyPair::from_seed([seed; 32]).public())
        };
        let (own, earlier) = (built(1), built(2));
        let running = |of: &AgentPod| Pod {
            metadata: of.template.metadata.clone().unwrap_or_default(),
            ..Pod::default()
        };
        assert!(own.is(&running(&own)) && !own.is(&running(&earlier)));
    }

    #[test]
    fn the_agent_stands_in_with_the_targets_identity_and_its_own_command() {
        let parts = ["part-a".to_owned(), "part-b".to_owned()];
        let agent = build(&target(&pod()), "boot", &parts, &BTreeSet::from(["n1".to_owned()]), None);
        let spec = agent.template.spec.unwrap();
        assert_eq!(spec.service_account_name.as_deref(), Some("web"));
        assert_eq!(spec.security_context.as_ref().unwrap().run_as_user, Some(7));
        let container = &spec.containers[0];
        assert_eq!(container.image.as_deref(), Some("web:1"));
        assert_eq!(container.command.as_deref(), Some(["/devbridge/boot/bootstrap".to_owned()].as_slice()));
        assert_eq!(container.args.as_ref().unwrap()[1], format!("80,{FIRST_PORT}"));
        assert!(container.lifecycle.is_none());
        assert_eq!(container.security_context.as_ref().unwrap().read_only_root_filesystem, Some(true));
        assert_eq!(container.env.as_ref().unwrap()[0].name, "GREETING");
        assert!(container.resources.as_ref().unwrap().limits.as_ref().unwrap().get("cpu").is_none());
    }

    #[test]
    fn what_belongs_to_the_original_alone_is_left_out_and_reported() {
        let agent = build(&target(&pod()), "boot", &[], &BTreeSet::new(), None);
        let spec = agent.template.spec.unwrap();
        assert!(spec.host_network.is_none() && spec.topology_spread_constraints.is_none());
        assert_eq!(spec.init_containers.unwrap().len(), 1, "the native sidecar stays");
        let mounts: Vec<_> =
            spec.containers[0].volume_mounts.iter().flatten().map(|mount| mount.name.as_str()).collect();
        assert!(mounts.contains(&"conf") && !mounts.contains(&"data"));
        assert!(spec.containers[0].ports.iter().flatten().all(|port| port.host_port.is_none()));
        let annotations = agent.template.metadata.unwrap().annotations.unwrap();
        assert!(
            !annotations.contains_key("prometheus.io/scrape") && annotations.contains_key("sidecar/inject")
        );
        assert_eq!(agent.dropped, ["hostNetwork", "init containers: migrate", "volumes with claims: data"]);
    }

    #[test]
    fn its_own_ports_avoid_the_targets_and_low_ports_need_no_capability() {
        let agent = build(&target(&pod()), "boot", &[], &BTreeSet::new(), None);
        assert_eq!(agent.ports, AgentPorts { control: FIRST_PORT + 1, health: FIRST_PORT + 2 });
        let security = agent.template.spec.unwrap().security_context.unwrap();
        assert_eq!(security.sysctls.unwrap()[0].name, "net.ipv4.ip_unprivileged_port_start");
    }
}
