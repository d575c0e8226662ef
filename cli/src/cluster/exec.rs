//! Asking a running container.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{AttachParams, ListParams};
use tokio::io::AsyncReadExt;
use tokio::time;

use super::Cluster;
use super::names::AGENT;
use super::target::Target;

/// Longest command line that is read.
const MAX: u64 = 128 << 10;
/// A container answers at once, or has nothing that could.
const ANSWER: Duration = Duration::from_secs(10);

/// The command line of the first process in a running original's container; empty: none runs.
///
/// # Errors
/// It can't be asked, in words: no right to, or its image has no `cat`.
pub async fn first_process(
    cluster: &Cluster,
    target: &Target,
    container: &str,
) -> Result<Vec<Vec<u8>>, String> {
    let labels = target.deployment.spec.selector.match_labels.clone().unwrap_or_default();
    let labels: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let pods = cluster.api::<Pod>();
    let found =
        pods.list(&ListParams::default().labels(&labels.join(","))).await.map_err(|e| e.to_string())?;
    let running = |pod: &Pod| {
        let status = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
        let state = status.filter(|status| status.name == container).find_map(|status| status.state.as_ref());
        state.is_some_and(|state| state.running.is_some()) && !pod.labels().contains_key(AGENT)
    };
    let Some(pod) = found.items.into_iter().find(running) else { return Ok(Vec::new()) };
    let asking = async {
        let params = AttachParams {
            container: Some(container.to_owned()),
            stdin: false,
            stdout: true,
            stderr: false,
            ..AttachParams::default()
        };
        let mut asked = pods
            .exec(&pod.name_any(), ["cat", "/proc/1/cmdline"], &params)
            .await
            .map_err(|error| error.to_string())?;
        let mut line = Vec::new();
        if let Some(output) = asked.stdout() {
            output.take(MAX).read_to_end(&mut line).await.map_err(|error| error.to_string())?;
        }
        let status = match asked.take_status() {
            Some(status) => status.await,
            None => None,
        };
        match status {
            Some(status) if status.status.as_deref() != Some("Success") => {
                Err(status.message.unwrap_or_else(|| "it has no `cat`".into()))
            }
            _ => Ok(line),
        }
    };
    let line = time::timeout(ANSWER, asking).await.map_err(|_| "it does not answer".to_owned())??;
    let line = line.strip_suffix(b"\0").unwrap_or(&line);
    Ok(if line.is_empty() { Vec::new() } else { line.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect() })
}
