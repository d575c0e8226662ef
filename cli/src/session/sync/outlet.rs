//! From the folder to one pod: one place that holds all that changed and was not taken yet.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::watch::tree::{Changes, merge};

/// What one pod has not got yet.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    batch: Mutex<Option<Batch>>,
    more: Notify,
}

/// Changes for one pod.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) changes: Changes,
    /// The newest that is in it.
    pub(super) generation: u64,
    /// When the first of them was noticed.
    pub(super) saved: Instant,
}

impl Outlet {
    pub(super) fn put(&self, changes: Changes, generation: u64, saved: Instant) {
        {
            let mut batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *batch {
                Some(batch) => {
                    merge(&mut batch.changes, changes);
                    batch.generation = generation;
                }
                None => *batch = Some(Batch { changes, generation, saved }),
            }
        }
        self.more.notify_one();
    }

    /// Waits for changes and takes all. Cancel safe.
    pub(super) async fn next(&self) -> Batch {
        loop {
            let more = self.more.notified();
            if let Some(batch) = self.batch.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return batch;
            }
            more.await;
        }
    }
}
