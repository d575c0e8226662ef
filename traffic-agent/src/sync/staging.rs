//! Where files wait for their commit: a folder in the one that is synced, so that they get their names by rename(2) and
//! nobody ever sees half a file.
//!
//! It is this stream's alone: a lock keeps another one of the same folder waiting, whose laptop may have come back while
//! this one still finishes. What is in it goes when the stream ends, or else when the next one begins.

use std::{
    fs::File,
    io::{self, Write as _},
    os::fd::{AsFd, OwnedFd},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{
        AtFlags, FileType, FlockOperation, Mode, OFlags, RawDir, flock, fstat, futimens, mkdirat, openat,
        readlinkat, renameat, statat, symlinkat, unlinkat,
    },
    io::Errno,
};
use tracing::debug;

use super::{
    disk,
    fault::{Doing as _, Fault},
};

/// Its name. No path of a laptop begins with it.
pub(super) const NAME: &[u8] = tunnel::sync::STAGING.as_bytes();
/// How long another stream of the same folder may take to end.
const WAIT: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);
/// Names that are read at a time.
const NAMES: usize = 16 << 10;

/// The folder.
#[derive(Debug)]
pub(super) struct Staging {
    top: OwnedFd,
    folder: OwnedFd,
    next: u64,
}

/// Something in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Staged(u64);

impl Staging {
    /// Makes it in `top`, empty; waits for its lock as long as `waits` says so.
    pub(super) fn open(top: OwnedFd, waits: impl Fn() -> bool) -> Result<Self, Fault> {
        let folder = lock(&top, waits)?;
        let staging = Self { top, folder, next: 0 };
        staging.empty();
        Ok(staging)
    }

    /// Finds out whether files can be written now: before the first byte, not after the last.
    pub(super) fn probe(&mut self) -> Result<(), Fault> {
        const PROBE: &[u8] = b".devbridge-sync.probe";
        let (staged, mut file) = self.file()?;
        let written = file.write_all(b"devbridge\n").and_then(|()| file.sync_data()).doing("write");
        if let Err(fault) = written {
            self.discard(&staged);
            return Err(fault);
        }
        self.place(&staged, &self.top, PROBE).inspect_err(|_| self.discard(&staged)).doing("rename")?;
        unlinkat(&self.top, PROBE, AtFlags::empty()).doing("unlink")
    }

    /// A new file that only its owner may read.
    pub(super) fn file(&mut self) -> Result<(Staged, File), Fault> {
        let staged = self.next();
        let file = create(&self.folder, staged.name().as_bytes()).doing("create")?;
        Ok((staged, file))
    }

    /// A new link.
    pub(super) fn link(&mut self, to: &[u8]) -> Result<Staged, Fault> {
        let staged = self.next();
        symlinkat(to, &self.folder, staged.name()).doing("symlink")?;
        Ok(staged)
    }

    /// Gives it its name, in the place of a file or link that has it.
    pub(super) fn place(&self, staged: &Staged, folder: impl AsFd, name: &[u8]) -> Result<(), Errno> {
        match renameat(&self.folder, staged.name(), &folder, name) {
            // Another file system is mounted on the way.
            Err(Errno::XDEV) => self.carry(staged, folder, name),
            done => done,
        }
    }

    /// As [`Self::place`], onto another file system. Takes a name there that the laptop would not use.
    pub(super) fn carry(&self, staged: &Staged, folder: impl AsFd, name: &[u8]) -> Result<(), Errno> {
        let waiting = [NAME, b".", staged.name().as_bytes()].concat();
        let folder = folder.as_fd();
        let carried = match readlinkat(&self.folder, staged.name(), Vec::new()) {
            Ok(to) => symlinkat(to.as_c_str(), folder, waiting.as_slice()),
            Err(_) => self.copy(staged, folder, &waiting),
        };
        let carried = carried.and_then(|()| renameat(folder, waiting.as_slice(), folder, name));
        if carried.is_ok() {
            self.discard(staged);
        } else {
            let _ = unlinkat(folder, waiting.as_slice(), AtFlags::empty());
        }
        carried
    }

    fn copy(&self, staged: &Staged, folder: impl AsFd, name: &[u8]) -> Result<(), Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut from = File::from(openat(&self.folder, staged.name(), flags, Mode::empty())?);
        let mut to = create(folder, name)?;
        io::copy(&mut from, &mut to).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        let stat = fstat(&from)?;
        rustix::fs::fchmod(&to, Mode::from_raw_mode(disk::permissions(&stat)))?;
        futimens(&to, &disk::times(disk::modified(&stat)))
    }

    /// It will not be needed.
    pub(super) fn discard(&self, staged: &Staged) {
        if let Err(error) = unlinkat(&self.folder, staged.name(), AtFlags::empty()) {
            debug!(%error, "a staged file stays until the end");
        }
    }

    fn next(&mut self) -> Staged {
        self.next += 1;
        Staged(self.next)
    }

    /// Removes files and links in it. Only such are ever put there.
    fn empty(&self) {
        let mut buffer = Vec::with_capacity(NAMES);
        let Ok(folder) = disk::list(&self.folder, b".") else { return };
        let mut names = RawDir::new(folder, buffer.spare_capacity_mut());
        while let Some(Ok(entry)) = names.next() {
            if !matches!(entry.file_name().to_bytes(), b"." | b"..")
                && matches!(entry.file_type(), FileType::RegularFile | FileType::Symlink | FileType::Unknown)
            {
                let _ = unlinkat(&self.folder, entry.file_name(), AtFlags::empty());
            }
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        self.empty();
        if let Err(error) = unlinkat(&self.top, NAME, AtFlags::REMOVEDIR) {
            debug!(%error, "the folder for staging stays");
        }
    }
}

impl Staged {
    fn name(&self) -> String {
        self.0.to_string()
    }
}

fn create(folder: impl AsFd, name: &[u8]) -> Result<File, Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(folder, name, flags, Mode::RUSR | Mode::WUSR).map(File::from)
}

/// Makes the folder and locks it.
fn lock(top: &OwnedFd, waits: impl Fn() -> bool) -> Result<OwnedFd, Fault> {
    let began = Instant::now();
    loop {
        match mkdirat(top, NAME, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(Fault::new("mkdir", errno)),
        }
        let folder = match disk::list(top, NAME) {
            // The stream that had it has just ended.
            Err(Errno::NOENT) => continue,
            opened => opened.doing("open")?,
        };
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => {
                if !waits() || began.elapsed() > WAIT {
                    return Err(Fault::new("lock", Errno::BUSY));
                }
                thread::sleep(LOOK);
                continue;
            }
            // Some file systems have no locks; then there is mostly one stream all the same.
            Err(error) => debug!(%error, "no lock for the folder for staging"),
            Ok(()) => {}
        }
        let (mine, named) = (fstat(&folder).doing("stat")?, statat(top, NAME, AtFlags::SYMLINK_NOFOLLOW));
        // Else it was removed, and this is the lock of a folder without a name.
        if named.is_ok_and(|named| (named.st_dev, named.st_ino) == (mine.st_dev, mine.st_ino)) {
            let _ = rustix::fs::fchmod(&folder, Mode::from_raw_mode((mine.st_mode & 0o7000) | 0o700));
            return Ok(folder);
        }
    }
}
