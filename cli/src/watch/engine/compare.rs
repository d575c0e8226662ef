//! What is in the folder, compared with the tree that is known of it; what differs is a change.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::{Engine, POLL, POLL_SHARE, is_of_rules};
use crate::watch::outbox::Notice;
use crate::watch::rules::Rules;
use crate::watch::tree::{self, Change, Changes, Entry, Kind};

impl Engine {
    /// Looks at `paths`, all of them within the folder; the names in `anew` may stand for something else now.
    pub(super) fn look(&mut self, paths: BTreeSet<PathBuf>, anew: &BTreeSet<PathBuf>, changes: &mut Changes) {
        let mut rules: BTreeSet<PathBuf> = BTreeSet::new();
        for path in paths.iter().filter(|path| is_of_rules(path)) {
            rules.insert(path.parent().unwrap_or(Path::new("")).to_owned());
        }
        // What is gone first, and what is another folder now: one that was moved has one watch, whatever its names are, and
        // giving up the old name later would end it.
        let (gone, there): (Vec<_>, Vec<_>) =
            paths.into_iter().partition(|path| self.root.join(path).symlink_metadata().is_err());
        let replaced = there.iter().filter(|path| self.is_replaced(path));
        let replaced: Vec<_> = replaced.cloned().collect();
        for path in gone.iter().chain(&replaced) {
            self.remove(path, changes);
        }
        let mut scanned: Option<PathBuf> = None;
        for path in &there {
            // Below what was scanned just now, or appeared with its folder.
            if scanned.as_ref().is_some_and(|scanned| path.starts_with(scanned)) {
                continue;
            }
            // The system follows links on its way; what is behind them is not in the folder.
            let known = path.ancestors().skip(1).filter_map(|above| self.tree.get(above));
            if known.into_iter().any(|above| above.kind != Kind::Folder) {
                continue;
            }
            let missing = path.ancestors().filter(|above| !above.as_os_str().is_empty());
            let at = missing.filter(|above| self.tree.get(above).is_none()).last().unwrap_or(path).to_owned();
            if self.visit(&at, true, anew.contains(&at), changes) {
                scanned = Some(at);
            }
        }
        for folder in rules {
            self.rules.forget(&folder);
            self.scan(&folder, changes);
        }
    }

    /// A folder that was known is another one now, or none.
    fn is_replaced(&self, path: &Path) -> bool {
        let Some(known) = self.tree.get(path).filter(|known| known.kind == Kind::Folder) else {
            return false;
        };
        let found = Entry::look(&self.root.join(path), Some(known), false);
        found.is_ok_and(|found| !found.is_some_and(|found| known.is_same_folder(&found)))
    }

    /// Looks at one path and, where it is a folder that was not known, at all below it; whether it did that.
    fn visit(&mut self, path: &Path, surely: bool, anew: bool, changes: &mut Changes) -> bool {
        let known = self.tree.get(path);
        let found = match Entry::look(&self.root.join(path), known, surely) {
            Ok(found) => found,
            Err(error) => {
                self.outbox.notice(Notice::Unreadable { path: path.to_owned(), why: error.to_string() });
                return false;
            }
        };
        let Some(found) = found else {
            self.remove(path, changes);
            return false;
        };
        let is_folder = found.kind == Kind::Folder;
        let counts = self.wanted(path, is_folder)
            && match is_folder {
                true => self.rules.enter(path),
                false => !self.rules.decide(path, false).ignored,
            };
        if !counts {
            self.remove(path, changes);
            return false;
        }
        let same_folder = known.is_some_and(|known| known.is_same_folder(&found)) && !anew;
        let was_folder = known.is_some_and(|known| known.kind == Kind::Folder);
        if was_folder && !is_folder {
            self.remove(path, changes);
        }
        self.put(path, found, changes);
        if is_folder && !same_folder {
            if was_folder {
                self.folders.remove(&self.root.join(path));
            }
            self.scan(path, changes);
        }
        is_folder && !same_folder
    }

    fn put(&mut self, path: &Path, found: Entry, changes: &mut Changes) {
        // Folders change with all in them; only that they are there counts, and their mode.
        let unchanged = |before: &Entry| {
            before.is_like(&found) && (found.kind == Kind::Folder || before.modified == found.modified)
        };
        if self.tree.get(path).is_some_and(unchanged) {
            self.tree.put(path, found);
            return;
        }
        let before = self.tree.put(path, found.clone());
        tree::merge(changes, [(path.to_owned(), Change { before, after: Some(found) })].into());
    }

    /// Watches a folder, then compares all that is in it and below.
    pub(super) fn scan(&mut self, folder: &Path, changes: &mut Changes) {
        let full = self.root.join(folder);
        if folder.as_os_str().is_empty() {
            for above in self.rules.above() {
                self.folders.add(&above);
            }
        }
        self.folders.add(&full);
        let names = match std::fs::read_dir(&full) {
            Ok(names) => names,
            Err(error) => {
                if folder.as_os_str().is_empty() {
                    self.vanished();
                } else if error.kind() != std::io::ErrorKind::NotFound {
                    self.outbox
                        .notice(Notice::Unreadable { path: folder.to_owned(), why: error.to_string() });
                }
                return;
            }
        };
        let mut found = BTreeSet::new();
        for name in names.flatten() {
            let path = folder.join(name.file_name());
            // A folder below is always scanned, too: this is about what is there, not about what was heard.
            if !self.visit(&path, false, false, changes)
                && self.tree.get(&path).is_some_and(|e| e.kind == Kind::Folder)
            {
                self.scan(&path, changes);
            }
            found.insert(path);
        }
        for known in self.tree.in_folder(folder) {
            if !found.contains(&known) {
                self.remove(&known, changes);
            }
        }
    }

    fn remove(&mut self, path: &Path, changes: &mut Changes) {
        if path.as_os_str().is_empty() {
            return self.vanished();
        }
        for (path, before) in self.tree.remove(path) {
            if before.kind == Kind::Folder {
                self.folders.remove(&self.root.join(&path));
                self.rules.forget(&path);
            }
            tree::merge(changes, [(path, Change { before: Some(before), after: None })].into());
        }
    }

    /// Folders without a watch, whose names and files are looked at from time to time.
    pub(super) fn look_at_polled(&mut self) {
        let started = Instant::now();
        let polled: Vec<_> = self.folders.polled().0.iter().cloned().collect();
        let mut changes = Changes::new();
        for folder in polled {
            let Ok(folder) = folder.strip_prefix(&self.root).map(Path::to_owned) else { continue };
            let full = self.root.join(&folder);
            let names = std::fs::read_dir(&full).into_iter().flatten().flatten();
            let now: BTreeSet<_> = names.map(|name| folder.join(name.file_name())).collect();
            let gone = self.tree.in_folder(&folder).into_iter().filter(|known| !now.contains(known));
            for known in gone.collect::<Vec<_>>() {
                self.remove(&known, &mut changes);
            }
            for path in now {
                self.visit(&path, false, false, &mut changes);
            }
        }
        if !self.root.is_dir() {
            self.vanished();
        }
        if changes.keys().any(|path| is_of_rules(path)) {
            self.rules = Rules::of(&self.root);
            self.compare_all();
        }
        self.poll = Some(Instant::now() + POLL.max(started.elapsed() * POLL_SHARE));
        self.outbox.changes(changes);
    }
}
