//! Hashes of files that the laptop asked for and may want to keep.

use std::collections::HashMap;

use rustix::fs::Stat;
use tunnel::sync::{Hash, Path};

use super::fault::Ended;

/// Most bytes of memory, about; some 300,000 files.
const MAX_BYTES: usize = 64 << 20;
/// What one costs beside its path.
const ENTRY: usize = 128;

/// By path.
#[derive(Debug, Default)]
pub(super) struct Measured {
    known: HashMap<Path, (Hash, Stamp)>,
    bytes: usize,
}

/// Tells a file from what it was when it was read. The time of its last status change can't be set by programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: i64,
    changed: (i64, u64),
}

impl From<&Stat> for Stamp {
    fn from(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size,
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}

impl Measured {
    /// Remembers the hash of a file that was `stat` before it was read.
    pub(super) fn put(&mut self, path: Path, stat: &Stat, hash: Hash) -> Result<(), Ended> {
        let length = path.len();
        if self.known.insert(path, (hash, stat.into())).is_none() {
            self.bytes += length + ENTRY;
        }
        if self.bytes > MAX_BYTES { Err(Ended::Violation("too many hashes asked for")) } else { Ok(()) }
    }

    /// The hash of a file that is `stat` now, if that is what was read. It is not remembered any longer.
    pub(super) fn take(&mut self, path: &[u8], stat: &Stat) -> Option<Hash> {
        let (hash, stamp) = self.remove(path)?;
        (stamp == stat.into()).then_some(hash)
    }

    /// The file is another one now.
    pub(super) fn forget(&mut self, path: &[u8]) {
        self.remove(path);
    }

    fn remove(&mut self, path: &[u8]) -> Option<(Hash, Stamp)> {
        let known = self.known.remove(path)?;
        self.bytes = self.bytes.saturating_sub(path.len() + ENTRY);
        Some(known)
    }
}
