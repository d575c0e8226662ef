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
use super::tree::{Changes, Tree};

mod compare;

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
        let anew = sign != Sign::Attributes && sign != Sign::Written && sign != Sign::Closed;
        if path.as_os_str().is_empty() {
            // The folder itself: its mode is not looked at, and to compare all of it for that could meet a file of which only the
            // beginning is written. Another folder in its place is met file by file.
            if anew {
                self.all = true;
                self.settle.sign(path, sign, Instant::now());
            }
            return;
        }
        if !self.counts(path) {
            return;
        }
        self.settle.sign(path, sign, Instant::now());
        if anew {
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
        if self.tree.get(path).is_some() {
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
