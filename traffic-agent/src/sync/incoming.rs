//! The file that is being received.

use std::{fs::File, io::Write as _, os::unix::fs::FileExt as _};

use rustix::fs::{Mode, fchmod, futimens};
use tunnel::sync::{Hash, Meta, Path};

use super::{
    batch::Item,
    disk::{self, Disk, PERMISSIONS},
    fault::{Doing as _, Fault},
    staging::{Staged, Staging},
};

/// Where the stream is between the beginning of a file and its end.
#[derive(Debug)]
pub(super) enum Incoming {
    /// No file was begun.
    None,
    /// It is written.
    Open(Box<Receiving>),
    /// It failed: what still comes of it is not wanted.
    Failed,
}

/// A file as far as it came.
#[derive(Debug)]
pub(super) struct Receiving {
    path: Path,
    meta: Meta,
    staged: Staged,
    file: File,
    hasher: blake3::Hasher,
    size: u64,
    /// What has its name now, once something was copied from it.
    old: Option<File>,
}

impl Receiving {
    pub(super) fn begin(path: Path, meta: Meta, staging: &mut Staging) -> Result<Self, (Path, Fault)> {
        match staging.file() {
            Ok((staged, file)) => {
                Ok(Self { path, meta, staged, file, hasher: blake3::Hasher::new(), size: 0, old: None })
            }
            Err(fault) => Err((path, fault)),
        }
    }

    pub(super) fn data(&mut self, data: &[u8]) -> Result<(), Fault> {
        self.size = self.size.saturating_add(data.len() as u64);
        // It would fail at its end anyway, but not before the disk is full.
        if self.size > self.meta.size {
            return Err(Fault::contents("size"));
        }
        self.hasher.update(data);
        self.file.write_all(data).doing("write")
    }

    /// Takes `length` bytes at `offset` from the file that has the name now. `more` is asked between parts of it.
    pub(super) fn copy(
        &mut self,
        disk: &mut Disk,
        (mut offset, mut length): (u64, u64),
        buffer: &mut [u8],
        more: impl Fn() -> bool,
    ) -> Result<(), Fault> {
        let old = match self.old.take() {
            Some(old) => old,
            None => disk.read(&self.path)?.0,
        };
        while length > 0 && more() {
            let part = buffer.len().min(usize::try_from(length).unwrap_or(usize::MAX));
            let part = buffer.get_mut(..part).unwrap_or_default();
            let read = old.read_at(part, offset).doing("read")?;
            if read == 0 {
                return Err(Fault::contents("copy"));
            }
            self.data(part.get(..read).unwrap_or_default())?;
            // An offset that is too large was beyond the end.
            offset = offset.saturating_add(read as u64);
            length -= read as u64;
        }
        self.old = Some(old);
        Ok(())
    }

    /// All of it came: what the commit puts in its place.
    pub(super) fn end(self, hash: Hash, staging: &Staging) -> Result<Item, (Path, Fault)> {
        match self.complete(hash) {
            Ok((mode, hash)) => Ok(Item::File { path: self.path, staged: self.staged, mode, hash }),
            Err(fault) => {
                staging.discard(&self.staged);
                Err((self.path, fault))
            }
        }
    }

    fn complete(&self, hash: Hash) -> Result<(u32, Hash), Fault> {
        if self.size != self.meta.size {
            return Err(Fault::contents("size"));
        }
        let measured = *self.hasher.finalize().as_bytes();
        if measured != hash {
            return Err(Fault::contents("hash"));
        }
        let mode = self.meta.mode & PERMISSIONS;
        fchmod(&self.file, Mode::from_raw_mode(mode)).doing("chmod")?;
        futimens(&self.file, &disk::times(self.meta.modified)).doing("utimensat")?;
        Ok((mode, measured))
    }

    /// It is not wanted any more.
    pub(super) fn discard(self, staging: &Staging) -> Path {
        staging.discard(&self.staged);
        self.path
    }
}
