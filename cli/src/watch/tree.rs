//! What is in the folder: names, kinds, contents. Comparing two looks says what changed; events only say where to look.
//!
//! A file whose bytes are the same has not changed, however often a tool wrote it.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::{self, Read};
use std::ops::Bound;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Larger files are compared by size and time alone: reading one takes longer than a save may.
const LARGE: u64 = 256 << 20;
/// A change so soon after a look may have left size and times as they were: the kernel's clock for files is coarse.
const COARSE_NS: i128 = 20_000_000;
/// Bytes read at once.
const READ: usize = 64 << 10;

/// Something that has a name. Sockets, pipes and devices have none here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Permission bits, set-user-id and the like included.
    pub mode: u32,
    /// Time of the last change of its contents, in nanoseconds since 1970.
    pub modified: i128,
    stamp: Stamp,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A file.
    File {
        /// In bytes.
        size: u64,
        /// Of its contents; none for large files, and for those that can't be read.
        hash: Option<blake3::Hash>,
    },
    /// A symbolic link; never followed.
    Link {
        /// As it is written.
        to: PathBuf,
    },
}

/// Tells without reading whether a file may be another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified: i128,
    changed: i128,
    device: u64,
    inode: u64,
    looked: i128,
}

/// How one path changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// None: there was nothing.
    pub before: Option<Entry>,
    /// None: it is gone.
    pub after: Option<Entry>,
}

/// Changed paths, relative to the folder.
pub type Changes = BTreeMap<PathBuf, Change>;

/// All entries, by their paths relative to the folder.
#[derive(Debug, Default)]
pub(super) struct Tree {
    entries: BTreeMap<PathBuf, Entry>,
}

impl Tree {
    pub(super) fn get(&self, path: &Path) -> Option<&Entry> {
        self.entries.get(path)
    }

    pub(super) fn put(&mut self, path: &Path, entry: Entry) -> Option<Entry> {
        self.entries.insert(path.to_owned(), entry)
    }

    /// A path and all below it.
    pub(super) fn below(&self, path: &Path) -> impl Iterator<Item = (&PathBuf, &Entry)> {
        let range = (Bound::Included(path), Bound::Unbounded);
        self.entries.range::<Path, _>(range).take_while(move |(found, _)| found.starts_with(path))
    }

    /// Names in a folder.
    pub(super) fn in_folder(&self, folder: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut at = (Bound::Excluded(folder.to_owned()), Bound::Unbounded);
        while let Some((path, _)) = self.entries.range(at).next() {
            if !path.starts_with(folder) {
                break;
            }
            found.push(path.clone());
            // Behind all that is below it.
            let next = self.below(path).last().map_or_else(|| path.clone(), |(last, _)| last.clone());
            at = (Bound::Excluded(next), Bound::Unbounded);
        }
        found
    }

    /// Takes a path out, and all below it.
    pub(super) fn remove(&mut self, path: &Path) -> Vec<(PathBuf, Entry)> {
        let paths: Vec<_> = self.below(path).map(|(path, _)| path.clone()).collect();
        paths.into_iter().filter_map(|path| self.entries.remove_entry(&path)).collect()
    }

    pub(super) fn all(&self) -> BTreeMap<PathBuf, Entry> {
        self.entries.clone()
    }

    pub(super) fn count(&self) -> (usize, usize) {
        let folders = self.entries.values().filter(|entry| entry.kind == Kind::Folder).count();
        (folders, self.entries.len() - folders)
    }
}

impl Entry {
    /// Looks at a path; none: there is nothing, or nothing that counts. What was known of it saves reading it again, unless
    /// `surely`.
    pub(crate) fn look(path: &Path, known: Option<&Self>, surely: bool) -> io::Result<Option<Self>> {
        let found = match path.symlink_metadata() {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            found => found?,
        };
        let stamp = Stamp::of(&found);
        let kind = if found.is_dir() {
            Kind::Folder
        } else if found.is_symlink() {
            match path.read_link() {
                Ok(to) => Kind::Link { to },
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            }
        } else if found.is_file() {
            match known {
                Some(known) if !surely && known.stamp.says_the_same(&stamp) => known.kind.clone(),
                _ => Kind::File { size: found.size(), hash: hash(path, found.size()) },
            }
        } else {
            return Ok(None);
        };
        Ok(Some(Self { kind, mode: found.mode() & 0o7777, modified: stamp.modified, stamp }))
    }

    /// Whether somebody who runs or builds it could tell the two apart: not by times alone.
    pub fn is_like(&self, other: &Self) -> bool {
        let kinds = match (&self.kind, &other.kind) {
            (Kind::File { hash: None, size }, Kind::File { hash: None, size: others }) => {
                size == others && self.modified == other.modified
            }
            (one, other) => one == other,
        };
        kinds && self.mode == other.mode
    }

    /// Whether it is the same folder, and not another one of that name.
    pub(super) fn is_same_folder(&self, other: &Self) -> bool {
        let both = self.kind == Kind::Folder && other.kind == Kind::Folder;
        both && (self.stamp.device, self.stamp.inode) == (other.stamp.device, other.stamp.inode)
    }
}

impl Change {
    /// Something that a program can tell, and not only its times.
    pub fn matters(&self) -> bool {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => !before.is_like(after),
            (None, None) => false,
            _ => true,
        }
    }

    /// It is about a file or a link, now or before.
    pub fn is_of_a_file(&self) -> bool {
        [&self.before, &self.after].into_iter().flatten().any(|entry| entry.kind != Kind::Folder)
    }
}

/// Adds what changed later.
pub fn merge(earlier: &mut Changes, later: Changes) {
    for (path, change) in later {
        let before = match earlier.remove(&path) {
            Some(known) => known.before,
            None => change.before,
        };
        let same = match (&before, &change.after) {
            (None, None) => true,
            (Some(before), Some(after)) => before.is_like(after) && before.modified == after.modified,
            _ => false,
        };
        if !same {
            earlier.insert(path, Change { before, after: change.after });
        }
    }
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        let ns = |seconds: i64, ns: i64| i128::from(seconds) * 1_000_000_000 + i128::from(ns);
        Self {
            size: found.size(),
            modified: ns(found.mtime(), found.mtime_nsec()),
            changed: ns(found.ctime(), found.ctime_nsec()),
            device: found.dev(),
            inode: found.ino(),
            looked: now(),
        }
    }

    /// Neither the contents nor the file behind the name can have changed between the two.
    fn says_the_same(&self, later: &Self) -> bool {
        let settled = self.changed + COARSE_NS < self.looked;
        settled && Self { looked: 0, ..*self } == Self { looked: 0, ..*later }
    }
}

fn now() -> i128 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(i128::MAX))
}

/// None where it can't be read, or should not.
fn hash(path: &Path, size: u64) -> Option<blake3::Hash> {
    if size > LARGE {
        return None;
    }
    let mut file = std::fs::File::open(path).ok()?;
    let mut hasher = blake3::Hasher::new();
    let mut bytes = vec![0; READ.min(usize::try_from(size).unwrap_or(READ) + 1)];
    // It may grow while it is read; who writes to it is heard of again.
    let mut left = LARGE;
    loop {
        let read = match file.read(&mut bytes) {
            Ok(0) => return Some(hasher.finalize()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return None,
        };
        hasher.update(bytes.get(..read).unwrap_or_default());
        left = left.checked_sub(read as u64)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(paths: &[&str]) -> Tree {
        let mut tree = Tree::default();
        let folder = tempfile::tempdir().unwrap();
        let entry = Entry::look(folder.path(), None, false).unwrap().unwrap();
        for path in paths {
            tree.put(Path::new(path), entry.clone());
        }
        tree
    }

    #[test]
    fn names_that_begin_alike_are_not_taken_for_what_is_below() {
        let tree = tree(&["a", "a/b", "a/b/c", "a.b", "a-b", "ab", "b"]);
        let below: Vec<_> = tree.below(Path::new("a")).map(|(path, _)| path.to_str().unwrap()).collect();
        assert_eq!(below, ["a", "a/b", "a/b/c"]);
        assert_eq!(tree.in_folder(Path::new("a")), [Path::new("a/b")]);
        let top = tree.in_folder(Path::new(""));
        assert_eq!(top.len(), 5, "{top:?}");
    }

    #[test]
    fn a_file_written_with_the_same_bytes_has_not_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let look = |known: Option<&Entry>| Entry::look(&path, known, false).unwrap().unwrap();
        std::fs::write(&path, "one").unwrap();
        let first = look(None);
        std::fs::write(&path, "one").unwrap();
        assert!(first.is_like(&look(Some(&first))));
        // The same length, and perhaps within the same tick of the file system's clock.
        std::fs::write(&path, "two").unwrap();
        assert!(!first.is_like(&look(Some(&first))));
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        assert!(!first.is_like(&look(None)));
    }

    #[test]
    fn what_came_and_went_again_is_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let entry = Entry::look(folder.path(), None, false).unwrap();
        let mut all = Changes::new();
        let change = |before: &Option<Entry>, after: &Option<Entry>| {
            [(PathBuf::from("a"), Change { before: before.clone(), after: after.clone() })].into()
        };
        merge(&mut all, change(&None, &entry));
        assert_eq!(all.len(), 1);
        merge(&mut all, change(&entry, &None));
        assert!(all.is_empty(), "{all:?}");
    }
}
