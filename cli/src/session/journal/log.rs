//! Entries of one kind in the order of time: the newest, bounded in number and in bytes.

use std::collections::VecDeque;

/// How much is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Room {
    /// Entries.
    pub(super) entries: usize,
    /// Bytes of them; a single one is kept in any case.
    pub(super) bytes: usize,
}

/// The newest entries.
#[derive(Debug)]
pub(super) struct Log<T> {
    room: Room,
    kept: VecDeque<Entry<T>>,
    bytes: usize,
    /// Entries that are kept no more.
    dropped: u64,
}

#[derive(Debug)]
struct Entry<T> {
    version: u64,
    bytes: usize,
    what: T,
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self::new(Room::default())
    }
}

impl<T> Log<T> {
    pub(super) const fn new(room: Room) -> Self {
        Self { room, kept: VecDeque::new(), bytes: 0, dropped: 0 }
    }

    /// Adds an entry of so many bytes, and drops the oldest that have no room any more. `version` is larger than all before.
    pub(super) fn push(&mut self, version: u64, what: T, bytes: usize) {
        self.bytes += bytes;
        self.kept.push_back(Entry { version, bytes, what });
        while self.kept.len() > self.room.entries.max(1)
            || (self.bytes > self.room.bytes && self.kept.len() > 1)
        {
            let Some(gone) = self.kept.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(gone.bytes);
            self.dropped += 1;
        }
    }

    /// Entries after this version, and theirs.
    pub(super) fn after(&self, version: u64) -> impl Iterator<Item = (u64, &T)> {
        let first = self.kept.partition_point(|entry| entry.version <= version);
        self.kept.range(first..).map(|entry| (entry.version, &entry.what))
    }

    /// How many were dropped that somebody has not seen who has seen the first `seen`; they count as seen then.
    pub(super) fn missed(&self, seen: &mut u64) -> u64 {
        let missed = self.dropped.saturating_sub(*seen);
        *seen += missed;
        missed
    }

    /// Entries and bytes.
    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize) {
        (self.kept.len(), self.kept.iter().map(|entry| entry.bytes).sum())
    }
}
