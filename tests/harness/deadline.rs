//! How long things may take before a test gives up. They bound correctness, on a busy machine; they are no goals.

use std::time::Duration;

use tokio::time::{self, Instant};

/// From a command to its `ready:` line: the agent's pod has to start.
pub const ATTACH: Duration = Duration::from_secs(60);
/// From a signal, or `leave`, to the end of the command.
pub const LEAVE: Duration = Duration::from_secs(30);
/// Until nothing of a session can be listed: the agent's pod may serve its last connections for 60 s.
pub const CLEAN: Duration = Duration::from_secs(100);
/// Until pods of our own images are ready.
pub const PODS: Duration = Duration::from_secs(60);
/// Until Kubernetes has noticed that a node is away (50 s) or back.
pub const NODE: Duration = Duration::from_secs(100);
/// A command that only looks, and an answer from inside the cluster.
pub const LOOK: Duration = Duration::from_secs(20);

/// Tries until it works; panics with the last reason when the deadline has passed.
pub async fn eventually<T, E, F>(within: Duration, what: &str, mut attempt: impl FnMut() -> F) -> T
where
    E: std::fmt::Display,
    F: Future<Output = Result<T, E>>,
{
    let end = Instant::now() + within;
    let mut why = "no attempt has ended".to_owned();
    loop {
        match time::timeout_at(end, attempt()).await {
            Ok(Ok(value)) => return value,
            Ok(Err(now)) => why = now.to_string(),
            Err(_) => why = format!("the last attempt did not end; the one before: {why}"),
        }
        assert!(Instant::now() < end, "not within {within:?}: {what}: {why}");
        time::sleep(Duration::from_millis(100)).await;
    }
}
