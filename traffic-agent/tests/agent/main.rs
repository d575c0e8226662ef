//! The agent in this process, with real sockets on loopback and a laptop end of the test's own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and its tasks end with its runtime"
)]

mod control;
mod dns;
mod ending;
mod laptop;
mod load;
mod opaque;
mod outage;
mod outbound;
mod process;
mod requests;
mod rig;
mod server;
mod unavailable;

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
