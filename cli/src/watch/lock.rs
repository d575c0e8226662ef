//! Whether git is changing the files just now.
//!
//! A checkout, a rebase or a stash holds `index.lock` while it writes, file after file. To build or send a half of that
//! would be worse than to wait.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A lock that is held longer was left by a git that crashed, or belongs to an editor that writes a message.
const LONGEST: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    /// The one that is waited for (its inode), and since when.
    since: Option<(u64, Instant)>,
}

impl Lock {
    /// Of the repository whose top is `top`, if it is one.
    pub(super) fn of(top: &Path) -> Self {
        let git = top.join(".git");
        // Of a second worktree `.git` is a file: `gitdir: PATH`; gitrepository-layout(5).
        let elsewhere = std::fs::read_to_string(&git).ok();
        let elsewhere = elsewhere.as_deref().and_then(|text| text.strip_prefix("gitdir:")).map(str::trim);
        let git = elsewhere.map_or(git, |path| top.join(path));
        Self { path: git.join("index.lock"), since: None }
    }

    /// Somebody holds it, and not for so long that it must have been forgotten.
    pub(super) fn holds(&mut self) -> bool {
        let Ok(found) = self.path.symlink_metadata() else {
            self.since = None;
            return false;
        };
        let inode = found.ino();
        let since = match self.since {
            Some((known, since)) if known == inode => since,
            _ => self.since.insert((inode, Instant::now())).1,
        };
        since.elapsed() < LONGEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_of_a_second_worktree_is_in_its_own_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (top, git) = (folder.path().join("tree"), folder.path().join("git"));
        std::fs::create_dir(&top).unwrap();
        std::fs::create_dir(&git).unwrap();
        std::fs::write(top.join(".git"), "gitdir: ../git\n").unwrap();
        let mut lock = Lock::of(&top);
        assert!(!lock.holds());
        std::fs::write(git.join("index.lock"), "").unwrap();
        assert!(lock.holds());
        std::fs::remove_file(git.join("index.lock")).unwrap();
        assert!(!lock.holds());
    }

    #[test]
    fn a_forgotten_lock_is_waited_for_once() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(".git")).unwrap();
        std::fs::write(folder.path().join(".git/index.lock"), "").unwrap();
        let mut lock = Lock::of(folder.path());
        assert!(lock.holds());
        lock.since = lock.since.map(|(inode, since)| (inode, since - LONGEST));
        assert!(!lock.holds());
        assert!(!lock.holds());
    }
}
