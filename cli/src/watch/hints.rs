//! From the kernel's events to the engine: a bounded queue that forgets single events when there are too many, and says so.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Instant;

use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind, RenameMode};

use super::settle::Sign;
use super::tree::Entry;

/// Events that wait. One costs some hundred bytes; when more are there, looking at everything is as quick.
const QUEUE: usize = 32 * 1024;

/// What the engine hears.
#[derive(Debug)]
pub(super) enum Hint {
    /// Something may have become of a path, which is absolute.
    Path(PathBuf, Sign),
    /// Events were lost: by the kernel or here.
    Lost,
    /// Say when all that was heard before has been looked at.
    Flush(tokio::sync::oneshot::Sender<()>),
    /// Tell all that is known.
    Everything(tokio::sync::oneshot::Sender<BTreeMap<PathBuf, Entry>>),
    /// Compare everything, whatever was heard.
    Again,
    /// Nobody wants to know any more.
    End,
}

/// The end of the queue that events are put into; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    queue: SyncSender<Hint>,
    lost: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
}

/// The engine's end.
#[derive(Debug)]
pub(super) struct Hints {
    queue: Receiver<Hint>,
    lost: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
}

/// A queue.
pub(super) fn hints() -> (Sender, Hints) {
    let (sender, receiver) = sync_channel(QUEUE);
    let (lost, ended) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    (
        Sender { queue: sender, lost: lost.clone(), ended: ended.clone() },
        Hints { queue: receiver, lost, ended },
    )
}

impl Sender {
    /// Never waits: the thread that reads events has to serve the engine, too.
    pub(super) fn put(&self, hint: Hint) {
        match self.queue.try_send(hint) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(_)) => self.lost.store(true, Ordering::Release),
        }
    }

    /// The engine ends as soon as it looks here.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.put(Hint::End);
    }
}

impl Hints {
    /// The next one; waits until `until` at most, for ever without.
    pub(super) fn next(&self, until: Option<Instant>) -> Result<Hint, RecvTimeoutError> {
        if self.ended.load(Ordering::Acquire) {
            return Ok(Hint::End);
        }
        if self.lost.swap(false, Ordering::AcqRel) {
            // What waits is older than the looking that follows.
            while let Ok(hint) = self.queue.try_recv() {
                if matches!(hint, Hint::End) {
                    return Ok(hint);
                }
            }
            return Ok(Hint::Lost);
        }
        match until {
            Some(until) => self.queue.recv_timeout(until.saturating_duration_since(Instant::now())),
            None => self.queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }
}

impl notify::EventHandler for Sender {
    fn handle_event(&mut self, event: notify::Result<notify::Event>) {
        let Ok(event) = event else { return self.put(Hint::Lost) };
        if event.need_rescan() {
            return self.put(Hint::Lost);
        }
        let Some(sign) = sign(event.kind) else { return };
        // Both names of a rename come once more on their own.
        if let [path] = &event.paths[..] {
            self.put(Hint::Path(path.clone(), sign));
        }
    }
}

/// What an event says of its one path; none: nothing that changes anything, as reading.
fn sign(kind: EventKind) -> Option<Sign> {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(Sign::Closed),
        EventKind::Access(_) => None,
        EventKind::Create(CreateKind::File) => Some(Sign::Created),
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) | EventKind::Remove(_) => Some(Sign::Gone),
        EventKind::Modify(ModifyKind::Data(_)) => Some(Sign::Written),
        EventKind::Modify(ModifyKind::Metadata(_)) => Some(Sign::Attributes),
        _ => Some(Sign::Appeared),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn more_events_than_fit_become_one_that_says_so() {
        let (sender, hints) = hints();
        let soon = || Some(Instant::now() + Duration::from_millis(1));
        for at in 0..QUEUE + 10 {
            sender.put(Hint::Path(PathBuf::from(at.to_string()), Sign::Written));
        }
        assert!(matches!(hints.next(soon()), Ok(Hint::Lost)));
        assert_eq!(hints.next(soon()).unwrap_err(), RecvTimeoutError::Timeout);
        sender.put(Hint::Path(PathBuf::from("later"), Sign::Written));
        assert!(matches!(hints.next(soon()), Ok(Hint::Path(..))));
    }

    #[test]
    fn a_full_queue_does_not_keep_the_engine_from_ending() {
        let (sender, hints) = hints();
        for at in 0..QUEUE {
            sender.put(Hint::Path(PathBuf::from(at.to_string()), Sign::Written));
        }
        sender.end();
        assert!(matches!(hints.next(None), Ok(Hint::End)));
    }
}
