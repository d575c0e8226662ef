//! Where a connection is listened to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use inspector::read::Side;
use inspector::{Direction, Exchange};
use tunnel::splice::{Observer, Way};

use super::queue::{Queue, What};

/// Of one connection, which is over when it is dropped.
pub struct Tap {
    queue: Arc<Queue>,
    connection: u64,
    /// The process on this laptop asks, and is not asked.
    outbound: bool,
    /// Nobody reads it any more.
    deaf: Arc<AtomicBool>,
}

impl Tap {
    pub(super) fn new(queue: Arc<Queue>, first: Exchange) -> Self {
        let connection = queue.connection();
        let deaf = Arc::<AtomicBool>::default();
        let outbound = first.direction == Direction::Outbound;
        queue.push(connection, What::Made(Box::new(first), Arc::clone(&deaf)));
        Self { queue, connection, outbound, deaf }
    }

    /// These bytes came from who asks, and nobody here takes them: somebody else does.
    pub fn elsewhere(self, asked: Bytes, why: &str) {
        self.bytes(Side::Asker, asked);
        self.queue.push(self.connection, What::Elsewhere(why.to_owned()));
    }

    fn bytes(&self, side: Side, bytes: Bytes) {
        let unheard = self.deaf.load(Ordering::Relaxed) || bytes.is_empty();
        if !unheard && !self.queue.push(self.connection, What::Bytes(side, bytes)) {
            self.deaf.store(true, Ordering::Relaxed);
            self.queue.push(self.connection, What::Lost);
        }
    }

    /// Who sends the bytes that go this way.
    fn side(&self, way: Way) -> Side {
        if (way == Way::ToFlow) == self.outbound { Side::Asker } else { Side::Answerer }
    }
}

impl Observer for Tap {
    fn passed(&self, way: Way, bytes: Bytes) {
        self.bytes(self.side(way), bytes);
    }

    fn ended(&self, way: Way) {
        if !self.deaf.load(Ordering::Relaxed) {
            self.queue.push(self.connection, What::Ended(self.side(way)));
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.queue.push(self.connection, What::Gone);
    }
}
