//! The process of a synced target: runs the developer's code in the pod.
//!
//! The agent keeps listening on the container's ports, so that requests can be held while the process is started anew and
//! go to originals when there is none. The process wants the same ports. So the kernel tells the agent of every `bind` of
//! the process and its descendants ([`binds`]), and the agent puts another port in the place of one of its own
//! ([`ports`]); [`Process::dial`] finds it there. The program needs to know nothing of it, whatever it is written in.
//!
//! One stream at a time ([`stream`]). Its process has a keeper of its own ([`running`]) that belongs to the agent, so that
//! it is ended in peace also when the stream is cut off.

mod binds;
mod kernel;
mod leftover;
mod listening;
mod ports;
mod running;
mod spawn;
mod stream;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};
use tracing::info;
use tunnel::{Flow, StreamError, tasks::Tasks};

use crate::agent::Agent;
use ports::Ports;
use stream::Stream;

/// How long a process may take to end with the agent; the laptop's time for it may be longer than the pod has.
const LAST: Duration = Duration::from_secs(30);

/// What runs in the pod, if anything does.
pub(crate) struct Process {
    ports: Arc<Ports>,
    /// For the one whose process it is; given back when that has ended.
    place: Arc<Semaphore>,
    /// Number of the newest stream.
    newest: watch::Sender<u64>,
    /// The keepers of what runs; one, and for a moment the next.
    keepers: Tasks,
    /// Where it is noted what runs, for the next agent.
    run: Option<PathBuf>,
}

/// The right to run something, for all who have a part in it.
type Place = Arc<OwnedSemaphorePermit>;

impl Process {
    /// `ports`: the container ports that the agent listens on.
    pub(crate) fn new(ports: Vec<u16>) -> Self {
        Self {
            ports: Arc::new(Ports::new(ports)),
            place: Arc::new(Semaphore::new(1)),
            newest: watch::Sender::new(0),
            keepers: Tasks::default(),
            run: None,
        }
    }

    /// Ends what an agent before this one left running, and notes in directory `run` what this one runs.
    pub(crate) fn noted_in(self, run: &Path) -> Self {
        leftover::end(run);
        Self { run: Some(run.to_owned()), ..self }
    }

    /// Dials what listens for a container port. Cancel safe.
    ///
    /// # Errors
    /// `ConnectionRefused` when nothing runs or nothing listens there.
    pub(crate) async fn dial(&self, port: u16) -> io::Result<TcpStream> {
        self.ports.dial(port).await
    }

    /// Ends what runs, and waits for it.
    pub(crate) async fn end(&self) {
        self.keepers.stop(LAST).await;
    }
}

/// Serves one stream of the process, until it ends or a newer one comes: that is of a laptop that came back, and the end
/// of this one may be noticed much later. Cancel safe: what runs is then ended as if the stream had.
///
/// # Errors
/// As any stream.
pub(crate) async fn serve(agent: &Agent, session: u64, flow: Flow) -> Result<(), StreamError> {
    let process = &agent.process;
    let mut number = 0;
    process.newest.send_modify(|newest| {
        *newest += 1;
        number = *newest;
    });
    let mut newest = process.newest.subscribe();
    let Flow { send, recv } = flow;
    let served = async {
        // Never closed.
        let Ok(place) = Arc::clone(&process.place).acquire_owned().await else { return Ok(()) };
        Stream::new(agent, session, Arc::new(place), send).run(recv).await
    };
    tokio::select! {
        served = served => served,
        // The sender is in `agent`.
        _ = newest.wait_for(|newest| *newest != number) => {
            info!(session, "another stream takes over the process");
            Ok(())
        }
    }
}
