//! What waits for the next commit.

use tunnel::sync::{Hash, Meta, Path};

use super::{fault::Ended, staging::Staged};

/// Most things in one commit; laptops commit far more often.
pub(super) const MAX_ITEMS: usize = 100_000;
/// Most bytes of their paths and targets.
const MAX_BYTES: usize = 16 << 20;

/// One thing.
#[derive(Debug)]
pub(super) enum Item {
    Folder { path: Path, mode: u32 },
    File { path: Path, staged: Staged, mode: u32, hash: Hash },
    Link { path: Path, to: Vec<u8> },
    Meta { path: Path, meta: Meta },
    Remove(Path),
}

impl Item {
    /// Where it is put; none for what is removed.
    pub(super) fn puts(&self) -> Option<&[u8]> {
        match self {
            Self::Folder { path, .. }
            | Self::File { path, .. }
            | Self::Link { path, .. }
            | Self::Meta { path, .. } => Some(path),
            Self::Remove(_) => None,
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Batch {
    items: Vec<Item>,
    bytes: usize,
}

impl Batch {
    pub(super) fn push(&mut self, item: Item) -> Result<(), Ended> {
        self.bytes += match &item {
            Item::Link { path, to } => path.len() + to.len(),
            Item::Remove(path) => path.len(),
            other => other.puts().map_or(0, <[u8]>::len),
        };
        if self.items.len() >= MAX_ITEMS || self.bytes > MAX_BYTES {
            return Err(Ended::Violation("too much for one commit"));
        }
        self.items.push(item);
        Ok(())
    }

    /// All that was pushed.
    pub(super) fn take(&mut self) -> Vec<Item> {
        std::mem::take(self).items
    }
}
