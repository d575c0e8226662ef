//! What the laptop asks before it sends anything, and to find out whether all of it arrived.

use std::{
    io::{self, Read as _},
    os::unix::fs::FileExt as _,
};

use bytes::Bytes;
use rustix::{
    fs::{AtFlags, FileType, RawDir, Stat, fstat, readlinkat, statat},
    io::Errno,
};
use tunnel::sync::{Chunk, Found, FromPod, Hash, Kind, MAX_DATA, Meta, Path, chunks, tree::Leaf};

use super::{
    disk::{self, Disk},
    fault::{Doing as _, Ended, Fault},
    session::Answers,
    staging,
    writer::Writer,
};

/// Most entries of a folder in one answer, and most bytes of them, about: far below the longest answer.
const ENTRIES: usize = 400;
const BYTES: usize = 48 << 10;
/// What an entry takes beside its name and target.
const ENTRY: usize = 32;
/// Most pieces of a file in one answer.
const PIECES: usize = 1000;
/// Names that are read at a time, in bytes.
const NAMES: usize = 32 << 10;

impl Writer {
    /// Answers with pages; the last one comes whatever happens, since the laptop waits for it.
    pub(super) fn list(&mut self, folder: Path, out: &mut dyn Answers) -> Result<(), Ended> {
        let mut page = Page { folder, found: Vec::new(), bytes: 0 };
        if let Err(fault) = self.pages(&mut page, out)?
            && !fault.absent()
        {
            out.answer(FromPod::Failed(self.disk.trouble(&page.folder, fault)))?;
        }
        out.answer(FromPod::Listed { folder: page.folder, found: page.found, more: false })
    }

    fn pages(&mut self, page: &mut Page, out: &mut dyn Answers) -> Result<Result<(), Fault>, Ended> {
        let folder = match self.disk.list(&page.folder) {
            Ok(folder) => folder,
            Err(fault) => return Ok(Err(fault)),
        };
        let mut buffer = Vec::with_capacity(NAMES);
        let mut names = RawDir::new(&folder, buffer.spare_capacity_mut());
        while let Some(entry) = names.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(errno) => return Ok(Err(Fault::new("getdents", errno))),
            };
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") || (page.folder.is_empty() && name == staging::NAME) {
                continue;
            }
            match found(&folder, name) {
                Ok(Some(found)) => page.push(found, out)?,
                // No file, folder or link, or gone meanwhile.
                Ok(None) | Err(Errno::NOENT) => {}
                Err(errno) => return Ok(Err(Fault::new("stat", errno))),
            }
        }
        Ok(Ok(()))
    }

    pub(super) fn hash(&mut self, path: Path, out: &mut dyn Answers) -> Result<(), Ended> {
        let measured = measure(&mut self.disk, &path, &mut self.buffer, out)?.ok();
        if let Some((hash, stat)) = measured {
            self.measured.put(path.clone(), &stat, hash)?;
        }
        out.answer(FromPod::Hashed { path, hash: measured.map(|(hash, _)| hash) })
    }

    pub(super) fn chunks(&mut self, path: Path, out: &mut dyn Answers) -> Result<(), Ended> {
        let mut page: Vec<Chunk> = Vec::new();
        let mut ended = Ok(());
        if let Ok((file, _)) = self.disk.read(&path) {
            // A file that fails within is cut short; the laptop copies no more than it was told of.
            let _ = chunks::cut(file, |chunk, _| {
                page.push(chunk);
                if page.len() == PIECES {
                    let chunks = std::mem::take(&mut page);
                    ended = out.answer(FromPod::Chunked { path: path.clone(), chunks, more: true });
                } else if out.gone() {
                    ended = Err(Ended::Gone);
                }
                ended.map_err(io::Error::other)
            });
        }
        ended?;
        out.answer(FromPod::Chunked { path, chunks: page, more: false })
    }

    /// One page of a file.
    pub(super) fn read(&mut self, path: Path, offset: u64, out: &mut dyn Answers) -> Result<(), Ended> {
        match self.page(&path, offset) {
            Ok((meta, bytes)) => out.answer(FromPod::Content { path, offset, meta, bytes }),
            Err(fault) => out.answer(FromPod::Failed(self.disk.trouble(&path, fault))),
        }
    }

    fn page(&mut self, path: &[u8], offset: u64) -> Result<(Meta, Bytes), Fault> {
        let (file, _) = self.disk.read(path)?;
        let mut filled = 0;
        while let Some(free) = self.buffer.get_mut(filled..MAX_DATA).filter(|free| !free.is_empty()) {
            match file.read_at(free, offset.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).doing("read"),
            }
        }
        let bytes = Bytes::copy_from_slice(self.buffer.get(..filled).unwrap_or_default());
        // Afterwards: whoever wrote while it was read has changed what is told.
        let stat = fstat(&file).doing("stat")?;
        let size = u64::try_from(stat.st_size).unwrap_or_default();
        Ok((Meta { mode: disk::permissions(&stat), modified: disk::modified(&stat), size }, bytes))
    }

    /// What is on the disk belongs to the tree from now on.
    pub(super) fn keep(&mut self, path: &[u8]) -> Result<(), Fault> {
        let stat = self.disk.stat(path)?;
        let mode = disk::permissions(&stat);
        let leaf = match disk::kind(&stat) {
            FileType::Directory => Leaf::Folder { mode },
            FileType::Symlink => Leaf::Link { to: self.disk.link(path)? },
            FileType::RegularFile => {
                let hash = self.measured.take(path, &stat).ok_or(Fault::contents("keep"))?;
                Leaf::File { mode, hash }
            }
            _ => return Err(Fault::contents("keep")),
        };
        self.tree.put(path, leaf);
        Ok(())
    }

    pub(super) fn verify(&mut self, out: &mut dyn Answers) -> Result<(), Ended> {
        let mut files = 0;
        let Self { disk, tree, buffer, .. } = self;
        tree.each(|path, leaf| {
            if out.gone() {
                return Err(Ended::Gone);
            }
            let same = match leaf {
                Leaf::File { mode, hash } => match measure(disk, path, buffer, out)? {
                    Ok((measured, stat)) => {
                        files += 1;
                        measured == *hash && disk::permissions(&stat) == *mode
                    }
                    Err(_) => false,
                },
                Leaf::Folder { mode } => disk.stat(path).is_ok_and(|stat| {
                    disk::kind(&stat) == FileType::Directory && disk::permissions(&stat) == *mode
                }),
                Leaf::Link { to } => disk.link(path).is_ok_and(|found| found == *to),
            };
            if same { Ok(()) } else { out.answer(FromPod::Differs(path.to_vec())) }
        })?;
        out.answer(FromPod::Verified { files, root: self.root })
    }
}

/// The hash of a file's contents, and what it was before they were read.
fn measure(
    disk: &mut Disk,
    path: &[u8],
    buffer: &mut [u8],
    out: &dyn Answers,
) -> Result<Result<(Hash, Stat), Fault>, Ended> {
    let (mut file, stat) = match disk.read(path) {
        Ok(opened) => opened,
        Err(fault) => return Ok(Err(fault)),
    };
    let mut hasher = blake3::Hasher::new();
    loop {
        if out.gone() {
            return Err(Ended::Gone);
        }
        match file.read(buffer) {
            Ok(0) => return Ok(Ok((*hasher.finalize().as_bytes(), stat))),
            Ok(read) => _ = hasher.update(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Ok(Err(error).doing("read")),
        }
    }
}

/// One answer to a question for a folder.
struct Page {
    folder: Path,
    found: Vec<Found>,
    bytes: usize,
}

impl Page {
    fn push(&mut self, found: Found, out: &mut dyn Answers) -> Result<(), Ended> {
        self.bytes += ENTRY + found.name.len() + if let Kind::Link(to) = &found.kind { to.len() } else { 0 };
        self.found.push(found);
        if self.found.len() < ENTRIES && self.bytes < BYTES {
            return Ok(());
        }
        self.bytes = 0;
        let found = std::mem::take(&mut self.found);
        out.answer(FromPod::Listed { folder: self.folder.clone(), found, more: true })
    }
}

/// What has a name in a folder; none for what can't be synced.
fn found(folder: &std::os::fd::OwnedFd, name: &[u8]) -> Result<Option<Found>, Errno> {
    let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let kind = match disk::kind(&stat) {
        FileType::Directory => Kind::Folder,
        FileType::RegularFile => Kind::File(u64::try_from(stat.st_size).unwrap_or_default()),
        FileType::Symlink => Kind::Link(readlinkat(folder, name, Vec::new())?.into_bytes()),
        _ => return Ok(None),
    };
    let (mode, modified) = (disk::permissions(&stat), disk::modified(&stat));
    Ok(Some(Found { name: name.to_vec(), kind, mode, modified }))
}
