//! What has passed and was not read yet.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use inspector::Exchange;
use inspector::read::Side;
use tokio::sync::Notify;

/// Most bytes of it; more than the tunnel carries while the recorder gathers.
const MOST: usize = 8 << 20;

/// Filled by taps, emptied by the recorder.
#[derive(Default)]
pub(super) struct Queue {
    pending: Mutex<Pending>,
    /// It is not empty any more.
    filled: Notify,
    connections: AtomicU64,
}

#[derive(Default)]
struct Pending {
    events: Vec<Event>,
    bytes: usize,
}

/// Something happened on a connection.
pub(super) struct Event {
    pub(super) connection: u64,
    pub(super) at: Instant,
    pub(super) what: What,
}

/// What happened.
pub(super) enum What {
    /// It was made; its exchanges begin like this. The flag tells its tap that nobody reads it any more.
    Made(Box<Exchange>, Arc<AtomicBool>),
    /// Bytes passed.
    Bytes(Side, Bytes),
    /// A side has ended in order.
    Ended(Side),
    /// There was no room for its bytes.
    Lost,
    /// Somebody else goes on with it, for this reason.
    Elsewhere(String),
    /// It is gone.
    Gone,
}

impl Queue {
    /// A number for a connection.
    pub(super) fn connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    /// Adds an event; false: there is no room for its bytes. What has none always finds room: there are few of them for
    /// each connection.
    pub(super) fn push(&self, connection: u64, what: What) -> bool {
        let at = Instant::now();
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if let What::Bytes(_, bytes) = &what {
            if pending.bytes + bytes.len() > MOST {
                return false;
            }
            pending.bytes += bytes.len();
        }
        let first = pending.events.is_empty();
        pending.events.push(Event { connection, at, what });
        drop(pending);
        if first {
            self.filled.notify_one();
        }
        true
    }

    /// Waits until there is something. Cancel safe.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// All of it.
    pub(super) fn take(&self) -> Vec<Event> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.bytes = 0;
        std::mem::take(&mut pending.events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_without_room_are_left_out_and_everything_else_is_not() {
        let queue = Queue::default();
        let bytes = || What::Bytes(Side::Asker, vec![0; MOST / 2].into());
        assert!(queue.push(1, bytes()) && queue.push(1, bytes()));
        assert!(!queue.push(1, What::Bytes(Side::Asker, Bytes::from_static(b"x"))));
        assert!(queue.push(1, What::Gone));
        queue.filled().await;
        assert_eq!(queue.take().len(), 3);
        assert!(queue.push(1, bytes()), "there is room again");
    }
}
