//! The connection to the agent as it is now. An agent that is lost is replaced, and what the process asks meanwhile waits
//! for the next one instead of failing.

use tokio::sync::watch;
use tunnel::message::Open;
use tunnel::{Connection, Flow, OpenError, Priority};

/// Reads which connection is the current one. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Current(watch::Receiver<Connection>);

impl Current {
    /// The connection now; it may be closed.
    pub fn connection(&self) -> Connection {
        self.0.borrow().clone()
    }

    /// Opens a stream on the current connection, or on the first one that comes when it is closed. Waits for as long as
    /// there is none: the caller bounds it. Cancel safe.
    ///
    /// # Errors
    /// The agent did not take the stream's header, or the session is over.
    pub async fn open(&mut self, open: &Open, priority: Priority) -> Result<Flow, OpenError> {
        loop {
            let connection = self.0.borrow_and_update().clone();
            match connection.open(open, priority).await {
                Err(OpenError::ConnectionLost) if self.0.changed().await.is_ok() => {}
                opened => return opened,
            }
        }
    }
}

/// The writing end: whoever finds a new agent.
#[derive(Debug)]
pub struct Replace(watch::Sender<Connection>);

impl Replace {
    /// Begins with `connection`.
    pub fn new(connection: Connection) -> (Self, Current) {
        let (sender, receiver) = watch::channel(connection);
        (Self(sender), Current(receiver))
    }

    /// From now on `connection` is the current one.
    pub fn with(&self, connection: Connection) {
        self.0.send_replace(connection);
    }
}
