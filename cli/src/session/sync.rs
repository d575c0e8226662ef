//! The sync path, laptop end: what is saved in a folder is in the target's container some milliseconds later, and runs.
//!
//! ```text
//! watch ─► on_change commands ─► release ─┬─► pod a: files ─► commit, roots compared ─► process started anew
//!                                         └─► pod b: …
//! ```
//!
//! [`files`] speaks with a pod's writer, [`compare`] finds what it lacks when it is met for the first time, [`items`] reads
//! what is sent, [`runner`] speaks with the keeper of its process, [`verify`] compares again. [`scope`] says which files are
//! sent and which are the pod's: those [`pull`] fetches, and [`beside`] puts them beside what is here. Each pod has a task of
//! its own: a slow one keeps no other from being up to date, and what changes while it is busy is one batch then.

mod ask;
mod beside;
mod command;
mod compare;
mod fetch;
mod files;
mod items;
mod known;
mod others;
mod outlet;
mod pod;
mod pull;
mod refusals;
mod removals;
mod runner;
mod said;
mod scope;
mod verify;
mod walk;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ignore::gitignore::Gitignore;
use tokio::sync::watch;
use tokio::time::Instant;
use tunnel::status;
use tunnel::tasks::Tasks;

use self::known::Pulled;
pub use self::others::Others;
use self::outlet::Outlet;
pub use self::pod::Joined;
use self::pull::Pulling;
pub use self::scope::{Patterns, Pulls};
pub use self::verify::{Difference, Verified, What};
use super::Context;
use super::journal::now_ms;
use super::saves::{self, Saves};
use crate::cluster::agent_pod::Code;
use crate::cluster::logs::{self, Wanted, Whose};
use crate::cluster::originals::agent_pods;
use crate::watch::tree::{Changes, Entry, merge};

/// Pause before the code's words are asked for again.
const AGAIN: Duration = Duration::from_secs(1);

/// What is to be synced, and how.
pub struct Order {
    /// The folder, and the commands that run first.
    pub saves: Saves,
    /// Where it goes in the container; none: the container's working directory.
    pub to: Option<PathBuf>,
    /// What runs there; empty: what the target runs.
    pub command: Vec<std::ffi::OsString>,
    /// For which files it is started anew.
    pub restart: Restart,
    /// How long it may take to end before it is killed.
    pub grace: Duration,
    /// Files that only the container has stay.
    pub keep: bool,
    /// Bytes a second to each pod.
    pub limit: Option<u64>,
    /// A volume of the pod's own lies over the folder.
    pub volume: bool,
    /// In as many pods as the target has.
    pub all_pods: bool,
    /// What the program there makes.
    pub pulls: Pulls,
}

/// For which files the process is started anew.
#[derive(Debug, Clone)]
pub enum Restart {
    /// All of them.
    Always,
    /// None: it notices by itself.
    Never,
    /// Those that match.
    For(Gitignore),
}

impl Restart {
    fn is_due(&self, changes: &Changes) -> bool {
        let files = saves::files(changes);
        match self {
            Self::Always => !files.is_empty(),
            Self::Never => false,
            Self::For(patterns) => {
                files.iter().any(|path| patterns.matched_path_or_any_parents(path, false).is_ignore())
            }
        }
    }
}

/// All paths that count, relative to the folder.
type Entries = BTreeMap<PathBuf, Entry>;

/// The sync path of one session.
pub struct Sync {
    order: Order,
    code: Code,
    context: Context,
    local: Mutex<Local>,
    /// The pod that the session itself is at.
    at: watch::Sender<Option<String>>,
    leaving: watch::Sender<bool>,
    /// Seats at other pods.
    seats: Tasks,
    /// Of one pod at a time: two would take turns in one place.
    pulled: Arc<tokio::sync::Mutex<Pulled>>,
}

/// What the pods are to have.
#[derive(Default)]
struct Local {
    entries: Arc<Entries>,
    generation: u64,
    outlets: Vec<Arc<Outlet>>,
}

impl Sync {
    /// For the session of `context`.
    pub fn new(order: Order, code: Code, context: Context) -> Self {
        let (at, leaving) = (watch::Sender::new(None), watch::Sender::new(false));
        let (local, seats, pulled) = (Mutex::default(), Tasks::default(), Arc::default());
        Self { order, code, context, local, at, leaving, seats, pulled }
    }

    /// Waits until the folder has been read, once for all pods.
    pub async fn begun(&self) {
        if self.local().generation > 0 {
            return;
        }
        self.order.saves.begun(&self.context.output).await;
        let mut entries = self.order.saves.watch.everything().await;
        self.order.pulls.leave_out(&mut entries);
        // Of the folder itself only what is in it counts.
        entries.remove(Path::new(""));
        {
            let mut local = self.local();
            local.entries = Arc::new(entries);
            local.generation = 1;
        }
        self.change(|sync| sync.generation = 1);
    }

    /// Hands what is saved to all pods, until dropped. Commands that run are killed then.
    pub async fn run(self: Arc<Self>) {
        let output = &self.context.output;
        let saves = &self.order.saves;
        let mut pending = Changes::new();
        loop {
            let mut changes = saves.next(output).await;
            self.order.pulls.leave_out_changes(&mut changes);
            changes.remove(Path::new(""));
            // What waits for a command that failed goes on waiting.
            if changes.is_empty() {
                continue;
            }
            let saved = Instant::now();
            let fresh = saves::files(&changes);
            merge(&mut pending, changes);
            if pending.is_empty() {
                continue;
            }
            if !fresh.is_empty() {
                output.state(&format!("{} changed", saves::names(&fresh)));
            }
            let (next, all) = (self.local().generation + 1, saves::files(&pending));
            if !all.is_empty() {
                let save = status::Save {
                    generation: next,
                    at_ms: now_ms(),
                    what: saves::names(&all),
                    files: all.len() as u64,
                    ..status::Save::default()
                };
                output.journal().saves(|saves| saves.noticed(save, saved));
            }
            // Also for what a command failed before: it is to succeed before anything of it is sent.
            if !all.is_empty()
                && let Err(why) = saves.commands(&mut pending, output).await
            {
                output.journal().saves(|saves| saves.failed(next, &why));
                output.state(&format!("{why}; nothing was synced"));
                continue;
            }
            self.release(std::mem::take(&mut pending), saved);
        }
    }

    /// Prints what the code writes, in whatever pod, until dropped.
    pub async fn words(self: Arc<Self>) {
        let Context { cluster, names, output, .. } = &self.context;
        let wanted = Wanted { whose: Whose::Code, ..Wanted::default() };
        // Once each, also when the API server was away.
        let mut seen = logs::Seen::default();
        loop {
            let print = |line: &logs::Line| output.word(&line.text);
            let ended = logs::follow(cluster, &agent_pods(names), &wanted, &mut seen, print).await;
            match ended {
                Ok(()) => return,
                // The API server is away, or was.
                Err(error) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "no words of the code")
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// From now on pods are to have this.
    fn release(&self, mut changes: Changes, saved: Instant) {
        // Once more: commands write, too.
        self.order.pulls.leave_out_changes(&mut changes);
        let mut local = self.local();
        let entries = Arc::make_mut(&mut local.entries);
        for (path, change) in &changes {
            match &change.after {
                Some(entry) => drop(entries.insert(path.clone(), entry.clone())),
                None => drop(entries.remove(path)),
            }
        }
        local.generation += 1;
        for outlet in &local.outlets {
            outlet.put(changes.clone(), local.generation, saved);
        }
        let generation = local.generation;
        drop(local);
        self.change(|sync| sync.generation = generation);
    }

    /// A place for the changes from now on, and all that there is until now.
    fn subscribe(&self) -> (Arc<Outlet>, Arc<Entries>, u64) {
        let mut local = self.local();
        let outlet = Arc::<Outlet>::default();
        local.outlets.push(Arc::clone(&outlet));
        (outlet, Arc::clone(&local.entries), local.generation)
    }

    fn unsubscribe(&self, outlet: &Arc<Outlet>) {
        self.local().outlets.retain(|other| !Arc::ptr_eq(other, outlet));
    }

    fn pulling(&self) -> Pulling {
        Pulling {
            pulls: self.order.pulls.clone(),
            folder: self.order.saves.folder.clone(),
            aside: beside::aside(&self.context.board.read().id),
            pulled: Arc::clone(&self.pulled),
            output: self.context.output.clone(),
        }
    }

    fn folder(&self) -> &Path {
        &self.order.saves.folder
    }

    /// Changes what `status` shows.
    fn change(&self, change: impl FnOnce(&mut status::Sync)) {
        self.context.board.change(|session| {
            if let Some(sync) = &mut session.sync {
                change(sync);
            }
        });
    }

    /// Never held across an await.
    fn local(&self) -> MutexGuard<'_, Local> {
        self.local.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
