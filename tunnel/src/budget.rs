//! How much may wait in memory for readers that do not read.
//!
//! A stalled reader must slow down nobody else, so what waits for it can't be bounded by a window that all share.
//! Instead all flows of an owner have one [`Budget`]: above it, the flow whose oldest byte has waited longest is to be
//! reset by whoever carries it. Flows that move, however much is on its way in them, are never chosen.

mod backlog;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{self, Instant},
};

pub use backlog::Backlog;

/// A flow that has moved within this time is not stalled.
const STALLED: Duration = Duration::from_secs(1);
/// The same when the budget is exceeded by a third: it fills faster than it is emptied.
const STALLED_FULL: Duration = Duration::from_millis(100);

/// Memory of all flows of an owner together. Clones are the same budget.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: usize,
    flows: Mutex<Flows>,
    evicted: AtomicU64,
}

#[derive(Debug, Default)]
struct Flows {
    total: usize,
    next: u64,
    shares: HashMap<u64, Held>,
}

#[derive(Debug)]
struct Held {
    bytes: usize,
    /// When the oldest of these bytes came.
    since: Instant,
    evicted: Arc<Notify>,
}

impl Budget {
    /// A budget of `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Inner { limit, flows: Mutex::default(), evicted: AtomicU64::default() }))
    }

    /// Never exceeded.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::new(usize::MAX)
    }

    /// Bytes that are held now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.flows().total
    }

    /// How many flows had to be reset until now.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.0.evicted.load(Ordering::Relaxed)
    }

    /// Accounts for `bytes` that wait from now on, until the share is dropped.
    #[must_use]
    pub fn hold(&self, bytes: usize) -> Share {
        let evicted = Arc::new(Notify::new());
        let mut flows = self.flows();
        let number = flows.next;
        flows.next = flows.next.wrapping_add(1);
        flows.total = flows.total.saturating_add(bytes);
        let held = Held { bytes, since: Instant::now(), evicted: Arc::clone(&evicted) };
        flows.shares.insert(number, held);
        self.relieve(&mut flows);
        drop(flows);
        Share { budget: self.clone(), number, evicted }
    }

    /// Chooses flows to reset until the budget is kept, or no flow is stalled.
    fn relieve(&self, flows: &mut Flows) {
        let limit = self.0.limit;
        while flows.total > limit {
            let far = flows.total > limit.saturating_add(limit / 3);
            let stalled = if far { STALLED_FULL } else { STALLED };
            let oldest = flows.shares.iter().min_by_key(|(_, held)| held.since);
            let Some((number, held)) = oldest.filter(|(_, held)| held.since.elapsed() >= stalled) else {
                return;
            };
            let number = *number;
            held.evicted.notify_one();
            // What it held is as good as free, and nobody else must be chosen for it.
            flows.remove(number);
            self.0.evicted.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flows(&self) -> MutexGuard<'_, Flows> {
        self.0.flows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flows {
    fn remove(&mut self, number: u64) {
        if let Some(held) = self.shares.remove(&number) {
            self.total = self.total.saturating_sub(held.bytes);
        }
    }
}

/// What one flow holds; dropping it gives it back.
#[derive(Debug)]
pub struct Share {
    budget: Budget,
    number: u64,
    evicted: Arc<Notify>,
}

impl Share {
    /// It holds `bytes` now, the oldest of which came at `since`.
    pub fn set(&self, bytes: usize, since: Instant) {
        let mut flows = self.budget.flows();
        let Some(held) = flows.shares.get_mut(&self.number) else { return };
        let before = std::mem::replace(&mut held.bytes, bytes);
        held.since = since;
        flows.total = flows.total.saturating_sub(before).saturating_add(bytes);
        self.budget.relieve(&mut flows);
    }

    /// Resolves when the flow is to be reset, because it is the one that has been stalled longest and the budget is
    /// exceeded. Cancel safe.
    pub async fn evicted(&self) {
        // Somebody has to look again when time has passed and nothing else has: whoever is stalled.
        while time::timeout(STALLED, self.evicted.notified()).await.is_err() {
            self.budget.relieve(&mut self.budget.flows());
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.flows().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn above_the_budget_the_flow_that_has_been_stalled_longest_is_reset() {
        let budget = Budget::new(100);
        let first = budget.hold(40);
        time::sleep(STALLED).await;
        let second = budget.hold(40);
        time::sleep(STALLED).await;
        assert_eq!(first.evicted().now_or_never(), None, "within the budget");
        let third = budget.hold(40);
        assert_eq!(first.evicted().now_or_never(), Some(()));
        assert_eq!(second.evicted().now_or_never(), None);
        assert_eq!((budget.held(), budget.evicted()), (80, 1));
        drop((first, third));
        assert_eq!(budget.held(), 40);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flow_that_moves_is_never_reset() {
        let budget = Budget::new(100);
        let (moving, stalled) = (budget.hold(60), budget.hold(60));
        let moved = async {
            loop {
                time::sleep(Duration::from_millis(50)).await;
                moving.set(60, Instant::now());
            }
        };
        tokio::select! {
            () = moved => {}
            () = stalled.evicted() => {}
            () = moving.evicted() => panic!("it moves"),
        }
        assert_eq!(budget.held(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_forgiven_and_a_flood_is_not() {
        let budget = Budget::new(90);
        let shares = [budget.hold(60), budget.hold(50)];
        time::sleep(STALLED_FULL).await;
        shares[1].set(50, Instant::now());
        assert_eq!(budget.evicted(), 0);
        let more = budget.hold(50);
        assert_eq!(budget.evicted(), 1);
        assert_eq!(shares[0].evicted().now_or_never(), Some(()));
        drop(more);
    }
}
