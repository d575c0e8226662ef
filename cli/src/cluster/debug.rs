//! A container to look around with: beside a running one, in its pod; or in a copy of the pod that nothing leads to.
//!
//! | | in the pod | a copy |
//! |---|---|---|
//! | sees | the pod's network, and the processes of the container | what a pod of its kind would |
//! | needs | the right to patch `pods/ephemeralcontainers`, which the role `edit` does not have | `edit` |
//! | leaves | a line in the pod's status: Kubernetes does not remove ephemeral containers | nothing |
//!
//! A copy is a Job that Kubernetes deletes when it has ended (`ttlSecondsAfterFinished: 0`), and ends itself at a time
//! (`activeDeadlineSeconds`) which the laptop puts off for as long as it lives. So a copy needs no record and no keeper, and one whose
//! laptop died is gone a minute later. Source: KEP-277 (ephemeral containers), KEP-592 (time to live of Jobs).

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{Container, EphemeralContainer, Pod, PodTemplateSpec, VolumeMount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::time;

use super::api::{ApiError, Doing};
use super::names::{DEVBRIDGE, MANAGED_BY, MANAGER};
use super::{Cluster, stand_in};

/// Label: the pod that a copy was made of.
const COPY_OF: &str = "devbridge.dev/copy-of";
/// A copy lives for so long after the laptop's last sign of life.
const LIFE: Duration = Duration::from_secs(60);
/// How often the laptop gives one: three may be lost.
const SIGN: Duration = Duration::from_secs(15);
/// The volume that Kubernetes adds to every pod for its own API begins so.
const API_ACCESS: &str = "kube-api-access-";

/// What to run.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Name of the new container, and of a copy.
    pub name: String,
    /// Its image; none: that of the container.
    pub image: Option<String>,
    /// Its command.
    pub command: Vec<String>,
    /// It has a terminal, and ends with it.
    pub terminal: bool,
}

/// A container for a pod that runs, with environment, files, user and rights of `container`, and its processes in sight.
pub fn beside(container: &Container, wanted: &Wanted) -> EphemeralContainer {
    // Refused by the API for containers that are added later.
    let whole = |mount: &VolumeMount| mount.sub_path.is_none() && mount.sub_path_expr.is_none();
    let mounts: Vec<_> =
        container.volume_mounts.iter().flatten().filter(|mount| whole(mount)).cloned().collect();
    EphemeralContainer {
        name: wanted.name.clone(),
        image: wanted.image.clone().or_else(|| container.image.clone()),
        image_pull_policy: Some("IfNotPresent".into()),
        command: Some(wanted.command.clone()),
        target_container_name: Some(container.name.clone()),
        env: container.env.clone(),
        env_from: container.env_from.clone(),
        working_dir: container.working_dir.clone(),
        security_context: container.security_context.clone(),
        volume_mounts: (!mounts.is_empty()).then_some(mounts),
        stdin: Some(wanted.terminal),
        stdin_once: Some(wanted.terminal),
        tty: Some(wanted.terminal),
        ..EphemeralContainer::default()
    }
}

/// A Job that runs a copy of `pod` with `container` alone: no Service leads to it, and no controller counts it. Also says what
/// is not in the copy.
pub fn copy(pod: &Pod, container: &Container, wanted: &Wanted) -> (Job, Vec<String>) {
    let mut spec = pod.spec.clone().unwrap_or_default();
    let mut dropped = Vec::new();
    let others = spec.containers.iter().filter(|other| other.name != container.name);
    let others: Vec<_> = others.map(|other| other.name.clone()).collect();
    if !others.is_empty() {
        dropped.push(format!("containers: {}", others.join(", ")));
    }
    let mut own = container.clone();
    own.image = wanted.image.clone().or(own.image);
    own.image_pull_policy = Some("IfNotPresent".into());
    own.command = Some(wanted.command.clone());
    own.args = None;
    own.ports = None;
    own.lifecycle = None;
    (own.liveness_probe, own.readiness_probe, own.startup_probe) = (None, None, None);
    own.stdin = Some(wanted.terminal);
    own.stdin_once = Some(wanted.terminal);
    own.tty = Some(wanted.terminal);
    spec.containers = vec![own];
    stand_in::untie(&mut spec, &mut dropped);
    stand_in::without_claims(&mut spec, &mut dropped);
    // Kubernetes adds its own to every pod.
    stand_in::without_volumes(&mut spec, |volume| volume.name.starts_with(API_ACCESS));
    spec.affinity = None;
    spec.restart_policy = Some("Never".into());
    spec.termination_grace_period_seconds = Some(1);
    let labels: BTreeMap<_, _> =
        [(MANAGED_BY.to_owned(), DEVBRIDGE.to_owned()), (COPY_OF.to_owned(), pod.name_any())].into();
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta { labels: Some(labels.clone()), ..ObjectMeta::default() }),
        spec: Some(spec),
    };
    let job = Job {
        metadata: ObjectMeta {
            name: Some(wanted.name.clone()),
            labels: Some(labels),
            ..ObjectMeta::default()
        },
        spec: Some(JobSpec {
            backoff_limit: Some(0),
            active_deadline_seconds: Some(LIFE.as_secs().cast_signed()),
            ttl_seconds_after_finished: Some(0),
            template,
            ..JobSpec::default()
        }),
        status: None,
    };
    (job, dropped)
}

/// Puts off the end of the copy that was made at `begun`, again and again. An API server that is away is asked the next time.
///
/// Cancel safe: the copy then ends [`LIFE`] after the last time.
///
/// # Errors
/// This user may not: the copy ends when it was to end.
pub async fn keep(cluster: &Cluster, name: &str, begun: Timestamp) -> Result<Infallible, ApiError> {
    let jobs = cluster.api::<Job>();
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    loop {
        time::sleep(SIGN).await;
        // By the clock on the wall: the others stand still while a laptop sleeps.
        let end = Timestamp::now().as_second() - begun.as_second() + LIFE.as_secs().cast_signed();
        let patch = Patch::Merge(json!({ "spec": { "activeDeadlineSeconds": end } }));
        let kept = time::timeout(SIGN, jobs.patch(name, &params, &patch)).await;
        match kept.map(|kept| kept.doing(|| format!("put off the end of Job {name}"))) {
            Ok(Err(error)) if error.status() == Some(403) => return Err(error),
            Ok(Err(error)) => tracing::debug!(error = &error as &dyn std::error::Error, name, "not put off"),
            Ok(Ok(_)) => {}
            Err(_) => tracing::debug!(name, "not put off in time"),
        }
    }
}

/// The pod that a Job will make, to ask the API server about it.
pub fn pod_of(job: &Job) -> Pod {
    let template = job.spec.as_ref().map(|spec| spec.template.clone()).unwrap_or_default();
    let metadata = ObjectMeta { name: job.metadata.name.clone(), ..template.metadata.unwrap_or_default() };
    Pod { metadata, spec: template.spec, status: None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted() -> Wanted {
        Wanted { name: "web-debug-1".into(), image: None, command: vec!["sh".into()], terminal: true }
    }

    fn pod() -> Pod {
        serde_json::from_value(json!({
            "metadata": { "name": "web-1", "labels": { "app": "web" } },
            "spec": {
                "nodeName": "n1",
                "securityContext": { "runAsUser": 7 },
                "initContainers": [{ "name": "migrate" }, { "name": "mesh", "restartPolicy": "Always" }],
                "containers": [
                    {
                        "name": "app", "image": "web:1", "args": ["--x"], "env": [{ "name": "A", "value": "b" }],
                        "ports": [{ "containerPort": 80 }], "livenessProbe": { "httpGet": { "port": 80 } },
                        "securityContext": { "readOnlyRootFilesystem": true },
                        "volumeMounts": [
                            { "name": "data", "mountPath": "/data" },
                            { "name": "conf", "mountPath": "/conf" },
                            { "name": "conf", "mountPath": "/one", "subPath": "one" },
                            { "name": "kube-api-access-x2x2p", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount" },
                        ],
                    },
                    { "name": "proxy" },
                ],
                "volumes": [
                    { "name": "data", "persistentVolumeClaim": { "claimName": "data" } },
                    { "name": "conf", "configMap": { "name": "c" } },
                    { "name": "kube-api-access-x2x2p", "projected": {} },
                ],
            },
        }))
        .unwrap()
    }

    fn names(mounts: Option<&Vec<VolumeMount>>) -> Vec<String> {
        mounts.into_iter().flatten().map(|mount| mount.mount_path.clone()).collect()
    }

    #[test]
    fn a_container_beside_sees_what_the_other_one_sees() {
        let pod = pod();
        let container = beside(&pod.spec.unwrap().containers[0], &wanted());
        assert_eq!(container.image.as_deref(), Some("web:1"));
        assert_eq!(container.target_container_name.as_deref(), Some("app"));
        assert_eq!(container.env.unwrap()[0].name, "A");
        assert_eq!(container.security_context.unwrap().read_only_root_filesystem, Some(true));
        let mounts = names(container.volume_mounts.as_ref());
        assert_eq!(mounts, ["/data", "/conf", "/var/run/secrets/kubernetes.io/serviceaccount"]);
    }

    #[test]
    fn a_copy_takes_no_traffic_disturbs_nobody_and_ends() {
        let pod = pod();
        let container = pod.spec.as_ref().unwrap().containers[0].clone();
        let (job, dropped) = copy(&pod, &container, &wanted());
        assert_eq!(dropped, ["containers: proxy", "init containers: migrate", "volumes with claims: data"]);
        let made = pod_of(&job);
        assert!(!made.labels().contains_key("app"));
        let spec = made.spec.unwrap();
        assert_eq!((spec.node_name, spec.restart_policy.as_deref()), (None, Some("Never")));
        assert_eq!(spec.security_context.unwrap().run_as_user, Some(7));
        assert_eq!(spec.init_containers.unwrap().len(), 1, "the native sidecar stays");
        assert_eq!(names(spec.containers[0].volume_mounts.as_ref()), ["/conf", "/one"]);
        assert!(spec.containers[0].liveness_probe.is_none() && spec.containers[0].args.is_none());
        let spec = job.spec.unwrap();
        assert_eq!((spec.ttl_seconds_after_finished, spec.active_deadline_seconds), (Some(0), Some(60)));
    }
}
