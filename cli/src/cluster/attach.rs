//! A container's own words, live: through its terminal, or as it writes them.

use futures::SinkExt;
use futures::io::AsyncBufReadExt;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::{AttachParams, LogParams, TerminalSize};
use tokio::io::AsyncWriteExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use super::Cluster;
use super::api::{ApiError, Doing};
use super::watch::{self, Selection};
use crate::terminal::{self, Raw};

/// Bytes on their way to or from a terminal.
const BUFFER: usize = 64 << 10;

/// A container, before or after it has run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Running,
    /// It has ended with this status.
    Ended(i32),
    /// It will not run as it is: reason and message of the kubelet.
    Failed(String),
}

/// Waits until a container runs, has ended, or can't run; `None`: none of that until `deadline`. Cancel safe.
///
/// # Errors
/// The API server refuses.
pub async fn started(
    cluster: &Cluster,
    pods: &Selection,
    container: &str,
    deadline: Instant,
) -> Result<Option<(String, State)>, ApiError> {
    let api = cluster.api::<Pod>();
    let seen = watch::until(&api, pods, deadline, |pods| {
        pods.iter().find_map(|pod| Some((pod.metadata.name.clone()?, state(pod, container)?)))
    });
    seen.await.doing(|| format!("wait for container {container}"))
}

/// Waits until a container has ended; its status. `None`: not until `deadline`, or its pod is gone.
///
/// # Errors
/// The API server refuses.
pub async fn ended(
    cluster: &Cluster,
    pod: &str,
    container: &str,
    deadline: Instant,
) -> Result<Option<i32>, ApiError> {
    let api = cluster.api::<Pod>();
    let selection = Selection::name(pod);
    let seen = watch::until(&api, &selection, deadline, |pods| match pods.first() {
        None => Some(None),
        Some(pod) => match state(pod, container)? {
            State::Ended(status) => Some(Some(status)),
            _ => None,
        },
    });
    Ok(seen.await.doing(|| format!("wait for container {container}"))?.flatten())
}

/// Lends this terminal to a container until it ends, or the connection does.
///
/// # Errors
/// The API server refuses, or this is no terminal.
pub async fn terminal(cluster: &Cluster, pod: &str, container: &str) -> Result<(), ApiError> {
    let params = AttachParams {
        container: Some(container.to_owned()),
        stdin: true,
        stdout: true,
        stderr: false,
        tty: true,
        max_stdin_buf_size: Some(BUFFER),
        max_stdout_buf_size: Some(BUFFER),
        max_stderr_buf_size: None,
    };
    let doing = || format!("attach to container {container} of pod {pod}");
    let mut attached = cluster.api::<Pod>().attach(pod, &params).await.doing(doing)?;
    let (Some(mut keys), Some(mut screen), Some(mut sizes)) =
        (attached.stdin(), attached.stdout(), attached.terminal_size())
    else {
        return Ok(());
    };
    let Ok(_raw) = Raw::begin() else { return Ok(()) };
    let typing = async {
        let mut from = tokio::io::stdin();
        // Either end may go; what the container still writes is waited for.
        let _ = tokio::io::copy(&mut from, &mut keys).await;
        std::future::pending::<()>().await;
    };
    let resizing = async {
        let mut changed = signal(SignalKind::window_change()).ok();
        loop {
            if let Some((width, height)) = terminal::size()
                && sizes.send(TerminalSize { width, height }).await.is_err()
            {
                break;
            }
            match &mut changed {
                Some(changed) => changed.recv().await,
                None => break,
            };
        }
        std::future::pending::<()>().await;
    };
    let showing = async {
        let mut to = tokio::io::stdout();
        let _ = tokio::io::copy(&mut screen, &mut to).await;
        let _ = to.flush().await;
    };
    tokio::select! {
        () = typing => {}
        () = resizing => {}
        () = showing => {}
    }
    Ok(())
}

/// Prints what a container has written and writes, until it ends.
///
/// # Errors
/// The API server refuses.
pub async fn output(cluster: &Cluster, pod: &str, container: &str) -> Result<(), ApiError> {
    let params = LogParams { container: Some(container.to_owned()), follow: true, ..LogParams::default() };
    let doing = || format!("read the log of pod {pod}, container {container}");
    let mut stream = Box::pin(cluster.api::<Pod>().log_stream(pod, &params).await.doing(doing)?);
    let mut to = tokio::io::stdout();
    while let Ok(read) = stream.fill_buf().await {
        let length = read.len();
        if length == 0 || to.write_all(read).await.is_err() {
            break;
        }
        let _ = to.flush().await;
        stream.consume_unpin(length);
    }
    Ok(())
}

fn state(pod: &Pod, container: &str) -> Option<State> {
    let status = pod.status.as_ref()?;
    let all =
        [&status.container_statuses, &status.ephemeral_container_statuses].into_iter().flatten().flatten();
    let own: &ContainerStatus = all.into_iter().find(|status| status.name == container)?;
    let state = own.state.as_ref()?;
    if let Some(ended) = &state.terminated {
        let words = [ended.reason.clone(), ended.message.clone()].into_iter().flatten().collect::<Vec<_>>();
        let never = matches!(ended.reason.as_deref(), Some("StartError" | "ContainerCannotRun"));
        return Some(if never { State::Failed(words.join(": ")) } else { State::Ended(ended.exit_code) });
    }
    if state.running.is_some() {
        return Some(State::Running);
    }
    let waiting = state.waiting.as_ref()?;
    let reason = waiting.reason.as_deref().unwrap_or_default();
    let hopeless = reason.ends_with("Error") || reason.ends_with("BackOff") || reason == "InvalidImageName";
    let words = [waiting.reason.clone(), waiting.message.clone()].into_iter().flatten().collect::<Vec<_>>();
    hopeless.then(|| State::Failed(words.join(": ")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn seen(state: Value) -> Option<State> {
        let status = json!({ "name": "x", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state });
        let pod = json!({ "status": { "ephemeralContainerStatuses": [status] } });
        super::state(&serde_json::from_value(pod).unwrap(), "x")
    }

    #[test]
    fn a_container_that_will_never_run_is_told_from_one_that_waits() {
        assert_eq!(seen(json!({ "waiting": { "reason": "ContainerCreating" } })), None);
        assert_eq!(seen(json!({ "running": {} })), Some(State::Running));
        assert_eq!(
            seen(json!({ "terminated": { "exitCode": 3, "reason": "Error" } })),
            Some(State::Ended(3))
        );
        let failed = |words: &str| Some(State::Failed(words.to_owned()));
        let pulling = json!({ "waiting": { "reason": "ErrImagePull", "message": "no such host" } });
        assert_eq!(seen(pulling), None, "it is tried again");
        let waiting = json!({ "waiting": { "reason": "ImagePullBackOff", "message": "no such host" } });
        assert_eq!(seen(waiting), failed("ImagePullBackOff: no such host"));
        let ended = json!({ "terminated": { "exitCode": 128, "reason": "StartError", "message": "no sh" } });
        assert_eq!(seen(ended), failed("StartError: no sh"));
    }
}
