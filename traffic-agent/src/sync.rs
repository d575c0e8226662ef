//! The sync path: writes what the laptop sends into the target's folder.
//!
//! One stream is served by one thread that does all work on files ([`session`]); [`serve`] only carries packs to it and
//! answers back. Both ways are bounded, so a laptop that does not read what it asked for stops the work, not the agent.
//!
//! What a laptop sends is written into a folder for staging first ([`staging`]) and comes into its place with a commit
//! ([`commit`]), name by name. Paths are taken apart and opened component by component ([`disk`]): whatever links the
//! folder holds, nothing outside it is read or written.

mod batch;
mod commit;
mod disk;
mod fault;
mod incoming;
mod measured;
mod path;
mod queries;
mod remove;
mod session;
mod staging;
#[cfg(test)]
mod tests;
mod writer;

use std::path::PathBuf;

use tokio::{sync::mpsc, task};
use tracing::{error, warn};
use tunnel::{
    Flow, RecvHalf, SendHalf, StreamError,
    sync::{
        FromPod, MAX_ANSWER,
        pack::{MAX_PACK, Pack},
    },
};

use crate::agent::Agent;
use fault::Ended;
use session::Session;

/// Packs that wait for the thread; it works on one while the next ones arrive.
const PACKS: usize = 4;
/// Answers that wait for the stream, each of at most [`MAX_ANSWER`].
const ANSWERS: usize = 8;

/// Serves one stream of the sync path until the laptop ends it. When cancelled, the stream is reset, and the thread ends
/// with what it is at.
pub(crate) async fn serve(agent: &Agent, flow: Flow) -> Result<(), StreamError> {
    let Flow { mut send, mut recv } = flow;
    let (packs, packs_rx) = mpsc::channel(PACKS);
    let (answers, answers_rx) = mpsc::channel(ANSWERS);
    let run = agent.run.clone();
    let worker = task::spawn_blocking(move || work(run, packs_rx, answers));
    tokio::try_join!(read(&mut recv, packs), write(&mut send, answers_rx))?;
    match worker.await {
        Ok(Ok(()) | Err(Ended::Unwritable | Ended::Gone)) => send.finish(),
        // Dropped unfinished, the stream is reset.
        Ok(Err(ended @ Ended::Violation(_))) => warn!(%ended, "the laptop's files are not written any more"),
        Err(error) => error!(%error, "the writer of files failed"),
    }
    Ok(())
}

/// laptop --packs--> thread, until one of them ends.
async fn read(recv: &mut RecvHalf, packs: mpsc::Sender<Pack>) -> Result<(), StreamError> {
    loop {
        let pack = tokio::select! {
            pack = recv.message::<Pack>(MAX_PACK) => pack?,
            () = packs.closed() => None,
        };
        let Some(pack) = pack else { return Ok(()) };
        if packs.send(pack).await.is_err() {
            return Ok(());
        }
    }
}

/// thread --answers--> laptop, until the thread ends.
async fn write(send: &mut SendHalf, mut answers: mpsc::Receiver<FromPod>) -> Result<(), StreamError> {
    while let Some(answer) = answers.recv().await {
        send.message(&answer, MAX_ANSWER).await?;
    }
    Ok(())
}

/// The thread. Packs are opened here, one at a time: what is in them may be many times as large.
fn work(run: PathBuf, mut packs: mpsc::Receiver<Pack>, answers: mpsc::Sender<FromPod>) -> Result<(), Ended> {
    let mut session = Session::new(run, answers);
    while let Some(pack) = packs.blocking_recv() {
        session.pack(pack.open().map_err(|_| Ended::Violation("a malformed pack"))?)?;
    }
    Ok(())
}
