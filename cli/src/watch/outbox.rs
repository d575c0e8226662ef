//! From the engine to whoever follows: one place that holds all that changed and was not taken yet.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::folders::Why;
use super::rules::Mistake;
use super::tree::{Changes, merge};

/// Notices that wait; more of them say nothing new.
const NOTICES: usize = 64;

/// Something about the following itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The folder was read, and is followed from now on.
    Follows {
        /// Folders with a watch.
        folders: usize,
        /// Files and links in them.
        files: usize,
        /// For reading all.
        took: Duration,
    },
    /// More happened than the kernel could tell; everything was compared.
    Lost,
    /// So many folders are looked at from time to time.
    Polls {
        /// How many.
        folders: usize,
        /// Why.
        why: Why,
    },
    /// The folder is not there any more; nothing in it is taken for deleted.
    Gone,
    /// It is there again; everything was compared.
    Back,
    /// Something can't be looked at; it stays as it was known.
    Unreadable {
        /// From the folder.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
    /// A line of an ignore file is no pattern.
    Mistake(Mistake),
}

/// What was not taken yet.
#[derive(Debug, Default)]
pub struct Batch {
    /// All that is not as it was when the last batch was taken.
    pub changes: Changes,
    /// In their order.
    pub notices: Vec<Notice>,
    /// When the engine knew the first of them.
    pub since: Option<Instant>,
}

/// Cheap to clone; clones are the same place.
#[derive(Debug, Clone, Default)]
pub(super) struct Outbox {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    batch: Mutex<Batch>,
    more: Notify,
}

impl Outbox {
    pub(super) fn changes(&self, changes: Changes) {
        if changes.is_empty() {
            return;
        }
        {
            let mut batch = self.batch();
            merge(&mut batch.changes, changes);
            batch.since.get_or_insert_with(Instant::now);
        }
        self.inner.more.notify_one();
    }

    /// Somebody is told of all there is.
    pub(super) fn forget_changes(&self) {
        let mut batch = self.batch();
        batch.changes.clear();
        batch.since = None;
    }

    pub(super) fn notice(&self, notice: Notice) {
        {
            let mut batch = self.batch();
            if batch.notices.len() >= NOTICES || batch.notices.contains(&notice) {
                return;
            }
            batch.notices.push(notice);
        }
        self.inner.more.notify_one();
    }

    /// Waits until there is something and takes all of it. Cancel safe.
    pub(super) async fn take(&self) -> Batch {
        loop {
            let more = self.inner.more.notified();
            if let Some(batch) = self.take_now() {
                return batch;
            }
            more.await;
        }
    }

    /// Takes what there is.
    pub(super) fn take_now(&self) -> Option<Batch> {
        let mut batch = self.batch();
        let any = !batch.changes.is_empty() || !batch.notices.is_empty();
        any.then(|| std::mem::take(&mut *batch))
    }

    fn batch(&self) -> MutexGuard<'_, Batch> {
        self.inner.batch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Follows { folders, files, took } => {
                write!(f, "following {files} files in {folders} folders, read in {} ms", took.as_millis())
            }
            Self::Lost => {
                f.write_str("too much changed at once to be told one by one; everything was compared")
            }
            Self::Polls { folders, why } => {
                write!(f, "{folders} folders are looked at every second instead of being watched: {why}")
            }
            Self::Gone => f.write_str("the folder is gone; waiting until it is back"),
            Self::Back => f.write_str("the folder is back"),
            Self::Unreadable { path, why } => write!(f, "cannot read {}: {why}", path.display()),
            Self::Mistake(mistake) => write!(f, "{} is left out: {}", mistake.rule, mistake.why),
        }
    }
}
