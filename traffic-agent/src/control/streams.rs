//! The streams that a laptop opens: outbound, dns, env, pauses, and the one for control.

use std::{io, path::Path, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::oneshot,
    time,
};
use tracing::{debug, warn};
use tunnel::{
    Connection, Flow, Incoming, StreamError,
    message::{MAX_MESSAGE, MAX_OPEN, Open, Reply},
    tasks::Tasks,
};

use crate::{agent::Agent, dns, env, outbound, process, sync};

/// How long a laptop may take to send a question after its header.
const QUESTION: Duration = Duration::from_secs(10);
/// Where the pod's files for the env path are.
const ETC: &str = "/etc";

/// Accepts streams until the session is over; their tasks end with it. The first control stream is handed over.
pub(super) async fn accept(
    agent: Arc<Agent>,
    session: u64,
    connection: Connection,
    control: oneshot::Sender<Flow>,
) {
    let tasks = Tasks::default();
    let control = Arc::new(std::sync::Mutex::new(Some(control)));
    while let Some(incoming) = connection.accept().await {
        let (agent, control) = (Arc::clone(&agent), Arc::clone(&control));
        tasks.spawn_until_stopped(async move {
            if let Err(error) = serve(&agent, session, incoming, &control).await {
                debug!(%error, "a stream of the laptop failed");
            }
        });
    }
}

type Control = std::sync::Mutex<Option<oneshot::Sender<Flow>>>;

async fn serve(
    agent: &Agent,
    session: u64,
    incoming: Incoming,
    control: &Control,
) -> Result<(), StreamError> {
    let (open, mut flow) = incoming.header().await?;
    match open {
        Open::Control => {
            let first = control.lock().ok().and_then(|mut control| control.take());
            if let Some(Err(_)) | None = first.map(|first| first.send(flow)) {
                warn!("a second control stream");
            }
        }
        Open::Outbound { to } => outbound::serve(agent, to, flow).await,
        Open::Dns => match time::timeout(QUESTION, answer_dns(agent, &mut flow)).await {
            Ok(Ok(())) => flow.send.finish(),
            Ok(Err(error)) => debug!(%error, "a question was not answered"),
            Err(_) => debug!("a question was not answered in time"),
        },
        Open::Env => {
            let env = env::collect(std::env::vars_os().collect(), Path::new(ETC)).await;
            flow.send.message(&env, MAX_MESSAGE).await?;
            flow.send.finish();
        }
        Open::Pause => pause(agent, session, &mut flow).await?,
        // Dropped, it is reset: this pod was not made for that.
        Open::Sync | Open::Process if agent.code.is_none() => warn!(?open, "no code runs in this pod"),
        Open::Sync => sync::serve(agent, flow).await?,
        Open::Process => process::serve(agent, session, flow).await?,
        Open::Request { .. } | Open::Probe => debug!(?open, "not for an agent"),
    }
    Ok(())
}

/// Keeps requests from the laptop of `session` until it ends the stream.
async fn pause(agent: &Agent, session: u64, flow: &mut Flow) -> Result<(), StreamError> {
    let paused = agent.desk.pause(session);
    let drained = async {
        if let Some(paused) = &paused {
            paused.drained().await;
        }
    };
    let Flow { send, recv } = flow;
    // Nothing is to come but the end.
    let mut byte = [0];
    let ended = recv.read(&mut byte);
    tokio::pin!(ended);
    tokio::select! {
        () = drained => {}
        _ = &mut ended => return Ok(()),
    }
    send.message(&Reply::Accepted, MAX_OPEN).await?;
    let _ = ended.await;
    send.finish();
    Ok(())
}

/// Dropping the flow afterwards resets it, unless it was finished.
async fn answer_dns(agent: &Agent, flow: &mut Flow) -> io::Result<()> {
    let mut question = vec![0; usize::from(flow.recv.read_u16().await?)];
    flow.recv.read_exact(&mut question).await?;
    let Some(answer) = dns::ask(&agent.nameservers, &question).await else {
        return Err(io::ErrorKind::TimedOut.into());
    };
    let length = u16::try_from(answer.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    flow.send.write_u16(length).await?;
    flow.send.write_all(&answer).await
}
