//! From paths to what is sent: reads files and cuts them, on a thread of its own.
//!
//! The hash that is sent is that of the bytes that were read, whatever the watch engine saw before: a file that is being
//! written is sent as it was at some moment, and again when it has changed.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;
use tunnel::sync::tree::Leaf;
use tunnel::sync::{Hash, MAX_DATA, MAX_DEPTH, Meta, STAGING, ToPod, chunks};

use crate::watch::tree::{Entry, Kind};

/// Files of one commit: what a pod that is met for the first time has got is not sent again when the way to it is lost.
const COMMIT_FILES: usize = 2_000;
/// Their bytes.
const COMMIT_BYTES: u64 = 32 << 20;
/// All paths of one commit; the other end takes 100,000, and 16 MiB of their names.
const COMMIT_ITEMS: usize = 3_500;

/// Something that a pod lacks.
#[derive(Debug, Clone)]
pub(super) enum Item {
    /// It has this already; what it is, as the laptop has it.
    Keep(PathBuf, Leaf),
    /// A folder.
    Folder(PathBuf, u32),
    /// A link.
    Link(PathBuf, PathBuf),
    /// A file, whose contents are read.
    File {
        /// Where it is.
        path: PathBuf,
        /// The pod is known to have another one of that name.
        replaces: bool,
    },
    /// A file's mode and time; its contents are there.
    Meta(PathBuf, Meta, Hash),
    /// Nothing of that name.
    Remove(PathBuf),
}

impl Item {
    /// What an entry is to be in the pod.
    pub(super) fn of(path: &Path, entry: &Entry) -> Self {
        match &entry.kind {
            Kind::Folder => Self::Folder(path.to_owned(), permissions(entry.mode)),
            Kind::Link { to } => Self::Link(path.to_owned(), to.clone()),
            Kind::File { .. } => Self::File { path: path.to_owned(), replaces: false },
        }
    }
}

impl Item {
    /// The pod's end refuses what no code has: very deep folders, and the place where it keeps unfinished files.
    fn can_travel(&self) -> bool {
        let (Self::Keep(path, _)
        | Self::Folder(path, _)
        | Self::Link(path, _)
        | Self::File { path, .. }
        | Self::Meta(path, ..)
        | Self::Remove(path)) = self;
        let mut names = path.iter().map(OsStrExt::as_bytes);
        path.components().count() <= MAX_DEPTH && !names.any(|name| name.starts_with(STAGING.as_bytes()))
    }
}

/// What a pod has of a large file: where which piece is.
pub(super) type Pieces = HashMap<Hash, (u64, u64)>;

/// What is sent, and what is in the pod when it has got it.
#[derive(Debug)]
pub(super) struct Produced {
    pub(super) message: ToPod,
    pub(super) becomes: Option<(Vec<u8>, Option<Leaf>)>,
}

/// Reads `items` in `folder` and hands them on; ends early when nobody takes them any more. Blocks.
pub(super) fn produce(
    folder: &Path,
    items: &[Item],
    known: &BTreeMap<PathBuf, Arc<Pieces>>,
    generation: u64,
    to: &mpsc::Sender<Produced>,
) {
    let mut producer = Producer { folder, known, to, files: 0, bytes: 0, items: 0 };
    for item in items.iter().filter(|item| item.can_travel()) {
        if producer.item(item).is_none() {
            return;
        }
        producer.items += usize::from(!matches!(item, Item::Keep(..)));
        let full = producer.files >= COMMIT_FILES || producer.items >= COMMIT_ITEMS;
        if full || producer.bytes >= COMMIT_BYTES {
            (producer.files, producer.bytes, producer.items) = (0, 0, 0);
            if producer.send(ToPod::Commit { generation, more: true }).is_none() {
                return;
            }
        }
    }
}

struct Producer<'a> {
    folder: &'a Path,
    known: &'a BTreeMap<PathBuf, Arc<Pieces>>,
    to: &'a mpsc::Sender<Produced>,
    files: usize,
    bytes: u64,
    items: usize,
}

impl Producer<'_> {
    fn send(&self, message: ToPod) -> Option<()> {
        self.to.blocking_send(Produced { message, becomes: None }).ok()
    }

    fn becomes(&self, message: ToPod, path: &Path, leaf: Option<Leaf>) -> Option<()> {
        self.to.blocking_send(Produced { message, becomes: Some((wire(path), leaf)) }).ok()
    }

    /// None: nobody takes it.
    fn item(&mut self, item: &Item) -> Option<()> {
        match item {
            Item::Keep(path, leaf) => self.becomes(ToPod::Keep(wire(path)), path, Some(leaf.clone())),
            Item::Folder(path, mode) => {
                let message = ToPod::Folder { path: wire(path), mode: *mode };
                self.becomes(message, path, Some(Leaf::Folder { mode: *mode }))
            }
            Item::Link(path, to) => {
                let to = to.as_os_str().as_bytes().to_vec();
                let message = ToPod::Link { path: wire(path), to: to.clone() };
                self.becomes(message, path, Some(Leaf::Link { to }))
            }
            Item::Meta(path, meta, hash) => {
                let leaf = Leaf::File { mode: meta.mode, hash: *hash };
                self.becomes(ToPod::Meta { path: wire(path), meta: *meta }, path, Some(leaf))
            }
            Item::Remove(path) => self.becomes(ToPod::Remove(wire(path)), path, None),
            Item::File { path, .. } => self.file(path),
        }
    }

    fn file(&mut self, path: &Path) -> Option<()> {
        // Gone or changed into something else meanwhile: the next batch tells.
        let Some((mut file, meta)) = open(&self.folder.join(path)) else { return Some(()) };
        self.send(ToPod::File { path: wire(path), meta })?;
        self.files += 1;
        let mut hasher = blake3::Hasher::new();
        let mut left = meta.size;
        let sent = match self.known.get(path) {
            Some(pieces) => self.delta(file, pieces, &mut hasher, &mut left),
            None => self.whole(&mut file, &mut hasher, &mut left),
        };
        // It was cut or can't be read on: it changes just now, and comes again.
        if !sent? || left > 0 {
            return self.send(ToPod::Abandon);
        }
        let hash = *hasher.finalize().as_bytes();
        self.becomes(ToPod::End { hash }, path, Some(Leaf::File { mode: meta.mode, hash }))
    }

    /// Whether all of it was read.
    fn whole(
        &mut self,
        file: &mut std::fs::File,
        hasher: &mut blake3::Hasher,
        left: &mut u64,
    ) -> Option<bool> {
        let mut buffer = vec![0; MAX_DATA.min(usize::try_from(*left).unwrap_or(MAX_DATA)).max(1)];
        // What is appended meanwhile is part of the next batch.
        let mut file = file.take(*left);
        while *left > 0 {
            let length = match file.read(&mut buffer) {
                Ok(0) => return Some(false),
                Ok(length) => length,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => return Some(false),
            };
            self.data(buffer.get(..length).unwrap_or_default(), hasher, left)?;
        }
        Some(true)
    }

    fn delta(
        &mut self,
        file: std::fs::File,
        pieces: &Pieces,
        hasher: &mut blake3::Hasher,
        left: &mut u64,
    ) -> Option<bool> {
        // Pieces that lie one behind the other are one.
        let mut run: Option<(u64, u64)> = None;
        let mut gone = false;
        let cut = chunks::cut(file.take(*left), |chunk, bytes| {
            let known = pieces.get(&chunk.hash).copied();
            if let (Some((at, length)), Some((offset, more))) = (&mut run, known)
                && *at + *length == offset
            {
                *length += more;
                hasher.update(bytes);
                *left = left.saturating_sub(more);
                return Ok(());
            }
            let before = run.take().map(|(offset, length)| self.send(ToPod::Copy { offset, length }));
            let sent = match known {
                Some((offset, length)) => {
                    run = Some((offset, length));
                    hasher.update(bytes);
                    *left = left.saturating_sub(length);
                    Some(())
                }
                None => bytes.chunks(MAX_DATA).try_for_each(|part| self.data(part, hasher, left)),
            };
            gone = before == Some(None) || sent.is_none();
            if gone { Err(std::io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
        });
        if gone {
            return None;
        }
        if let Some((offset, length)) = run {
            self.send(ToPod::Copy { offset, length })?;
        }
        Some(cut.is_ok())
    }

    fn data(&mut self, bytes: &[u8], hasher: &mut blake3::Hasher, left: &mut u64) -> Option<()> {
        hasher.update(bytes);
        *left = left.saturating_sub(bytes.len() as u64);
        self.bytes += bytes.len() as u64;
        self.send(ToPod::Data(bytes.to_vec().into()))
    }
}

/// A file and what it is, if it is one and can be read.
pub(super) fn open(path: &Path) -> Option<(std::fs::File, Meta)> {
    let mut options = std::fs::OpenOptions::new();
    let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
    let file = options.read(true).custom_flags(flags.bits()).open(path).ok()?;
    let found = file.metadata().ok()?;
    let modified = i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec());
    let meta = Meta { mode: permissions(found.mode()), modified: nanoseconds(modified), size: found.size() };
    found.is_file().then_some((file, meta))
}

/// The hash of a file's contents, if it can be read.
pub(super) fn hash(path: &Path) -> Option<Hash> {
    let (file, _) = open(path)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file).ok()?;
    Some(*hasher.finalize().as_bytes())
}

/// A path as it travels.
pub(super) fn wire(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

/// A path that has travelled.
pub(super) fn path(wire: &[u8]) -> PathBuf {
    std::ffi::OsString::from_vec(wire.to_vec()).into()
}

/// What of a mode another user can have: no set-user-id and the like.
pub(super) fn permissions(mode: u32) -> u32 {
    mode & 0o777
}

/// Times that no file has are cut.
pub(super) fn nanoseconds(modified: i128) -> i64 {
    i64::try_from(modified).unwrap_or(if modified < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn produced(folder: &Path, item: Item, known: &BTreeMap<PathBuf, Arc<Pieces>>) -> Vec<Produced> {
        let (to, mut from) = mpsc::channel(4096);
        produce(folder, &[item], known, 1, &to);
        drop(to);
        std::iter::from_fn(|| from.try_recv().ok()).collect()
    }

    #[test]
    fn of_a_large_file_only_what_the_pod_lacks_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = vec![0; 4 << 20];
        getrandom::fill(&mut bytes).unwrap();
        let mut pieces = Pieces::new();
        let mut at = 0;
        chunks::cut(&bytes[..], |chunk, _| {
            pieces.insert(chunk.hash, (at, u64::from(chunk.length)));
            at += u64::from(chunk.length);
            Ok(())
        })
        .unwrap();
        let old = bytes.clone();
        bytes.splice(2_000_000..2_000_000, *b"more");
        std::fs::write(folder.path().join("a"), &bytes).unwrap();
        let known = BTreeMap::from([(PathBuf::from("a"), Arc::new(pieces))]);
        let (mut made, mut sent) = (Vec::new(), 0);
        for one in produced(folder.path(), Item::File { path: "a".into(), replaces: true }, &known) {
            match one.message {
                ToPod::Data(data) => {
                    sent += data.len();
                    made.extend_from_slice(&data);
                }
                ToPod::Copy { offset, length } => {
                    made.extend_from_slice(&old[offset as usize..(offset + length) as usize]);
                }
                ToPod::End { hash } => assert_eq!(&hash, blake3::hash(&bytes).as_bytes()),
                _ => {}
            }
        }
        assert!(made == bytes && sent < 600_000, "{sent}");
    }

    #[test]
    fn what_is_no_file_any_more_is_left_to_the_next_batch() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("a")).unwrap();
        assert!(
            produced(folder.path(), Item::File { path: "a".into(), replaces: true }, &BTreeMap::new())
                .is_empty()
        );
        assert!(
            produced(folder.path(), Item::File { path: "b".into(), replaces: false }, &BTreeMap::new())
                .is_empty()
        );
    }
}
