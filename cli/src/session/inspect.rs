//! The request inspector of a session: what passes on the requests and outbound paths, as exchanges.
//!
//! ```text
//! splice --tap--> queue --recorder--> ring --> control socket: list, show, follow
//!                                      ^------ replay
//! ```
//!
//! Nothing that is carried waits for it. A [`tap`] puts what has passed already into a [`queue`] of bounded size, and a
//! connection whose bytes find it full is not read any further. The [`recorder`] empties it some fifty times a second: one
//! wake-up for many bytes, since wake-ups are what costs.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use inspector::ring::{Ring, Room};
use inspector::{Direction, Exchange, Route};
use tokio::sync::watch;

mod queue;
mod recorder;
pub mod replay;
mod tap;
pub mod told;

pub use tap::Tap;

use queue::Queue;
use replay::Ways;

/// What a session remembers.
const ROOM: Room = Room { exchanges: 1000, bytes: 32 << 20 };
/// How long what has passed is gathered before it is read.
const GATHER: Duration = Duration::from_millis(20);

/// How the exchanges of a connection begin.
pub fn begins(direction: Direction, port: u16, route: Route) -> Exchange {
    Exchange::new(jiff::Timestamp::now(), direction, port, route)
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Inspector {
    /// None: nothing is recorded.
    queue: Option<Arc<Queue>>,
    ring: Arc<Mutex<Ring>>,
    changed: Arc<watch::Sender<u64>>,
    ways: Arc<OnceLock<Ways>>,
}

impl Inspector {
    /// One that has seen nothing; unless `records` it never will.
    pub fn new(records: bool) -> Self {
        Self {
            queue: records.then(Arc::default),
            ring: Arc::new(Mutex::new(Ring::new(ROOM))),
            changed: Arc::new(watch::Sender::new(0)),
            ways: Arc::default(),
        }
    }

    /// Whether anything is recorded.
    pub fn records(&self) -> bool {
        self.queue.is_some()
    }

    /// A tap for one connection whose exchanges begin as `first`.
    pub fn tap(&self, first: Exchange) -> Option<Tap> {
        self.queue.as_ref().map(|queue| Tap::new(Arc::clone(queue), first))
    }

    /// Reads what passes, until dropped.
    pub async fn run(self) {
        if let Some(queue) = self.queue.clone() {
            recorder::run(&self, &queue).await;
        }
    }

    /// From now on replays can go there.
    pub fn reaches(&self, ways: Ways) {
        // A session has one process.
        let _ = self.ways.set(ways);
    }

    /// An id for an exchange that is put by [`Self::put`].
    pub fn next_id(&self) -> u64 {
        self.ring().next_id()
    }

    /// Records an exchange, or its newer state.
    pub fn put(&self, exchange: Exchange) {
        self.ring().put(exchange);
        self.tell();
    }

    /// Forgets all of them; ids up to the one that it gives are kept no more.
    pub fn clear(&self) -> u64 {
        let dropped = {
            let mut ring = self.ring();
            ring.clear();
            ring.changed(ring.version(), 0).dropped
        };
        self.tell();
        dropped
    }

    /// The number of the newest change, now and later.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Never held across an await.
    pub fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        let version = self.ring().version();
        self.changed.send_if_modified(|told| std::mem::replace(told, version) != version);
    }
}
