//! The conversation with the keeper of the process in one pod.

use std::time::Duration;

use tokio::sync::watch;
use tunnel::message::Open;
use tunnel::sync::{Command, FromProcess, MAX_PROCESS, ToProcess};
use tunnel::tasks::Tasks;
use tunnel::{Connection, Flow, OpenError, Priority, SendHalf, StreamError};

/// A process that needs longer is not waited for by requests any more.
const LISTEN: Duration = Duration::from_secs(60);

/// The keeper of one pod's process. Dropped, it ends the process.
pub(super) struct Runner {
    send: SendHalf,
    state: watch::Receiver<State>,
    _hearing: Tasks,
}

/// What is known of the process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    /// How often it was started.
    pub(super) starts: u64,
    /// Its id in the container, while it runs.
    pub(super) pid: Option<u32>,
    /// Container ports on which it listens.
    pub(super) ports: Vec<u16>,
    /// How it ended, or why it did not start.
    pub(super) end: Option<End>,
    /// The conversation is over.
    pub(super) lost: bool,
}

/// Why it does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// With this status.
    Code(i32),
    /// It could not be started: the system's words.
    Not(String),
}

impl Runner {
    /// Opens the conversation; nothing runs yet.
    pub(super) async fn open(connection: &Connection) -> Result<Self, OpenError> {
        let Flow { send, mut recv } = connection.open(&Open::Process, Priority::Control).await?;
        let (told, state) = watch::channel(State::default());
        let hearing = Tasks::default();
        hearing.spawn_until_stopped(async move {
            while let Ok(Some(message)) = recv.message::<FromProcess>(MAX_PROCESS).await {
                told.send_modify(|state| state.take(message));
            }
            told.send_modify(|state| state.lost = true);
        });
        Ok(Self { send, state, _hearing: hearing })
    }

    /// Starts the process, anew if it runs.
    pub(super) async fn start(
        &mut self,
        command: &[Vec<u8>],
        variables: &[(Vec<u8>, Vec<u8>)],
        grace: Duration,
    ) -> Result<(), StreamError> {
        let millis = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        let command = Command {
            command: command.to_vec(),
            variables: variables.to_vec(),
            grace: millis(grace),
            listen: millis(LISTEN),
        };
        self.send.message(&ToProcess::Start(command), MAX_PROCESS).await
    }

    /// What is known of the process, now and later.
    pub(super) fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }
}

impl State {
    fn take(&mut self, message: FromProcess) {
        match message {
            FromProcess::Started { pid } => {
                *self = Self { starts: self.starts + 1, pid: Some(pid), ..Self::default() };
            }
            FromProcess::NotStarted { why } => {
                *self = Self { starts: self.starts + 1, end: Some(End::Not(why)), ..Self::default() };
            }
            FromProcess::Listens { ports } => self.ports = ports,
            FromProcess::Ended { code } => {
                *self = Self { starts: self.starts, end: Some(End::Code(code)), ..Self::default() };
            }
        }
    }
}
