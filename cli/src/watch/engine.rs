//! The thread that follows a folder.
//!
//! ```text
//! kernel ── events ──► hints ──► settle: a batch is complete ──► look: compare with the tree ──► whoever follows
//!                      poll  ──►
//! ```
//!
//! A thread and not a task, because all it does is to wait for the file system. It waits for nobody else: what changed while
//! nobody took the last batch is added to that.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use super::folders::{Folders, Why};
use super::hints::{Hint, Hints, Sender};
use super::lock::Lock;
use super::outbox::{Notice, Outbox};
use super::rules::{NAMES, Rules};
use super::settle::{Settle, Sign};
use super::tree::{Change, Changes, Entry, Kind, Tree};

/// How often folders without a watch are looked at, at least; longer when looking takes long.
const POLL: Duration = Duration::from_secs(1);
/// Looking at them takes this part of the time at most.
const POLL_SHARE: u32 = 50;
/// How often it is looked whether a folder that vanished is back.
const BACK: Duration = Duration::from_millis(250);
/// How often it is looked whether git is done.
const GIT: Duration = Duration::from_millis(5);

pub(super) struct Engine {
    root: PathBuf,
    /// Followed only; empty: all.
    only: Vec<PathBuf>,
    rules: Rules,
    tree: Tree,
    folders: Folders,
    hints: Hints,
    outbox: Outbox,
    settle: Settle,
    /// Where to look, and whether names there may stand for something else now.
    paths: BTreeSet<PathBuf>,
    anew: BTreeSet<PathBuf>,
    all: bool,
    lock: Lock,
    /// Git was at work when the batch was due.
    held: bool,
    poll: Option<Instant>,
    told: Option<Why>,
    gone: bool,
    flushes: Vec<tokio::sync::oneshot::Sender<()>>,
}

impl Engine {
    /// For `root`, which is absolute and without links.
    pub(super) fn new(root: &Path, only: Vec<PathBuf>, sender: Sender, hints: Hints, outbox: Outbox) -> Self {
        let rules = Rules::of(root);
        Self {
            lock: Lock::of(rules.top()),
            held: false,
            root: root.to_owned(),
            only,
            rules,
            tree: Tree::default(),
            folders: Folders::new(sender),
            hints,
            outbox,
            settle: Settle::default(),
            paths: BTreeSet::new(),
            anew: BTreeSet::new(),
            all: false,
            poll: None,
            told: None,
            gone: false,
            flushes: Vec::new(),
        }
    }

    /// Until nobody follows any more.
    pub(super) fn run(mut self) {
        let started = Instant::now();
        self.scan(Path::new(""), &mut Changes::new());
        let (folders, files) = self.tree.count();
        // With the folder itself.
        self.outbox.notice(Notice::Follows { folders: folders + 1, files, took: started.elapsed() });
        for mistake in self.rules.mistakes() {
            self.outbox.notice(Notice::Mistake(mistake));
        }
        self.tell_polling();
        while self.turn() {}
    }

    /// Waits for the next thing to do and does it; `false`: nobody follows any more.
    fn turn(&mut self) -> bool {
        let due = self.settle.due();
        let next = [due, self.poll, self.gone.then(|| Instant::now() + BACK)];
        match self.hints.next(next.into_iter().flatten().min()) {
            Ok(Hint::End) | Err(RecvTimeoutError::Disconnected) => return false,
            Ok(Hint::Path(path, sign)) => self.hint(&path, sign),
            Ok(Hint::Lost) => {
                self.outbox.notice(Notice::Lost);
                self.compare_all();
            }
            Ok(Hint::Flush(flushed)) => {
                self.flushes.push(flushed);
                self.settle.sign(Path::new(""), Sign::Attributes, Instant::now());
            }
            Ok(Hint::Everything(told)) => {
                // What is told is no change any more.
                self.outbox.forget_changes();
                // Who asked may not wait any more.
                drop(told.send(self.tree.all()));
            }
            Ok(Hint::Again) => self.compare_all(),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if self.gone {
            self.look_for_the_folder();
        }
        let now = Instant::now();
        if self.poll.is_some_and(|at| at <= now) {
            self.look_at_polled();
        }
        if self.settle.due().is_some_and(|due| due <= now) {
            self.batch();
        }
        true
    }

    fn hint(&mut self, path: &Path, sign: Sign) {
        let Ok(path) = path.strip_prefix(&self.root) else {
            // Folders above are watched for their rules.
            if is_of_rules(path) {
                self.rules = Rules::of(&self.root);
                self.compare_all();
            }
            return;
        };
        if !self.counts(path) {
            return;
        }
        self.settle.sign(path, sign, Instant::now());
        if sign != Sign::Attributes && sign != Sign::Written && sign != Sign::Closed {
            self.anew.insert(path.to_owned());
        }
        self.paths.insert(path.to_owned());
    }

    /// With the next batch.
    fn compare_all(&mut self) {
        self.all = true;
        self.settle.sign(Path::new(""), Sign::Appeared, Instant::now());
    }

    /// Whether something may become of it; folders are not told from files here.
    fn counts(&mut self, path: &Path) -> bool {
        if path.as_os_str().is_empty() || self.tree.get(path).is_some() {
            return true;
        }
        self.wanted(path, true) && (!self.rules.decide(path, false).ignored || self.rules.enter(path))
    }

    /// It is in a folder or a file that is followed, or leads to one.
    fn wanted(&self, path: &Path, is_folder: bool) -> bool {
        self.only.is_empty()
            || self.only.iter().any(|only| path.starts_with(only) || (is_folder && only.starts_with(path)))
    }

    fn batch(&mut self) {
        if self.lock.holds() {
            // One batch of a checkout, not one of each of its halves.
            self.held = true;
            std::thread::sleep(GIT);
            return;
        }
        if std::mem::take(&mut self.held) {
            self.settle.held(Instant::now());
            return;
        }
        self.settle.taken();
        let mut changes = Changes::new();
        let (paths, anew) = (std::mem::take(&mut self.paths), std::mem::take(&mut self.anew));
        if !self.root.is_dir() {
            self.vanished();
        } else if std::mem::take(&mut self.all) {
            self.folders.begin_anew();
            self.scan(Path::new(""), &mut changes);
        } else {
            self.look(paths, &anew, &mut changes);
        }
        self.tell_polling();
        self.outbox.changes(changes);
        for flushed in self.flushes.drain(..) {
            // Who asked may not wait any more.
            let _ = flushed.send(());
        }
    }

    fn look(&mut self, paths: BTreeSet<PathBuf>, anew: &BTreeSet<PathBuf>, changes: &mut Changes) {
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
        !path.as_os_str().is_empty()
            && found.is_ok_and(|found| !found.is_some_and(|found| known.is_same_folder(&found)))
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
        super::tree::merge(changes, [(path.to_owned(), Change { before, after: Some(found) })].into());
    }

    /// Watches a folder, then compares all that is in it and below.
    fn scan(&mut self, folder: &Path, changes: &mut Changes) {
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
            super::tree::merge(changes, [(path, Change { before: Some(before), after: None })].into());
        }
    }

    /// The folder itself is gone. What was in it is not taken for deleted: a disk may be away, or a branch being changed.
    fn vanished(&mut self) {
        if !std::mem::replace(&mut self.gone, true) {
            self.outbox.notice(Notice::Gone);
        }
    }

    fn look_for_the_folder(&mut self) {
        if self.root.is_dir() {
            self.gone = false;
            self.outbox.notice(Notice::Back);
            self.compare_all();
        }
    }

    fn look_at_polled(&mut self) {
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

    /// Begins or ends looking from time to time, and says why.
    fn tell_polling(&mut self) {
        let (polled, why) = self.folders.polled();
        let within = polled.iter().filter(|folder| folder.starts_with(&self.root)).count();
        if within == 0 {
            self.poll = None;
            return;
        }
        self.poll.get_or_insert_with(|| Instant::now() + POLL);
        if let Some(why) = why.filter(|why| self.told != Some(*why)) {
            self.told = Some(why);
            self.outbox.notice(Notice::Polls { folders: within, why });
        }
    }
}

/// Its lines say which files count.
fn is_of_rules(path: &Path) -> bool {
    path.file_name().is_some_and(|name| NAMES.iter().any(|rules| name == *rules))
}
