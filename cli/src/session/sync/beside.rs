//! Where a file of the pod's goes on the laptop: beside what is there, never over it.
//!
//! The pod's word is not trusted. Its paths are opened component by component and no link is followed, so nothing outside the
//! folder is read or written; its contents take the place only of what an earlier pull of the same session has written.
//! What would be in the way goes aside, into a folder of the session's own.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, Stat, Timespec, Timestamps, UTIME_OMIT, fchmod, fstat,
    futimens, linkat, mkdirat, openat, renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;
use tunnel::sync::{Hash, MAX_DEPTH, MAX_PATH, Meta};

use super::items::{path, permissions, wire};
use super::scope::UNFINISHED;

/// Larger ones stay in the pod.
pub(super) const LARGEST: u64 = 64 << 20;
/// Longest name in a folder (NAME_MAX of linux/limits.h).
const MAX_NAME: usize = 255;
/// Tries where somebody else puts files into the same place at the same time.
const TRIES: usize = 8;
/// How folders are opened. Neither needs the right to list them.
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// What the pod has.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) meta: Meta,
    pub(super) bytes: Vec<u8>,
}

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// The laptop has the same.
    Same,
    /// It is in its place, and has this hash.
    Written(Hash),
    /// Something else has its place; it is here.
    Aside(PathBuf),
}

/// A name of the pod's in a folder that was checked before; none: it is no name, or too long or too deep.
pub(super) fn below(folder: &Path, name: &[u8]) -> Option<PathBuf> {
    let is_name = !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/') && !name.contains(&0);
    let at = folder.join(path(name));
    let fits = name.len() <= MAX_NAME && wire(&at).len() <= MAX_PATH && at.components().count() <= MAX_DEPTH;
    (is_name && fits).then_some(at)
}

/// Where files of the session `id` go aside; none: this user has no home.
pub(super) fn aside(id: &str) -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::home_dir().filter(|home| home.is_absolute());
    let state = state.or_else(|| home().map(|home| home.join(".local/state")));
    state.map(|state| state.join("devbridge/pulled").join(id))
}

/// Puts a file into `folder`, or into `aside` where something else has its place. `ours`: what an earlier pull wrote there.
/// Blocks.
pub(super) fn place(
    folder: &Path,
    aside: Option<&Path>,
    file: &Path,
    new: &Contents,
    ours: Option<Hash>,
) -> io::Result<Placed> {
    let hash = *blake3::hash(&new.bytes).as_bytes();
    let top = openat(CWD, folder, FOLDER, Mode::empty())?;
    if let Some(placed) = inside(&top, file, new, hash, ours)? {
        return Ok(placed);
    }
    let none =
        || io::Error::other("something else is in its place, and neither XDG_STATE_HOME nor HOME is set");
    let aside = aside.ok_or_else(none)?;
    // For this user alone: what the pod has may be secret, whatever its mode is.
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(aside)?;
    let top = openat(CWD, aside, FOLDER, Mode::empty())?;
    let (above, name) = parent(&top, file)?;
    let staged = Staged::write(above.as_fd(), new)?;
    // All that is there is this session's.
    renameat(&above, &staged.name, &above, name)?;
    staged.placed();
    Ok(Placed::Aside(aside.join(file)))
}

/// None: something has its place, or that of a folder which it is to be in.
fn inside(
    top: &OwnedFd,
    file: &Path,
    new: &Contents,
    hash: Hash,
    ours: Option<Hash>,
) -> io::Result<Option<Placed>> {
    let (above, name) = match parent(top, file) {
        Err(Errno::NOTDIR | Errno::LOOP) => return Ok(None),
        found => found?,
    };
    for _ in 0..TRIES {
        let there = match statat(&above, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => None,
            found => Some(found?),
        };
        let has = there.and_then(|there| contents(&above, name, &there));
        let done = match (there, has) {
            (Some(_), Some(has)) if has == hash => return Ok(Some(Placed::Same)),
            (Some(_), Some(has)) if Some(has) == ours => replace(above.as_fd(), name, new, has),
            (Some(_), _) => return Ok(None),
            (None, _) => put(above.as_fd(), name, new),
        };
        match done {
            Ok(true) => return Ok(Some(Placed::Written(hash))),
            Ok(false) => return Ok(None),
            // Somebody else has put something there, or taken it away: looked at again.
            Err(Errno::EXIST | Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(None)
}

/// Where nothing is; [`Errno::EXIST`]: something is.
fn put(above: BorrowedFd<'_>, name: &[u8], new: &Contents) -> Result<bool, Errno> {
    let staged = Staged::write(above, new)?;
    match renameat_with(above, &staged.name, above, name, RenameFlags::NOREPLACE) {
        // Not every file system knows how; a second name is refused just as surely where there is one.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            linkat(above, &staged.name, above, name, AtFlags::empty())?;
        }
        done => {
            done?;
            staged.placed();
        }
    }
    Ok(true)
}

/// In the place of a file with the hash `ours`; false: it has another one after all.
fn replace(above: BorrowedFd<'_>, name: &[u8], new: &Contents, ours: Hash) -> Result<bool, Errno> {
    let staged = Staged::write(above, new)?;
    match renameat_with(above, &staged.name, above, name, RenameFlags::EXCHANGE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            renameat(above, &staged.name, above, name)?;
            staged.placed();
            return Ok(true);
        }
        done => done?,
    }
    // What was there has the other name now: only it can tell whether somebody wrote since it was looked at.
    let old = statat(above, &staged.name, AtFlags::SYMLINK_NOFOLLOW).ok();
    if old.and_then(|old| contents(above, &staged.name, &old)) == Some(ours) {
        return Ok(true);
    }
    if let Err(errno) = renameat_with(above, &staged.name, above, name, RenameFlags::EXCHANGE) {
        // Theirs is not removed, even if it has a name that it should not have.
        staged.placed();
        return Err(errno);
    }
    Ok(false)
}

/// The hash of a file that is not larger than one that is pulled.
fn contents(above: impl AsFd, name: &[u8], there: &Stat) -> Option<Hash> {
    let is_file = |stat: &Stat| {
        FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
            && u64::try_from(stat.st_size).is_ok_and(|size| size <= LARGEST)
    };
    if !is_file(there) {
        return None;
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat(above, name, flags, Mode::empty()).ok()?;
    // It may be another one than a moment ago.
    let file = fstat(&file).is_ok_and(|stat| is_file(&stat)).then(|| File::from(file))?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(io::Read::take(file, LARGEST + 1)).ok()?;
    Some(*hasher.finalize().as_bytes())
}

/// Opens the folder that a path is in, and makes it and those above as far as they are missing.
fn parent<'a>(top: &OwnedFd, file: &'a Path) -> Result<(OwnedFd, &'a [u8]), Errno> {
    let mut names = Vec::new();
    for part in file.components() {
        match part {
            Component::Normal(name) => names.push(name.as_bytes()),
            _ => return Err(Errno::INVAL),
        }
    }
    let name = names.pop().ok_or(Errno::INVAL)?;
    let mut at = rustix::io::fcntl_dupfd_cloexec(top, 0)?;
    for folder in names {
        let open = || openat(&at, folder, FOLDER | OFlags::NOFOLLOW, Mode::empty());
        let next = match open() {
            Err(Errno::NOENT) => {
                match mkdirat(&at, folder, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(errno),
                }
                open()?
            }
            opened => opened?,
        };
        at = next;
    }
    Ok((at, name))
}

/// A complete file that has no name of its own yet; removed when dropped.
struct Staged<'a> {
    above: BorrowedFd<'a>,
    name: Vec<u8>,
}

impl<'a> Staged<'a> {
    fn write(above: BorrowedFd<'a>, new: &Contents) -> Result<Self, Errno> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|_| Errno::IO)?;
        let name = format!("{UNFINISHED}{:016x}", u64::from_ne_bytes(random)).into_bytes();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(above, &name, flags, Mode::RUSR | Mode::WUSR)?;
        let staged = Self { above, name };
        let mut file = File::from(file);
        file.write_all(&new.bytes).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        fchmod(&file, Mode::from_raw_mode(permissions(new.meta.mode)))?;
        let modified = new.meta.modified;
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec {
                tv_sec: modified.div_euclid(1_000_000_000),
                tv_nsec: modified.rem_euclid(1_000_000_000),
            },
        };
        futimens(&file, &times)?;
        Ok(staged)
    }

    /// What has the name now is not to be removed.
    fn placed(mut self) {
        self.name.clear();
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if !self.name.is_empty() {
            let _ = unlinkat(self.above, &self.name, AtFlags::empty());
        }
    }
}
