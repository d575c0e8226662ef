//! The exchanges of a session: the newest ones, bounded in number and in bytes.
//!
//! Readers ask for what has changed since a number that they were told before, so that nothing waits for a slow one: what
//! was dropped meanwhile is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use crate::Exchange;

/// What an exchange takes beside its bytes, about.
const OVERHEAD: usize = 1 << 10;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Exchanges.
    pub exchanges: usize,
    /// Bytes of them, about.
    pub bytes: usize,
}

/// The newest exchanges, by id.
#[derive(Debug)]
pub struct Ring {
    room: Room,
    kept: BTreeMap<u64, Kept>,
    /// When which exchange changed last, oldest first.
    order: BTreeSet<(u64, u64)>,
    bytes: usize,
    last_id: u64,
    version: u64,
    dropped: u64,
}

#[derive(Debug)]
struct Kept {
    exchange: Arc<Exchange>,
    version: u64,
    bytes: usize,
}

/// What has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Oldest change first.
    pub exchanges: Vec<Arc<Exchange>>,
    /// To be given to [`Ring::changed`] the next time.
    pub version: u64,
    /// Exchanges that are kept no more, of all that there ever were.
    pub dropped: u64,
}

impl Ring {
    /// An empty one.
    pub fn new(room: Room) -> Self {
        Self {
            room,
            kept: BTreeMap::new(),
            order: BTreeSet::new(),
            bytes: 0,
            last_id: 0,
            version: 0,
            dropped: 0,
        }
    }

    /// An id that no other exchange has.
    pub fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Puts an exchange, or its newer state, and drops the oldest that have no room any more. One that was dropped
    /// before does not come back.
    pub fn put(&mut self, mut exchange: Exchange) {
        if exchange.end.is_some() {
            // What was gathered piece by piece may have room for more.
            for message in std::iter::once(&mut exchange.request).chain(&mut exchange.answer) {
                message.body.kept = Bytes::copy_from_slice(&message.body.kept);
            }
        }
        let id = exchange.id;
        let bytes = size(&exchange);
        let before = self.kept.remove(&id);
        if let Some(before) = &before {
            self.bytes = self.bytes.saturating_sub(before.bytes);
            self.order.remove(&(before.version, id));
        } else if id <= self.oldest_possible() {
            return;
        }
        self.version += 1;
        self.bytes += bytes;
        self.order.insert((self.version, id));
        self.kept.insert(id, Kept { exchange: Arc::new(exchange), version: self.version, bytes });
        while self.kept.len() > self.room.exchanges || (self.bytes > self.room.bytes && self.kept.len() > 1) {
            let Some((id, gone)) = self.kept.pop_first() else { return };
            self.order.remove(&(gone.version, id));
            self.bytes = self.bytes.saturating_sub(gone.bytes);
            self.dropped = self.dropped.max(id);
        }
    }

    /// Ids up to this one are kept no more.
    fn oldest_possible(&self) -> u64 {
        self.dropped
    }

    /// One of them.
    pub fn get(&self, id: u64) -> Option<Arc<Exchange>> {
        self.kept.get(&id).map(|kept| Arc::clone(&kept.exchange))
    }

    /// All of them, oldest first.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Arc<Exchange>> {
        self.kept.values().map(|kept| &kept.exchange)
    }

    /// Those that have changed since `version`, at most `most`; 0 is before all.
    pub fn changed(&self, version: u64, most: usize) -> Changed {
        let newer = self.order.range((version.saturating_add(1), 0)..).take(most);
        let (mut exchanges, mut reached) = (Vec::new(), None);
        for (version, id) in newer {
            reached = Some(*version);
            exchanges.extend(self.get(*id));
        }
        Changed { exchanges, version: reached.unwrap_or(self.version), dropped: self.dropped }
    }

    /// The number of the newest change.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Forgets all; ids go on.
    pub fn clear(&mut self) {
        self.dropped = self.last_id;
        self.kept.clear();
        self.order.clear();
        self.bytes = 0;
    }
}

fn size(exchange: &Exchange) -> usize {
    let mut size = OVERHEAD + exchange.target.len() + exchange.host.len() + exchange.method.len();
    for message in std::iter::once(&exchange.request).chain(&exchange.answer) {
        size += message.body.kept.len();
        for header in message.headers.iter().chain(&message.trailers) {
            size += header.name.len() + header.value.len() + 2 * size_of::<String>();
        }
    }
    size
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::exchange::fixture;

    fn exchange(id: u64, body: usize) -> Exchange {
        let mut exchange = fixture::get("/");
        exchange.id = id;
        exchange.request.body.kept = vec![0; body].into();
        exchange
    }

    fn ids(changed: &Changed) -> Vec<u64> {
        changed.exchanges.iter().map(|exchange| exchange.id).collect()
    }

    #[test]
    fn a_reader_gets_every_change_once_and_hears_what_is_gone() {
        let mut ring = Ring::new(Room { exchanges: 3, bytes: 1 << 20 });
        for id in 1..=2 {
            ring.put(exchange(id, 0));
        }
        let first = ring.changed(0, 10);
        assert_eq!(ids(&first), [1, 2]);
        ring.put(exchange(1, 7));
        ring.put(exchange(3, 0));
        let second = ring.changed(first.version, 10);
        assert_eq!((ids(&second), second.dropped), (vec![1, 3], 0));
        ring.put(exchange(4, 0));
        let third = ring.changed(second.version, 10);
        assert_eq!((ids(&third), third.dropped), (vec![4], 1));
        ring.put(exchange(1, 8));
        assert_eq!(ids(&ring.changed(third.version, 10)), [0; 0], "what was dropped does not come back");
    }

    #[test]
    fn a_reader_that_takes_few_at_a_time_misses_none() {
        let mut ring = Ring::new(Room { exchanges: 100, bytes: 1 << 20 });
        (1..=10).for_each(|id| ring.put(exchange(id, 0)));
        let (mut version, mut all) = (0, Vec::new());
        while version < ring.version() {
            let changed = ring.changed(version, 3);
            all.extend(ids(&changed));
            version = changed.version;
        }
        assert_eq!(all, (1..=10).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn it_never_takes_more_room_than_it_has(puts in prop::collection::vec((1..40u64, 0..20_000usize), 0..200)) {
            let room = Room { exchanges: 10, bytes: 64 << 10 };
            let mut ring = Ring::new(room);
            for (id, body) in puts {
                ring.put(exchange(id, body));
                let sum: usize = ring.all().map(|exchange| size(exchange)).sum();
                prop_assert_eq!(sum, ring.bytes);
                prop_assert!(ring.kept.len() <= room.exchanges && (sum <= room.bytes || ring.kept.len() == 1));
                prop_assert_eq!(ring.order.len(), ring.kept.len());
            }
        }
    }
}
