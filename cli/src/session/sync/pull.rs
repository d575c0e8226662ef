//! What the program in the pod makes comes to the laptop: lock files, generated code, coverage.
//!
//! The agent has no watch on the pod's folder, so the laptop looks from time to time, folder by folder, where something can be
//! that is pulled, and fetches what has another size or time than when it was fetched last. It does so in the pod's one
//! conversation, in small steps: what is saved on the laptop waits for one of them at most.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tokio::time::{self, Instant};
use tunnel::sync::{self, Found, Hash, ToPod, Trouble};

use super::ask::Ask;
use super::beside::{Contents, LARGEST, Placed, place};
use super::fetch::Fetch;
use super::files::FilesError;
use super::items::wire;
use super::known::{FILES, Known, Pulled};
use super::outlet::Outlet;
use super::runner::State;
use super::said;
use super::scope::{Pulls, Scope};
use super::walk::Walk;
use crate::output::Output;

/// Pause between two rounds, at least; longer when a round takes long.
const PAUSE: Duration = Duration::from_secs(2);
/// Rounds take this part of the time at most, as long as they take less than [`LONGEST`] divided by it.
const SHARE: u32 = 50;
/// The connection may have been away during a round: that is no reason to look no more.
const LONGEST: Duration = Duration::from_secs(60);
/// Folders of one round.
const FOLDERS: usize = 2_000;
/// Folders that are asked for in one step.
const FOLDERS_AT_ONCE: usize = 32;
/// Bytes that are asked for in one step, about, and what a question costs beside its bytes.
const BYTES_AT_ONCE: u64 = 512 << 10;
const QUESTION: u64 = 8 << 10;

/// Size and time.
type Stamp = (u64, i64);

/// What is the same for all pods.
#[derive(Clone)]
pub(super) struct Pulling {
    pub(super) pulls: Pulls,
    /// The laptop's.
    pub(super) folder: PathBuf,
    /// Where files go that have no place there.
    pub(super) aside: Option<PathBuf>,
    pub(super) pulled: Arc<Mutex<Pulled>>,
    pub(super) output: Output,
}

/// Pulls from one pod.
pub(super) struct Puller {
    pulling: Pulling,
    pod: String,
    state: watch::Receiver<State>,
    /// Starts of the process until the last round began.
    starts: u64,
    /// Only one pod at a time is pulled from.
    seat: Option<OwnedMutexGuard<Pulled>>,
    /// As it was when it was fetched.
    seen: BTreeMap<PathBuf, Stamp>,
    /// Files that are too large, as it was said.
    large: BTreeSet<PathBuf>,
    round: Option<Round>,
    next: Instant,
}

/// One look at everything.
struct Round {
    scope: Scope,
    walk: Walk,
    looked: usize,
    seen: BTreeMap<PathBuf, Stamp>,
    wanted: VecDeque<Fetch>,
    spent: Duration,
    /// What there is to say about it.
    written: BTreeSet<PathBuf>,
    aside: BTreeSet<PathBuf>,
    at: PathBuf,
    large: BTreeSet<PathBuf>,
}

impl Puller {
    /// For a pod whose process is in `state`.
    pub(super) fn new(pulling: Pulling, pod: &str, state: watch::Receiver<State>) -> Self {
        Self {
            pulling,
            pod: pod.to_owned(),
            state,
            starts: 0,
            seat: None,
            seen: BTreeMap::new(),
            large: BTreeSet::new(),
            round: None,
            next: Instant::now(),
        }
    }

    /// Resolves when there is something to do: never, if nothing is pulled. Cancel safe.
    pub(super) async fn due(&mut self) {
        if self.pulling.pulls.is_empty() {
            return std::future::pending().await;
        }
        if self.seat.is_none() {
            self.seat = Some(Mutex::lock_owned(Arc::clone(&self.pulling.pulled)).await);
        }
        if self.round.is_some() {
            return;
        }
        let before = self.starts;
        tokio::select! {
            () = time::sleep_until(self.next) => {}
            Ok(_) = self.state.wait_for(|state| state.starts > before) => {}
        }
    }

    /// Does a small part of what is due, unless `outlet` has something that comes first.
    pub(super) async fn step(&mut self, files: &mut impl Ask, outlet: &Outlet) -> Result<(), FilesError> {
        if outlet.is_waiting() {
            return Ok(());
        }
        let Some(mut seat) = self.seat.take() else { return Ok(()) };
        let began = Instant::now();
        let mut round = match self.round.take() {
            Some(round) => round,
            None => {
                self.starts = self.state.borrow().starts;
                Round::new(&self.pulling)
            }
        };
        let done = match round.walk.is_over() {
            true => self.fetch(&mut round, &mut seat, files).await,
            false => self.look(&mut round, &mut seat, files).await,
        };
        round.spent += began.elapsed();
        // What was done until the pod was lost is said, too.
        if done.is_err() || (round.walk.is_over() && round.wanted.is_empty()) {
            self.end(round);
        } else {
            self.round = Some(round);
        }
        self.seat = Some(seat);
        done
    }

    async fn look(
        &mut self,
        round: &mut Round,
        seat: &mut Pulled,
        files: &mut impl Ask,
    ) -> Result<(), FilesError> {
        round.walk.ask(files, FOLDERS_AT_ONCE).await?;
        while let Some(entries) = round.walk.next(files).await? {
            for (at, one) in entries {
                self.found(round, seat, at, &one);
            }
        }
        Ok(())
    }

    fn found(&self, round: &mut Round, seat: &mut Pulled, at: PathBuf, one: &Found) {
        let output = &self.pulling.output;
        let size = match one.kind {
            sync::Kind::Folder if !round.scope.looks_into(&at) => return,
            sync::Kind::Folder => {
                if round.looked < FOLDERS {
                    round.looked += 1;
                    round.walk.enter(at);
                } else if !std::mem::replace(&mut seat.said_folders, true) {
                    output.warn(&format!(
                        "pod {} has more than {FOLDERS} folders that something to be pulled can be in: not all are \
                         looked into; name theirs with --pull",
                        self.pod
                    ));
                }
                return;
            }
            sync::Kind::File(size) if round.scope.fetches(&at) => size,
            _ => return,
        };
        if size > LARGEST {
            if round.large.len() < FILES {
                round.large.insert(at);
            }
            return;
        }
        if !seat.admits(&at) {
            if !std::mem::replace(&mut seat.said_files, true) {
                output
                    .warn(&format!("more than {FILES} files are to be pulled: those that come now are not"));
            }
            return;
        }
        let stamp = (size, one.modified);
        if round.seen.insert(at.clone(), stamp).is_none() && self.seen.get(&at) != Some(&stamp) {
            round.wanted.push_back(Fetch::new(at, one, size));
        }
    }

    /// The next bytes of what is wanted; what is complete then gets its place.
    async fn fetch(
        &mut self,
        round: &mut Round,
        seat: &mut Pulled,
        files: &mut impl Ask,
    ) -> Result<(), FilesError> {
        let (mut batch, mut asked): (Vec<Fetch>, Vec<(usize, u64)>) = (Vec::new(), Vec::new());
        let mut left = BYTES_AT_ONCE;
        while left > 0
            && let Some(fetch) = round.wanted.pop_front()
        {
            let mut offset = fetch.contents.bytes.len() as u64;
            loop {
                files.tell(&ToPod::Read { path: wire(&fetch.path), offset }).await?;
                asked.push((batch.len(), offset));
                let page = fetch.page(offset);
                offset += page;
                left = left.saturating_sub(page + QUESTION);
                if left == 0 || offset >= fetch.contents.meta.size {
                    break;
                }
            }
            batch.push(fetch);
        }
        // All are heard, whatever becomes of the file: the next answers are to be those to what is asked next.
        for (index, offset) in asked {
            let answer = files.answer().await?;
            batch.get_mut(index).ok_or(FilesError::Unexpected)?.take(offset, answer)?;
        }
        let mut complete = Vec::new();
        for fetch in batch {
            if fetch.spoiled {
                round.seen.remove(&fetch.path);
                if let Some(trouble) = &fetch.trouble {
                    self.unreadable(seat, &fetch.path, trouble);
                }
            } else if fetch.contents.bytes.len() as u64 == fetch.contents.meta.size {
                let ours = seat.files.get(&fetch.path).and_then(|known| known.ours);
                complete.push((fetch.path, fetch.contents, ours));
            } else {
                round.wanted.push_front(fetch);
            }
        }
        self.place(round, seat, complete).await
    }

    async fn place(
        &self,
        round: &mut Round,
        seat: &mut Pulled,
        complete: Vec<(PathBuf, Contents, Option<Hash>)>,
    ) -> Result<(), FilesError> {
        let Pulling { folder, aside, .. } = self.pulling.clone();
        let placed = tokio::task::spawn_blocking(move || {
            let put = |(file, contents, ours): (PathBuf, Contents, _)| {
                let placed = place(&folder, aside.as_deref(), &file, &contents, ours);
                (file, placed)
            };
            complete.into_iter().map(put).collect::<Vec<_>>()
        });
        for (file, placed) in placed.await.map_err(|_| FilesError::Ended)? {
            let Some(known) = seat.files.get_mut(&file) else { continue };
            match placed {
                Ok(Placed::Same) => known.said = None,
                Ok(Placed::Written(hash)) => {
                    *known = Known { ours: Some(hash), said: None };
                    round.written.insert(file);
                }
                Ok(Placed::Aside(at)) => {
                    if seat.is_news(&file, String::new()) {
                        round.at = at;
                        round.aside.insert(file);
                    }
                }
                // As long as it can't be written it is tried again.
                Err(error) => {
                    round.seen.remove(&file);
                    if seat.is_news(&file, error.to_string()) {
                        let file = said::name(&file);
                        self.pulling.output.warn(&format!("{file} can't be pulled: {error}"));
                    }
                }
            }
        }
        Ok(())
    }

    /// A file of the pod's can't be read there; one that is gone is nothing to tell.
    fn unreadable(&self, seat: &mut Pulled, file: &Path, trouble: &Trouble) {
        let error = std::io::Error::from_raw_os_error(trouble.errno);
        if error.kind() != std::io::ErrorKind::NotFound && seat.is_news(file, error.to_string()) {
            let (file, pod) = (said::name(file), &self.pod);
            self.pulling.output.warn(&format!("{file} can't be read in pod {pod}: {error}"));
        }
    }

    fn end(&mut self, round: Round) {
        let output = &self.pulling.output;
        if let Some(names) = said::names(&round.written) {
            output.state(&format!("{names} came from the pod"));
        }
        match (said::names(&round.aside), round.aside.len()) {
            (Some(name), 1) => {
                let at = said::name(&round.at);
                output.state(&format!("{name} differs in the pod; its version is in {at}"));
            }
            (Some(names), _) => {
                let at = self.pulling.aside.clone().unwrap_or_default();
                output.state(&format!("{names} differ in the pod; its versions are in {}", said::name(&at)));
            }
            (None, _) => {}
        }
        let fresh = round.large.difference(&self.large).cloned().collect();
        if let Some(names) = said::names(&fresh) {
            output.warn(&format!("not pulled, being larger than {} MiB: {names}", LARGEST >> 20));
        }
        (self.seen, self.large) = (round.seen, round.large);
        self.next = Instant::now() + pause(round.spent);
    }
}

fn pause(spent: Duration) -> Duration {
    spent.saturating_mul(SHARE).clamp(PAUSE, LONGEST)
}

impl Round {
    fn new(pulling: &Pulling) -> Self {
        Self {
            scope: Scope::of(&pulling.folder, &pulling.pulls),
            walk: Walk::new(PathBuf::new()),
            looked: 1,
            seen: BTreeMap::new(),
            wanted: VecDeque::new(),
            spent: Duration::ZERO,
            written: BTreeSet::new(),
            aside: BTreeSet::new(),
            at: PathBuf::new(),
            large: BTreeSet::new(),
        }
    }
}

#[cfg(test)]
mod tests;
