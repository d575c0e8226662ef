//! Runs `tool` in a pod and reads its JSON lines.
//!
//! Through `exec`, which needs no shell in the image and tells the exit code.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::AttachParams;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::time;

use crate::Api;

/// A program that runs in a pod. Dropped, it is left to itself.
pub struct Exec {
    process: kube::api::AttachedProcess,
    lines: Lines<BufReader<Box<dyn tokio::io::AsyncRead + Send + Unpin>>>,
    seen: Vec<String>,
    what: String,
}

/// What a program in a pod said, and how it ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Whether its exit code was 0.
    pub success: bool,
    /// Its lines; what is not JSON as a string.
    pub lines: Vec<Value>,
}

impl Ended {
    /// The last line; null when there is none.
    pub fn last(&self) -> Value {
        self.lines.last().cloned().unwrap_or_default()
    }
}

impl Exec {
    pub(crate) async fn start(api: &Api, namespace: &str, pod: &str, command: &[&str]) -> Self {
        Self::try_start(api, namespace, pod, command).await.unwrap_or_else(|why| panic!("{why}"))
    }

    /// The same where the pod may be gone.
    pub(crate) async fn try_start(
        api: &Api,
        namespace: &str,
        pod: &str,
        command: &[&str],
    ) -> Result<Self, String> {
        let what = format!("{pod}: {}", command.join(" "));
        let pods: kube::Api<Pod> = kube::Api::namespaced(api.client(), namespace);
        let params = AttachParams::default().stdin(true).stdout(true).stderr(false);
        let mut process = pods
            .exec(pod, command.iter().copied(), &params)
            .await
            .map_err(|error| format!("exec in {what}: {error}"))?;
        let stdout: Box<dyn tokio::io::AsyncRead + Send + Unpin> =
            Box::new(process.stdout().expect("asked for"));
        Ok(Self { process, lines: BufReader::new(stdout).lines(), seen: Vec::new(), what })
    }

    /// The next line, or `None` at the end.
    pub async fn line(&mut self, within: Duration) -> Option<Value> {
        let line = time::timeout(within, self.lines.next_line()).await.unwrap_or_else(|_| {
            panic!("no line within {within:?} from {}; before: {:?}", self.what, self.seen)
        });
        let line = line.unwrap_or_else(|error| panic!("{}: {error}", self.what))?;
        let value = serde_json::from_str(&line).unwrap_or(Value::String(line.clone()));
        self.seen.push(line);
        Some(value)
    }

    /// Says something to the program, which is how `load` is ended.
    pub async fn say(&mut self, text: &str) {
        if let Some(mut stdin) = self.process.stdin() {
            let _ = stdin.write_all(text.as_bytes()).await;
            let _ = stdin.flush().await;
        }
    }

    /// Reads to the end.
    pub async fn end(mut self, within: Duration) -> Ended {
        let mut lines = Vec::new();
        let reading = async {
            while let Some(line) = self.line(within).await {
                lines.push(line);
            }
        };
        if time::timeout(within, reading).await.is_err() {
            panic!("not ended within {within:?}: {}; said: {:?}", self.what, self.seen);
        }
        let status = match self.process.take_status() {
            Some(status) => time::timeout(within, status).await.ok().flatten(),
            None => None,
        };
        let success = status.is_some_and(|status| status.status.as_deref() == Some("Success"));
        Ended { success, lines }
    }
}
