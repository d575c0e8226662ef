//! A process that runs, and its keeper, who ends it.
//!
//! The keeper belongs to the agent. Whoever has the [`Running`] hears from it, and ends the process by dropping that: a
//! stream that is cut off leaves nothing behind, and still gives the process its time.

use std::{
    convert::Infallible, os::unix::process::ExitStatusExt as _, path::Path, process::ExitStatus, sync::Arc,
    time::Duration,
};

use nix::sys::signal::Signal;
use tokio::{
    sync::oneshot,
    time::{self, Instant},
};
use tracing::{info, warn};
use tunnel::sync::Command;

use super::{
    Place, Process,
    leftover::Note,
    ports::Ports,
    spawn::{Child, spawn},
};

/// How often the rest of a group is looked at while it ends.
const LOOK: Duration = Duration::from_millis(5);
/// After the kill; what hangs in the kernel is left.
const GIVE_UP: Duration = Duration::from_secs(5);
/// After the kill of a group; what is left are the dead, until their parent looks.
const BURIED: Duration = Duration::from_secs(1);
/// What a shell reports for SIGKILL.
const KILLED: i32 = 128 + 9;

/// A process that runs. Dropping it ends it: SIGTERM to its group, and SIGKILL after its grace.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) pid: u32,
    end: oneshot::Sender<Infallible>,
    ended: oneshot::Receiver<i32>,
}

impl Running {
    /// Starts a process. Cancel safe: it is ended then, if it was started.
    ///
    /// # Errors
    /// In words for the developer.
    pub(super) async fn start(process: &Process, command: Command, place: Place) -> Result<Self, String> {
        let (tell, started) = oneshot::channel();
        let (end, asked) = oneshot::channel();
        let (over, ended) = oneshot::channel();
        let (ports, stopping) = (Arc::clone(&process.ports), process.keepers.stopping());
        let asked = async move {
            tokio::select! {
                _ = asked => {}
                () = stopping => {}
            }
        };
        let run = process.run.clone();
        process.keepers.spawn(async move {
            let _place = place;
            let code = keep(&ports, run.as_deref(), &command, tell, asked).await;
            // Nobody may be there any more.
            let _ = over.send(code);
        });
        let pid = started.await.unwrap_or_else(|_| Err("the agent is ending".to_owned()))?;
        Ok(Self { pid, end, ended })
    }

    /// Waits until it has ended by itself; gives its code, once. Cancel safe.
    pub(super) async fn ended(&mut self) -> i32 {
        (&mut self.ended).await.unwrap_or(KILLED)
    }

    /// Ends it and waits until nothing of it is left. Cancel safe: it ends all the same.
    pub(super) async fn end(self) -> i32 {
        let Self { end, ended, .. } = self;
        drop(end);
        ended.await.unwrap_or(KILLED)
    }
}

/// Runs a process until it ends, or until `asked` and its time is over; gives its code.
async fn keep(
    ports: &Arc<Ports>,
    run: Option<&Path>,
    command: &Command,
    tell: oneshot::Sender<Result<u32, String>>,
    asked: impl Future<Output = ()>,
) -> i32 {
    let started = match ports.begin() {
        Ok(start) => spawn(command, Arc::clone(ports), start).await.map(|child| (start, child)),
        Err(error) => Err(format!("no port is free in the pod: {error}")),
    };
    let (start, mut child) = match started {
        Ok(started) => started,
        Err(why) => {
            info!(%why, "no process");
            let _ = tell.send(Err(why));
            return KILLED;
        }
    };
    let pid = child.pid.as_raw().unsigned_abs();
    info!(pid, "process");
    // Gone when nothing of it runs any more.
    let _note = run.map(|run| Note::write(run, pid));
    let _ = tell.send(Ok(pid));
    let ended = tokio::select! {
        status = child.process.wait() => Some(status),
        () = asked => None,
    };
    let code = match ended {
        Some(status) => {
            // What it leaves behind has nobody any more who knows it.
            rest(&child, Instant::now()).await;
            status.map_or(KILLED, code)
        }
        None => end(&mut child, Duration::from_millis(command.grace.into())).await,
    };
    ports.over(start);
    info!(pid, code, "process ended");
    code
}

/// SIGTERM, and SIGKILL after `grace`, to the whole group.
async fn end(child: &mut Child, grace: Duration) -> i32 {
    let deadline = Instant::now() + grace;
    child.signal(Some(Signal::SIGTERM));
    let status = match time::timeout_at(deadline, child.process.wait()).await {
        Ok(status) => status.ok(),
        Err(_) => {
            child.signal(Some(Signal::SIGKILL));
            time::timeout(GIVE_UP, child.process.wait()).await.ok().and_then(Result::ok)
        }
    };
    if status.is_none() {
        warn!(pid = child.pid.as_raw(), "the process does not end");
    }
    rest(child, deadline).await;
    status.map_or(KILLED, code)
}

/// Waits for the rest of a group whose first is gone, and kills it after `deadline`. A port that one of them has is not
/// free before.
async fn rest(child: &Child, deadline: Instant) {
    while child.signal(None) && Instant::now() < deadline {
        time::sleep(LOOK).await;
    }
    let deadline = Instant::now() + BURIED;
    while child.signal(Some(Signal::SIGKILL)) && Instant::now() < deadline {
        time::sleep(LOOK).await;
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(KILLED)
}
