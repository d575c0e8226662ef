//! Waiting for the agent's pod, and saying why when it takes long.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{ContainerStatus, Event, Pod};
use kube::ResourceExt;
use kube::api::ListParams;
use tokio::sync::watch::Sender;
use tokio::time::Instant;

use super::Cluster;
use super::agent_pod::AgentPod;
use super::api::{ApiError, Doing};
use super::names::Names;
use super::originals::agent_pods;
use super::watch;
use crate::error::{Exit, Failure};
use crate::output::Output;

/// How long a pod may take: image pulls on a new node are slow.
const DEADLINE: Duration = Duration::from_secs(120);
/// A pod that is not there after so long deserves an explanation.
const SLOW: Duration = Duration::from_secs(3);

/// The agent's pod.
#[derive(Debug, Clone)]
pub struct Started {
    /// Its name.
    pub pod: String,
    /// Its addresses.
    pub addresses: BTreeSet<IpAddr>,
}

/// What is known of the agent's pod while it starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its name, once it has a node: from then on it can be dialled.
    pub pod: Option<String>,
    /// The kubelet has told that the container runs. It looks once a second, so the container has run for up to a
    /// second by then.
    pub runs: bool,
}

/// Why it does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It will not start by waiting.
    #[error("the agent's pod does not start")]
    Failed(String),
    /// It did not start in time.
    #[error("the agent's pod did not start within {} s", DEADLINE.as_secs())]
    Slow(String),
    /// The API server refused.
    #[error(transparent)]
    Api(#[from] ApiError),
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let what = error.to_string();
        match error {
            StartError::Failed(why) => Self::new("DB-AGENT-001", Exit::Failure, what).why(why),
            StartError::Slow(why) => Self::new("DB-AGENT-002", Exit::Timeout, what).why(why),
            StartError::Api(error) => error.into(),
        }
    }
}

/// Waits until the agent's container in its pod runs, and tells `seen` what is known meanwhile; after 3 s it says why it
/// does not run yet. Cancel safe.
///
/// # Errors
/// See [`StartError`].
pub async fn running(
    cluster: &Cluster,
    names: &Names,
    agent: &AgentPod,
    output: &Output,
    seen: Sender<Seen>,
) -> Result<Started, StartError> {
    let started = Instant::now();
    let pods = cluster.api::<Pod>();
    let selection = agent_pods(names);
    let look = |pods: &[Pod]| {
        let mut own = pods.iter().filter(|pod| agent.is(pod));
        let found = own.clone().find_map(|pod| state(pod, &agent.container));
        let pod = own.find(|pod| is_scheduled(pod)).map(ResourceExt::name_any);
        let now = Seen { pod, runs: matches!(found, Some(Ok(_))) };
        seen.send_if_modified(|seen| std::mem::replace(seen, now.clone()) != now);
        found
    };
    let waiting = watch::until(&pods, &selection, started + DEADLINE, look);
    tokio::pin!(waiting);
    let mut explained = String::new();
    let mut explain_at = started + SLOW;
    let found = loop {
        tokio::select! {
            found = &mut waiting => break found.doing(|| "watch the agent's pod".into())?,
            () = tokio::time::sleep_until(explain_at) => {
                let why = explain(cluster, names).await.unwrap_or_default();
                if !why.is_empty() && why != explained {
                    output.note(&why);
                    explained = why;
                }
                explain_at = Instant::now() + SLOW;
            }
        }
    };
    match found {
        Some(Ok(started)) => Ok(started),
        Some(Err(why)) => Err(StartError::Failed(with_events(why, explain(cluster, names).await))),
        None => Err(StartError::Slow(with_events(String::new(), explain(cluster, names).await))),
    }
}

fn with_events(why: String, events: Result<String, ApiError>) -> String {
    match events {
        Ok(events) if why.is_empty() => events,
        Ok(events) if !events.is_empty() => format!("{why}\n{events}"),
        _ => why,
    }
}

fn is_scheduled(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none()
        && pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some())
}

/// The pod if its container runs, an error if it never will, nothing while it may.
fn state(pod: &Pod, container: &str) -> Option<Result<Started, String>> {
    if pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let status = pod.status.as_ref()?;
    let ours = status.container_statuses.iter().flatten().find(|status| status.name == container)?;
    if let Some(why) = broken(ours) {
        return Some(Err(why));
    }
    ours.state.as_ref()?.running.as_ref()?;
    let addresses = status.pod_ips.iter().flatten().filter_map(|ip| ip.ip.parse().ok()).collect();
    Some(Ok(Started { pod: pod.name_any(), addresses }))
}

/// States that waiting does not mend.
fn broken(status: &ContainerStatus) -> Option<String> {
    let waiting = status.state.as_ref().and_then(|state| state.waiting.as_ref())?;
    let reason = waiting.reason.clone().unwrap_or_default();
    let message = waiting.message.clone().unwrap_or_default();
    let never =
        ["ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError"];
    let last = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    if never.contains(&reason.as_str()) || (reason == "CrashLoopBackOff" && status.restart_count >= 2) {
        let exit = last.map(|last| format!(", last exit code {}", last.exit_code)).unwrap_or_default();
        return Some(format!("{reason}{exit}: {message}"));
    }
    None
}

/// The newest events about the agent's pods and their ReplicaSet, as Kubernetes words them.
async fn explain(cluster: &Cluster, names: &Names) -> Result<String, ApiError> {
    let labels = ListParams::default().labels(&agent_pods(names).labels);
    let all = ListParams::default();
    let (pods_api, sets_api, events_api) =
        (cluster.api::<Pod>(), cluster.api::<ReplicaSet>(), cluster.api::<Event>());
    let (pods, sets, events) = tokio::try_join!(
        async { pods_api.list(&labels).await.doing(|| "list Pods".into()) },
        async { sets_api.list(&labels).await.doing(|| "list ReplicaSets".into()) },
        async { events_api.list(&all).await.doing(|| "list Events".into()) },
    )?;
    let mut about: BTreeSet<_> = pods.items.iter().filter_map(ResourceExt::uid).collect();
    about.extend(sets.items.iter().filter_map(ResourceExt::uid));
    let mut events: Vec<_> = events
        .items
        .into_iter()
        .filter(|event| event.involved_object.uid.as_ref().is_some_and(|uid| about.contains(uid)))
        // Every pod has these.
        .filter(|event| {
            !matches!(
                event.reason.as_deref(),
                Some("Scheduled" | "Pulled" | "Created" | "Started" | "SuccessfulCreate")
            )
        })
        .collect();
    events.sort_by_key(|event| event.metadata.creation_timestamp.as_ref().map(|time| time.0));
    let lines = events.iter().rev().take(3).map(|event| {
        format!("{}: {}", event.reason.clone().unwrap_or_default(), event.message.clone().unwrap_or_default())
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}
