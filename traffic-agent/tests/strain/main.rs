//! The agent's program under strain, one test after the other: each of them needs the machine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and its tasks end with its runtime"
)]
#![allow(dead_code, reason = "what the other tests of the agent share is not all used here")]

#[path = "../agent/laptop.rs"]
mod laptop;
#[path = "../agent/rig.rs"]
mod rig;
#[path = "../agent/server.rs"]
mod server;
mod strain;

use std::time::Duration;

/// Far above what anything here takes: it bounds correctness, not speed.
const DEADLINE: Duration = Duration::from_secs(20);

/// The output of `future`, which must come in time.
async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("{what} takes too long"))
}

/// Waits until `state` holds.
async fn eventually(what: &str, mut state: impl FnMut() -> bool) {
    within(what, async {
        while !state() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
