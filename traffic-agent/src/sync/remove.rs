//! Removes folders with all that is in them, without following a link.

use std::{
    collections::HashSet,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{AtFlags, Mode, OFlags, RawDir, fstat, openat, unlinkat},
    io::Errno,
};
use tunnel::sync::{MAX_DEPTH, Path, tree::split};

use super::{
    disk::{self, Disk},
    fault::Fault,
};

/// Names that are read at a time, in bytes; one such buffer for each folder on the way down.
const NAMES: usize = 8 << 10;
/// Some file systems leave names out while others are removed.
const PASSES: usize = 3;

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Removed {
    /// Nothing has the name any more.
    All,
    /// What was to be kept is there, and the folders that it is in.
    Rest,
}

impl Disk {
    /// Removes what has the name, but neither the paths in `kept` nor what they are in. Goes on after a failure, and tells the
    /// first one.
    pub(super) fn remove(&mut self, path: &[u8], kept: &HashSet<&[u8]>) -> Result<Removed, (Path, Fault)> {
        let (folder, name) = split(path);
        let folder = match self.folder(folder) {
            Ok(folder) => folder,
            Err(fault) if fault.absent() => return Ok(Removed::All),
            Err(fault) => return Err((path.to_vec(), fault)),
        };
        let device = match fstat(folder) {
            Ok(stat) => stat.st_dev,
            Err(errno) => return Err((path.to_vec(), Fault::new("stat", errno))),
        };
        let mut removal =
            Removal { kept, device, path: path.to_vec(), depth: 0, first: None, folders: false };
        let removed = removal.entry(folder, name);
        let Removal { first, folders, .. } = removal;
        if folders {
            self.forget();
        }
        match first {
            Some(first) => Err(first),
            None => Ok(if removed { Removed::All } else { Removed::Rest }),
        }
    }
}

struct Removal<'a> {
    kept: &'a HashSet<&'a [u8]>,
    device: u64,
    /// What is being removed.
    path: Path,
    depth: usize,
    first: Option<(Path, Fault)>,
    /// A folder was opened, so what the disk has open may be gone.
    folders: bool,
}

impl Removal<'_> {
    /// Whether nothing has the name any more.
    fn entry(&mut self, folder: BorrowedFd<'_>, name: &[u8]) -> bool {
        let keep = self.kept.contains(self.path.as_slice());
        let mut refused = Errno::ISDIR;
        if !keep {
            match unlinkat(folder, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => return true,
                // POSIX has EPERM for a folder, and some file systems keep to it.
                Err(errno @ (Errno::ISDIR | Errno::PERM)) => refused = errno,
                Err(errno) => return self.fails("unlink", errno),
            }
        }
        self.folders = true;
        let (below, old) = match open(folder, name) {
            Ok(opened) => opened,
            // Kept, and no folder.
            Err(Errno::NOTDIR | Errno::LOOP | Errno::NOENT) if keep => return false,
            Err(Errno::NOTDIR | Errno::LOOP) => return self.fails("unlink", refused),
            Err(errno) => return self.fails("open", errno),
        };
        let whole = self.inside(&below);
        if whole && !keep {
            match unlinkat(folder, name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => return true,
                Err(errno) => self.fails("rmdir", errno),
            };
        }
        if let Some(mode) = old
            && let Ok(stat) = fstat(&below)
        {
            let _ = disk::chmod(&below, &stat, mode);
        }
        false
    }

    /// Whether nothing is left in a folder.
    fn inside(&mut self, folder: &OwnedFd) -> bool {
        match fstat(folder) {
            // What is mounted here is not the folder's: a volume keeps its files.
            Ok(stat) if stat.st_dev != self.device => return self.fails("unlink", Errno::XDEV),
            Err(errno) => return self.fails("stat", errno),
            Ok(_) if self.depth >= 2 * MAX_DEPTH => return self.fails("open", Errno::NAMETOOLONG),
            Ok(_) => {}
        }
        self.depth += 1;
        let mut whole = false;
        for _ in 0..PASSES {
            match self.pass(folder) {
                Ok(Pass { left, removed }) => {
                    whole = !left;
                    if left || !removed {
                        break;
                    }
                }
                Err(errno) => {
                    whole = self.fails("getdents", errno);
                    break;
                }
            }
        }
        self.depth -= 1;
        whole
    }

    fn pass(&mut self, folder: &OwnedFd) -> Result<Pass, Errno> {
        // Opened anew: reading starts at the front.
        let again = disk::list(folder, b".")?;
        let mut buffer = Vec::with_capacity(NAMES);
        let mut names = RawDir::new(again, buffer.spare_capacity_mut());
        let mut pass = Pass { left: false, removed: false };
        while let Some(entry) = names.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let length = self.path.len();
            self.path.push(b'/');
            self.path.extend_from_slice(name);
            if self.entry(folder.as_fd(), name) {
                pass.removed = true;
            } else {
                pass.left = true;
            }
            self.path.truncate(length);
        }
        Ok(pass)
    }

    /// Never removed.
    fn fails(&mut self, doing: &'static str, errno: Errno) -> bool {
        self.first.get_or_insert_with(|| (self.path.clone(), Fault::new(doing, errno)));
        false
    }
}

/// What was done in a folder.
struct Pass {
    left: bool,
    removed: bool,
}

/// Opens a folder so that what is in it can be removed; its owner may do that, whatever its mode was. Gives that if it was
/// changed.
fn open(folder: BorrowedFd<'_>, name: &[u8]) -> Result<(OwnedFd, Option<u32>), Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = openat(folder, name, flags, Mode::empty())?;
    let stat = fstat(&handle)?;
    let mode = disk::permissions(&stat);
    let changed = mode & 0o700 != 0o700 && disk::chmod(&handle, &stat, mode | 0o700).is_ok();
    Ok((disk::list(&handle, b".")?, changed.then_some(mode)))
}
