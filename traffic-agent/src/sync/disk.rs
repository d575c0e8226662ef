//! The folder in the container, opened component by component.
//!
//! Other processes write in it at the same time and may put a link in the place of any folder. So no path of more than one
//! component is ever given to the kernel, and no link is followed. openat2(2) would do this in one call, but seccomp profiles
//! of some runtimes block it.

use std::{
    fs::File,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{
        AtFlags, CWD, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_OMIT, chmodat, fstat, openat,
        readlinkat, statat, utimensat,
    },
    io::Errno,
    process::geteuid,
};
use tunnel::sync::{Path, Trouble, tree::split};

use super::fault::{Doing as _, Fault};

/// How folders on the way are opened. Neither needs the right to list them.
const STEP: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Permission bits as they are compared and sent.
pub(super) const PERMISSIONS: u32 = 0o777;

/// The folder.
#[derive(Debug)]
pub(super) struct Disk {
    top: OwnedFd,
    /// The one that was opened last: what comes next is mostly in it, or below it.
    last: Option<(Path, OwnedFd)>,
}

impl Disk {
    pub(super) fn new(top: OwnedFd) -> Self {
        Self { top, last: None }
    }

    /// Other processes may have moved what was opened.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    /// Opens a folder, for its entries only.
    pub(super) fn folder(&mut self, path: &[u8]) -> Result<BorrowedFd<'_>, Fault> {
        if path.is_empty() {
            return Ok(self.top.as_fd());
        }
        if self.last.as_ref().is_none_or(|(last, _)| last != path) {
            let below = self.last.take().and_then(|(last, fd)| {
                let rest = path.strip_prefix(last.as_slice())?.strip_prefix(b"/")?;
                Some((rest, fd))
            });
            let (rest, mut at) = match below {
                Some((rest, fd)) => (rest, Some(fd)),
                None => (path, None),
            };
            for name in rest.split(|byte| *byte == b'/') {
                let from = at.as_ref().unwrap_or(&self.top);
                at = Some(openat(from, name, STEP, Mode::empty()).doing("open")?);
            }
            self.last = at.map(|fd| (path.to_vec(), fd));
        }
        Ok(self.last.as_ref().map_or(self.top.as_fd(), |(_, fd)| fd.as_fd()))
    }

    /// What is there, links not followed.
    pub(super) fn stat(&mut self, path: &[u8]) -> Result<Stat, Fault> {
        let (folder, name) = split(path);
        let folder = self.folder(folder)?;
        if name.is_empty() { fstat(folder) } else { statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) }
            .doing("stat")
    }

    /// Where a link leads, as it is written.
    pub(super) fn link(&mut self, path: &[u8]) -> Result<Vec<u8>, Fault> {
        let (folder, name) = split(path);
        let to = readlinkat(self.folder(folder)?, name, Vec::new()).doing("readlink")?;
        Ok(to.into_bytes())
    }

    /// Opens a file to read it, and tells what it was then. Never blocks: a pipe is no file.
    pub(super) fn read(&mut self, path: &[u8]) -> Result<(File, Stat), Fault> {
        let (folder, name) = split(path);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let name = if name.is_empty() { b"." } else { name };
        let fd = openat(self.folder(folder)?, name, flags, Mode::empty()).doing("open")?;
        let stat = fstat(&fd).doing("stat")?;
        match kind(&stat) {
            FileType::RegularFile => Ok((fd.into(), stat)),
            FileType::Directory => Err(Fault::new("open", Errno::ISDIR)),
            _ => Err(Fault::new("open", Errno::NXIO)),
        }
    }

    /// Opens a folder to list it.
    pub(super) fn list(&mut self, path: &[u8]) -> Result<OwnedFd, Fault> {
        let (folder, name) = split(path);
        list(self.folder(folder)?, if name.is_empty() { b"." } else { name }).doing("open")
    }

    /// Opens a file that is not read, and tells what it is.
    pub(super) fn handle(&mut self, path: &[u8]) -> Result<(OwnedFd, Stat), Fault> {
        let (folder, name) = split(path);
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(self.folder(folder)?, name, flags, Mode::empty()).doing("open")?;
        let stat = fstat(&fd).doing("stat")?;
        Ok((fd, stat))
    }

    /// As the laptop is told of it: with who owns the folder that it happened in, or the nearest above that is there.
    pub(super) fn trouble(&mut self, path: &[u8], fault: Fault) -> Trouble {
        let mut at = split(path).0;
        let owner = loop {
            match self.folder(at).and_then(|folder| fstat(folder).doing("stat")) {
                Ok(stat) => break Some((stat.st_uid, stat.st_gid)),
                Err(_) if at.is_empty() => break None,
                Err(_) => at = split(at).0,
            }
        };
        trouble(path, fault, owner)
    }
}

/// As the laptop is told of it.
pub(super) fn trouble(path: &[u8], fault: Fault, owner: Option<(u32, u32)>) -> Trouble {
    let Fault { doing, errno } = fault;
    Trouble { path: path.to_vec(), doing: doing.to_owned(), errno, uid: geteuid().as_raw(), owner }
}

/// Opens a folder to list it.
pub(super) fn list(folder: impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(folder, name, flags, Mode::empty())
}

pub(super) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Permission bits.
pub(super) fn permissions(stat: &Stat) -> u32 {
    stat.st_mode & PERMISSIONS
}

/// Time of the last change, in nanoseconds since 1970.
pub(super) fn modified(stat: &Stat) -> i64 {
    let nanos = i64::try_from(stat.st_mtime_nsec).unwrap_or_default();
    stat.st_mtime.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// Sets the time of the last change alone.
pub(super) fn times(modified: i64) -> Timestamps {
    let (seconds, nanos) = (modified.div_euclid(1_000_000_000), modified.rem_euclid(1_000_000_000));
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: nanos },
    }
}

/// Gives a file or folder new permission bits. What the folder was given beside them (a group that is inherited) stays.
pub(super) fn chmod(fd: impl AsFd, stat: &Stat, mode: u32) -> Result<(), Errno> {
    let special = if kind(stat) == FileType::Directory { stat.st_mode & 0o7000 } else { 0 };
    chmodat(CWD, this(&fd), Mode::from_raw_mode(special | (mode & PERMISSIONS)), AtFlags::empty())
}

/// Sets the time of the last change of a file.
pub(super) fn touch(fd: impl AsFd, modified: i64) -> Result<(), Errno> {
    utimensat(CWD, this(&fd), &times(modified), AtFlags::empty())
}

/// A descriptor that was opened without the right to read can be changed under this name alone: what fchmod(2) refuses.
fn this(fd: &impl AsFd) -> String {
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd())
}
