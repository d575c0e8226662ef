//! The agent's end: carriers come in on the control port, sessions come out.
//!
//! Whatever can reach the port can make carriers, so all that happens before the keys are proven is bounded: how
//! many carriers may be silent and for how long, how many handshakes go on at once, and what each may hold.

mod desk;

use std::{collections::VecDeque, pin::pin, sync::Arc, time::Duration};

use futures::{Stream, StreamExt, stream};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    time,
};
use tracing::warn;

use crate::{
    carrier::Carrier,
    connection::{Connection, RESUME},
    identity::{KeyPair, PublicKey},
    tasks::Tasks,
    transport::{self, SetupError},
};

use desk::Desk;

/// Carriers that have not said hello yet; for one more, the oldest is dropped.
const MAX_SILENT: usize = 64;
/// Sessions that wait for [`Acceptor::accept`].
const MAX_WAITING: usize = 16;
/// Until the next attempt, when the system has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listens for carriers and makes sessions of them. Sessions go on when it is dropped, but not on new carriers.
pub struct Acceptor {
    /// carrier tasks --sessions whose keys are proven--> accept
    sessions_rx: mpsc::Receiver<Connection>,
    /// Carriers that are not part of a session yet end with this.
    _tasks: Tasks,
}

impl Acceptor {
    /// Listens, with the agent's own key and the key of the laptop that may join; resume time [`RESUME`]. Must be
    /// called within a Tokio runtime.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(listener: TcpListener, keys: KeyPair, laptop: PublicKey) -> Result<Self, SetupError> {
        Self::over(carriers(listener), keys, laptop, RESUME)
    }

    /// As [`Self::new`], with carriers from anywhere; sessions live for `resume` without one.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn over<S>(
        carriers: S,
        keys: KeyPair,
        laptop: PublicKey,
        resume: Duration,
    ) -> Result<Self, SetupError>
    where
        S: Stream<Item = Carrier> + Send + 'static,
    {
        let (sessions_tx, sessions_rx) = mpsc::channel(MAX_WAITING);
        let desk = Desk::new(transport::server(&keys, laptop)?, resume, sessions_tx);
        let tasks = Tasks::default();
        tasks.spawn_until_stopped(receive(carriers, Arc::new(desk)));
        Ok(Self { sessions_rx, _tasks: tasks })
    }

    /// The next session whose laptop has proven its key. Cancel safe.
    ///
    /// # Errors
    /// When there are no more carriers; a listener never ends.
    pub async fn accept(&mut self) -> Result<Connection, AcceptError> {
        self.sessions_rx.recv().await.ok_or(AcceptError::Stopped)
    }
}

/// There will be no more sessions.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// There are no more carriers.
    #[error("no more sessions are accepted")]
    Stopped,
}

/// The carriers that a listener accepts.
pub fn carriers(listener: TcpListener) -> impl Stream<Item = Carrier> + Send + 'static {
    stream::unfold(listener, |listener| async move {
        loop {
            match listener.accept().await {
                Ok((tcp, _)) => {
                    // Fails only on a connection that is gone already.
                    let _ = tcp.set_nodelay(true);
                    return Some((Carrier::from_io(tcp), listener));
                }
                Err(error) => {
                    warn!(%error, "no carrier can be accepted");
                    time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    })
}

async fn receive<S: Stream<Item = Carrier>>(carriers: S, desk: Arc<Desk>) {
    let tasks = Tasks::default();
    let mut silent = VecDeque::new();
    let mut carriers = pin!(carriers);
    while let Some(carrier) = carriers.next().await {
        silent.retain(|silent: &oneshot::Sender<()>| !silent.is_closed());
        if silent.len() >= MAX_SILENT {
            // A laptop speaks at once, so who has been silent longest is none. Dropping the sender tells its task.
            silent.pop_front();
        }
        let (evict, evicted) = oneshot::channel();
        silent.push_back(evict);
        let desk = desk.clone();
        tasks.spawn_until_stopped(async move { desk.receive(carrier, evicted).await });
    }
    // No more will come, but some may still be in their handshake.
    tasks.finished().await;
}
