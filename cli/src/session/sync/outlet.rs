//! From the folder to one pod: one place that holds all that changed and was not taken yet.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::verify::Verified;
use crate::watch::tree::{Changes, merge};

/// What one pod has not got yet, and what is asked of it.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    waiting: Mutex<Waiting>,
    more: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    batch: Option<Batch>,
    question: Option<Question>,
}

/// What there is to do for one pod.
#[derive(Debug)]
pub(super) enum Work {
    /// Changes.
    Batch(Batch),
    /// A comparison.
    Compare(Question),
}

/// Compare everything; a later question takes the place of one that waits.
#[derive(Debug)]
pub(super) struct Question {
    /// Send again what differs.
    pub(super) repair: bool,
    pub(super) answer: oneshot::Sender<Verified>,
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
            let mut waiting = self.waiting();
            match &mut waiting.batch {
                Some(batch) => {
                    merge(&mut batch.changes, changes);
                    batch.generation = generation;
                }
                None => waiting.batch = Some(Batch { changes, generation, saved }),
            }
        }
        self.more.notify_one();
    }

    /// Has everything compared; none: the pod is gone.
    pub(super) async fn verify(&self, repair: bool) -> Option<Verified> {
        let (answer, answered) = oneshot::channel();
        self.waiting().question = Some(Question { repair, answer });
        self.more.notify_one();
        answered.await.ok()
    }

    /// Waits for something to do; changes first. Cancel safe.
    pub(super) async fn next(&self) -> Work {
        loop {
            let more = self.more.notified();
            {
                let mut waiting = self.waiting();
                if let Some(batch) = waiting.batch.take() {
                    return Work::Batch(batch);
                }
                if let Some(question) = waiting.question.take() {
                    return Work::Compare(question);
                }
            }
            more.await;
        }
    }

    /// Whether there is something to do.
    pub(super) fn is_waiting(&self) -> bool {
        let waiting = self.waiting();
        waiting.batch.is_some() || waiting.question.is_some()
    }

    /// Never held across an await.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
