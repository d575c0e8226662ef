//! Which folders the kernel watches for us, one watch each; the others are looked at from time to time.
//!
//! One watch per folder that counts, and not one call for the whole tree: what is ignored must cost nothing. Where the
//! kernel has no watch left, or the file system belongs to another machine whose programs change files unseen, folders are
//! looked at instead, and the user is told what to change.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{FsType, statfs};
use notify::{Config, ErrorKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::hints::Sender;

/// Magic numbers of file systems that other machines write to, of linux/magic.h and the modules' own headers: NFS, SMB 1 and
/// 2, 9P (WSL), FUSE (sshfs, virtiofs), VirtualBox, AFS, Ceph.
const SHARED: [i64; 8] =
    [0x6969, 0xff53_4d42, 0xfe53_4d42, 0x0102_1997, 0x6573_5546, 0x786f_4256, 0x5346_414f, 0x00c3_6400];

/// Watched folders; absolute paths.
#[derive(Debug)]
pub(super) struct Folders {
    sender: Sender,
    watcher: Option<RecommendedWatcher>,
    /// Looked at from time to time.
    polled: BTreeSet<PathBuf>,
    why: Option<Why>,
}

/// Why folders are looked at from time to time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// This user has no watch left.
    Watches,
    /// This user has no instance of inotify left.
    Instances,
    /// Other machines write there.
    Shared,
}

impl Folders {
    pub(super) fn new(sender: Sender) -> Self {
        let mut folders = Self { sender, watcher: None, polled: BTreeSet::new(), why: None };
        folders.begin_anew();
        folders
    }

    /// Forgets all watches.
    pub(super) fn begin_anew(&mut self) {
        self.polled.clear();
        self.why = None;
        // The old one must end first: instances are few.
        self.watcher = None;
        let config = Config::default().with_follow_symlinks(false);
        match RecommendedWatcher::new(self.sender.clone(), config) {
            Ok(watcher) => self.watcher = Some(watcher),
            Err(_) => self.why = Some(Why::Instances),
        }
    }

    /// Watches a folder, but not those in it. Its contents are to be read afterwards, so that nothing is missed. One that is
    /// gone is no error: its own folder tells.
    pub(super) fn add(&mut self, folder: &Path) {
        if statfs(folder).is_ok_and(|found| is_shared(found.filesystem_type())) {
            self.polled.insert(folder.to_owned());
            self.why.get_or_insert(Why::Shared);
        }
        let Some(watcher) = &mut self.watcher else {
            self.polled.insert(folder.to_owned());
            return;
        };
        let watched = watcher.watch(folder, RecursiveMode::NonRecursive);
        if watched.is_err_and(|error| matches!(error.kind, ErrorKind::MaxFilesWatch)) {
            self.polled.insert(folder.to_owned());
            self.why = Some(Why::Watches);
        }
    }

    /// Ends the watch of a folder, or forgets that the kernel has ended it.
    pub(super) fn remove(&mut self, folder: &Path) {
        self.polled.remove(folder);
        if let Some(watcher) = &mut self.watcher {
            // The kernel was faster where the folder is gone.
            let _ = watcher.unwatch(folder);
        }
    }

    /// Folders that have to be looked at, and why.
    pub(super) fn polled(&self) -> (&BTreeSet<PathBuf>, Option<Why>) {
        (&self.polled, self.why)
    }
}

#[allow(
    clippy::cast_lossless,
    clippy::unnecessary_cast,
    reason = "the type's width is the C library's choice"
)]
fn is_shared(found: FsType) -> bool {
    // Sign-extended or not, as the C library has it.
    SHARED.contains(&(found.0 as i64 & 0xffff_ffff))
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = |name: &str| std::fs::read_to_string(format!("/proc/sys/fs/inotify/{name}"));
        let value = |name| limit(name).map_or_else(|_| "?".to_owned(), |value| value.trim().to_owned());
        match self {
            Self::Watches => write!(
                f,
                "the system's limit of {} watches is used up; to raise it: sudo sysctl fs.inotify.max_user_watches=524288",
                value("max_user_watches")
            ),
            Self::Instances => write!(
                f,
                "the system's limit of {} programs that watch is used up; to raise it: sudo sysctl \
                 fs.inotify.max_user_instances=1024",
                value("max_user_instances")
            ),
            Self::Shared => {
                f.write_str("on a file system of the network the kernel does not tell what others write")
            }
        }
    }
}
