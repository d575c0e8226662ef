//! How long things may take in these tests, and waiting for them.

use std::time::Duration;

/// Far above what anything here takes: it bounds correctness, not speed.
const DEADLINE: Duration = Duration::from_secs(20);

/// The output of `future`, which must come in time.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("{what} takes too long"))
}

/// Waits until `state` holds.
pub(crate) async fn eventually(what: &str, mut state: impl FnMut() -> bool) {
    within(what, async {
        while !state() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
