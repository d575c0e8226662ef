//! One pod that is kept in sync: brought up to date when it is met, then with every save.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{self, Instant};
use tunnel::status::{Process, Serving, SyncedPod};
use tunnel::tasks::Tasks;
use tunnel::{Connection, OpenError};

use super::command::{expand, shown};
use super::compare::compare;
use super::files::{Files, FilesError, Written, item};
use super::items::{Item, path};
use super::outlet::{Batch, Outlet, Work};
use super::pull::Puller;
use super::refusals::why;
use super::removals::removed;
use super::runner::{End, Runner, State};
use super::said::{count, ended, size};
use super::{Restart, Sync};
use crate::error::{Exit, Failure};
use crate::session::env;
use crate::session::journal::Saves;
use crate::watch::tree::Changes;

/// Pause before what could not be written is tried again, at first and at last.
const RETRY: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(30);
/// Tries to write what changed while it was being read.
const TRIES: usize = 3;

/// A pod that is up to date and runs the code.
pub struct Joined {
    state: tokio::sync::watch::Receiver<State>,
    /// Container ports that requests come to.
    ports: Vec<u16>,
}

impl Sync {
    /// Brings the pod behind `connection` to what the laptop has, starts the process there, and follows in `tasks` until
    /// the connection is lost.
    ///
    /// # Errors
    /// The folder can't be written, the agent is gone again, or in the `first` pod the command can't be started.
    pub async fn join(
        self: &Arc<Self>,
        pod: &str,
        connection: &Connection,
        tasks: &Tasks,
        first: bool,
    ) -> Result<Joined, Failure> {
        // Of other pods one line is said, when they serve.
        let own = self.at.borrow().as_deref() == Some(pod);
        let output = &self.context.output;
        let step = own.then(|| output.step("sync", &format!("bringing the code into pod {pod}")));
        let started = Instant::now();
        let (outlet, local, generation) = self.subscribe();
        let place = Place { sync: Arc::clone(self), outlet, pod: pod.to_owned() };
        let mut files = Files::open(connection, &self.code.to, self.order.limit).await?;
        let batch = compare(&mut files, self.folder(), &self.order.pulls, &local, self.order.keep).await?;
        drop(local);
        let written = files.write(self.folder(), batch, generation).await?;
        place.tell(&written, generation);
        if written.same {
            place.saves(|saves| saves.synced(generation, written.bytes, false));
        }
        let state = if written.same { format!("in sync @ {generation}") } else { "not in sync".into() };
        if let Some(step) = step {
            step.done(&format!(
                "{state}: {} sent as {}, {} ms",
                count(written.files, "file"),
                size(written.bytes),
                started.elapsed().as_millis()
            ));
        }
        place.troubles(&written);

        let step = own.then(|| output.step("process", "starting the code"));
        let lost = |error: OpenError| {
            Failure::new("DB-TUNNEL-002", Exit::Failure, "the agent did not do as it was told").why(error)
        };
        let mut runner = Runner::open(connection).await.map_err(lost)?;
        let env = env::fetch(connection).await.map_err(|error| {
            Failure::new("DB-ENV-002", Exit::Failure, "cannot fetch the pod's environment").why(error)
        })?;
        let command = match self.code.expand {
            true => expand(&self.code.command, &env),
            false => self.code.command.clone(),
        };
        let run = Run { command, variables: self.variables() };
        start(&mut runner, &run, self.order.grace).await?;
        let mut state = runner.state();
        if state.wait_for(|state| state.starts > 0 || state.lost).await.is_err() {
            return Err(Failure::new("DB-SYNC-004", Exit::Failure, "the agent ended"));
        }
        let begun = state.borrow().clone();
        match &begun.end {
            // Later it is a state: the next save may bring what is missing.
            Some(End::Not(why)) if first => {
                return Err(Failure::new("DB-SYNC-006", Exit::Failure, "the code can't be started")
                    .why(format!("{}: {why}", shown(&run.command)))
                    .fix("name a command that the container has: devbridge sync TARGET … -- CMD"));
            }
            end => {
                if let Some(step) = step {
                    let started = || format!("{} started", shown(&run.command));
                    step.done(&end.as_ref().map_or_else(started, ended));
                }
            }
        }
        let joined = Joined {
            state: runner.state(),
            ports: self.context.board.read().ports.iter().map(|p| p.container).collect(),
        };
        tasks.spawn_until_stopped(place.follow(files, runner, run));
        Ok(joined)
    }

    fn variables(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let session = self.context.board.read();
        let pairs = [
            ("DEVBRIDGE_SESSION", session.id.as_str()),
            ("DEVBRIDGE_NAMESPACE", session.namespace.as_str()),
            ("DEVBRIDGE_TARGET", self.context.names.target.as_str()),
            ("DEVBRIDGE_GENERATION_FILE", "/devbridge/run/generation"),
        ];
        pairs.map(|(name, value)| (name.into(), value.into())).into()
    }
}

impl Joined {
    /// Waits until the process listens on all ports that requests come to, has ended, or `wait` is over; says why not.
    pub async fn listens(&mut self, wait: Duration) -> Result<(), String> {
        let ports = self.ports.clone();
        let missing = |state: &State| ports.iter().find(|port| !state.ports.contains(port)).copied();
        let settled = |state: &State| missing(state).is_none() || state.end.is_some() || state.lost;
        let _ = time::timeout(wait, self.state.wait_for(settled)).await;
        let state = self.state.borrow();
        match (&state.end, missing(&state)) {
            (Some(end), _) => Err(ended(end)),
            (None, Some(port)) => Err(format!("the process does not listen on {port}")),
            (None, None) => Ok(()),
        }
    }
}

/// What runs.
struct Run {
    command: Vec<Vec<u8>>,
    variables: Vec<(Vec<u8>, Vec<u8>)>,
}

async fn start(runner: &mut Runner, run: &Run, grace: Duration) -> Result<(), FilesError> {
    Ok(runner.start(&run.command, &run.variables, grace).await?)
}

/// A pod's place among those that are kept in sync; given up when dropped.
struct Place {
    sync: Arc<Sync>,
    outlet: Arc<Outlet>,
    pod: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.sync.unsubscribe(&self.outlet);
        self.sync.change(|sync| sync.pods.retain(|pod| pod.name != self.pod));
    }
}

impl Place {
    /// Until the connection is lost.
    async fn follow(self, mut files: Files, mut runner: Runner, run: Run) {
        let mut state = runner.state();
        let mut puller = Puller::new(self.sync.pulling(), &self.pod, runner.state());
        let mut saved = None;
        let mut known = State { starts: 1, ..State::default() };
        // How often it was asked for, and whether once more.
        let (mut asked, mut again) = (state.borrow().starts, false);
        // What is to be started anew is not all there yet.
        let mut owed = false;
        // What could not be written is tried again by itself, each time later.
        let mut retry = RETRY;
        loop {
            if again && state.borrow().starts >= asked {
                // One start for all saves that came while the last process ended.
                (asked, again) = (asked + 1, false);
                if start(&mut runner, &run, self.sync.order.grace).await.is_err() {
                    return;
                }
            }
            let work = tokio::select! {
                work = self.outlet.next() => work,
                () = time::sleep(retry), if files.is_doubtful() => {
                    retry = LATEST.min(retry * 2);
                    // What is known here may be what is wrong.
                    self.sync.order.saves.watch.again();
                    let generation = self.sync.local().generation;
                    Work::Batch(Batch { changes: Changes::new(), generation, saved: Instant::now() })
                }
                () = files.over() => return,
                () = puller.due() => {
                    if puller.step(&mut files, &self.outlet).await.is_err() {
                        return;
                    }
                    continue;
                }
                changed = state.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let now = state.borrow_and_update().clone();
                    if now.lost {
                        return;
                    }
                    self.process(&now, &mut known);
                    // One that is about to be replaced may still listen.
                    let replaced = again || now.starts < asked;
                    let listening = now.pid.filter(|_| !now.ports.is_empty() && !replaced);
                    if let Some((pid, saved)) = listening.and_then(|pid| Some((pid, saved.take()?))) {
                        self.listens(pid, saved);
                    }
                    continue;
                }
            };
            let rule = &self.sync.order.restart;
            let (due, at) = match &work {
                Work::Batch(batch) => (rule.is_due(&batch.changes), batch.saved),
                Work::Compare(_) => (!matches!(rule, Restart::Never), Instant::now()),
            };
            owed |= due;
            let done = match work {
                Work::Batch(batch) => self.write(&mut files, batch, owed).await,
                Work::Compare(question) => self.sync.compare(&self.pod, &mut files, question).await,
            };
            if !files.is_doubtful() {
                retry = RETRY;
            }
            let restart = match done {
                Ok(done) => done && std::mem::take(&mut owed),
                Err(error) => {
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        pod = self.pod,
                        "no sync any more"
                    );
                    return;
                }
            };
            if restart {
                saved = Some(at);
                again = true;
            }
        }
    }

    /// Whether the pod has all of it; `restarts`: the process is started anew then.
    async fn write(&self, files: &mut Files, batch: Batch, restarts: bool) -> Result<bool, FilesError> {
        let (sync, output) = (&self.sync, &self.sync.context.output);
        let Batch { changes, generation, saved } = batch;
        let pulls = &sync.order.pulls;
        let mut items = items(files, &changes);
        items.extend(removed(files, pulls, &changes).await?);
        let mut bytes = 0;
        for _ in 0..TRIES {
            if files.is_doubtful() {
                let local = Arc::clone(&sync.local().entries);
                files.forget().await?;
                items = compare(files, sync.folder(), pulls, &local, sync.order.keep).await?;
                // Some of it may be there again.
                let gone = removed(files, pulls, &changes).await?.into_iter();
                items.extend(
                    gone.filter(|item| !matches!(item, Item::Remove(path) if local.contains_key(path))),
                );
            }
            let written = files.write(sync.folder(), std::mem::take(&mut items), generation).await?;
            self.tell(&written, generation);
            self.troubles(&written);
            bytes += written.bytes;
            if written.same {
                self.saves(|saves| saves.synced(generation, bytes, restarts));
                if self.is_own() {
                    output.state(&format!("in sync @ {generation} after {} ms", saved.elapsed().as_millis()));
                }
                return Ok(true);
            }
            if let Some(trouble) = written.troubles.first() {
                let why = format!("{}: {}", path(&trouble.path).display(), why(trouble));
                self.saves(|saves| saves.failed(generation, &why));
                // It would meet the same again; the next save tries everything.
                return Ok(false);
            }
        }
        self.saves(|saves| saves.failed(generation, "files change as they are read"));
        output
            .warn(&format!("pod {} is not in sync @ {generation}: files change as they are read", self.pod));
        Ok(false)
    }

    fn troubles(&self, written: &Written) {
        let output = &self.sync.context.output;
        for trouble in &written.troubles {
            let owner = trouble.owner.map(|(user, group)| format!(" (its folder belongs to {user}:{group})"));
            output.warn(&format!(
                "{} is not written in pod {}: {}; the container's user is {}{}",
                path(&trouble.path).display(),
                self.pod,
                why(trouble),
                trouble.uid,
                owner.unwrap_or_default()
            ));
        }
    }

    /// Notes how far what was saved has come, in the pod that the session itself is at.
    fn saves(&self, change: impl FnOnce(&mut Saves)) {
        if self.is_own() {
            self.sync.context.output.journal().saves(change);
        }
    }

    /// Whether the session itself is at this pod.
    fn is_own(&self) -> bool {
        self.sync.at.borrow().as_ref() == Some(&self.pod)
    }

    /// What `status` shows of this pod.
    fn tell(&self, written: &Written, generation: u64) {
        let why = match (written.same, written.troubles.len()) {
            (true, _) => None,
            (false, 0) => Some("the contents differ".to_owned()),
            (false, troubles) => Some(format!("{} could not be written", count(troubles, "file"))),
        };
        let pod = SyncedPod { name: self.pod.clone(), generation, in_sync: written.same, why };
        self.sync.change(|sync| match sync.pods.iter_mut().find(|known| known.name == pod.name) {
            Some(known) => *known = pod,
            None => sync.pods.push(pod),
        });
    }

    /// Says that the process which a save at `saved` started serves.
    fn listens(&self, pid: u32, saved: Instant) {
        if self.is_own() {
            self.saves(Saves::listens);
            let after = saved.elapsed().as_millis();
            self.sync.context.output.state(&format!("process {pid} listens, {after} ms after the save"));
        }
    }

    /// Notes what became of the process.
    fn process(&self, state: &State, known: &mut State) {
        if !self.is_own() {
            return;
        }
        let board = &self.sync.context.board;
        board.change(|session| {
            for port in &mut session.ports {
                port.listening = state.ports.contains(&port.container);
            }
            session.restarts +=
                std::mem::replace(&mut known.starts, state.starts.max(1)).abs_diff(state.starts.max(1));
        });
        if let Some(pid) = state.pid {
            board.process(Process::Running { pid });
            if !state.ports.is_empty() {
                board.serving(Serving::Pod);
            }
        }
        if let Some(end) = &state.end {
            self.saves(|saves| saves.does_not_listen(&ended(end)));
            if let End::Code(code) = end {
                board.process(Process::Exited { code: *code });
            }
            board.serving(Serving::Originals {
                why: format!("{}; the next save starts it again", ended(end)),
            });
        }
    }
}

/// What there is in a batch, for a pod that had what was there before.
fn items(files: &Files, changes: &Changes) -> Vec<Item> {
    let there = changes.iter().filter_map(|(path, change)| Some((path, change.after.as_ref()?)));
    there.map(|(path, after)| item(files, path, after)).collect()
}
