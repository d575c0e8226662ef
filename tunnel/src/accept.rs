//! The agent's end: carriers come in on the control port, sessions come out.
//!
//! Whatever can reach the port can make carriers, so all that happens before the keys are proven is bounded: how
//! many carriers may be silent and for how long, how many handshakes go on at once, and what each may hold.

mod desk;

use std::{sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc},
    time,
};
use tracing::warn;

use crate::{
    connection::{Connection, RESUME},
    identity::{KeyPair, PublicKey},
    tasks::Tasks,
    transport::{self, SetupError},
};

use desk::Desk;

/// Carriers that have not said hello yet.
const MAX_GREETINGS: usize = 64;
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
        Self::with_resume(listener, keys, laptop, RESUME)
    }

    /// As [`Self::new`]; sessions live for `resume` without a carrier.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn with_resume(
        listener: TcpListener,
        keys: KeyPair,
        laptop: PublicKey,
        resume: Duration,
    ) -> Result<Self, SetupError> {
        let (sessions_tx, sessions_rx) = mpsc::channel(MAX_WAITING);
        let desk = Desk::new(transport::server(&keys, laptop, resume)?, resume, sessions_tx);
        let tasks = Tasks::default();
        tasks.spawn_until_stopped(listen(listener, Arc::new(desk)));
        Ok(Self { sessions_rx, _tasks: tasks })
    }

    /// The next session whose laptop has proven its key. Cancel safe.
    ///
    /// # Errors
    /// When the listener is gone, which only the end of the runtime does.
    pub async fn accept(&mut self) -> Result<Connection, AcceptError> {
        self.sessions_rx.recv().await.ok_or(AcceptError::Stopped)
    }
}

/// There will be no more sessions.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The task that listens has ended.
    #[error("no more sessions are accepted")]
    Stopped,
}

async fn listen(listener: TcpListener, desk: Arc<Desk>) {
    let carriers = Tasks::default();
    let greetings = Arc::new(Semaphore::new(MAX_GREETINGS));
    loop {
        // The semaphore is never closed.
        let Ok(permit) = greetings.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((tcp, _)) => {
                let desk = desk.clone();
                carriers.spawn_until_stopped(async move { desk.receive(tcp, permit).await });
            }
            Err(error) => {
                warn!(%error, "no carrier can be accepted");
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
