//! The laptop's end of a session.

use std::{error::Error, future, io, sync::Arc, time::Duration};

use futures::SinkExt;
use quinn::{ConnectionError, TransportErrorCode, VarInt};
use tokio::time::{self, Instant};
use tracing::debug;

use crate::{
    backoff,
    carrier::{Carrier, Dial},
    connection::{Connection, LinkState, Shared},
    driver::{self, Source},
    hello::{Answer, Hello},
    identity::{KeyPair, PublicKey, Token},
    link::{Link, PEER},
    pump::{CarrierEnd, Pump, laptop_pump},
    tasks::Tasks,
    transport::{self, SetupError},
    version::PROTOCOL,
};

/// How long the handshake may take once there is a carrier.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// How long one attempt to dial may take.
const DIAL_DEADLINE: Duration = Duration::from_secs(10);
/// TLS asks for a server name; with a pinned key it means nothing.
const SERVER_NAME: &str = "agent";

/// What a laptop needs for a session.
pub struct Connect {
    /// The laptop's own key.
    pub keys: KeyPair,
    /// The agent's key; any other end is refused.
    pub agent: PublicKey,
    /// Names the session; new for each.
    pub token: Token,
    /// The way to the agent, used again whenever a carrier ends.
    pub dial: Arc<dyn Dial>,
    /// How long a session lives without a carrier; [`crate::RESUME`] unless the user wants otherwise. The agent has
    /// its own; the shorter one counts.
    pub resume: Duration,
}

/// Dials the agent and makes a session with it. Returns once both ends have proven their keys. One attempt is
/// made; later carriers are dialled by a task that belongs to the connection. Cancel safe: nothing is left.
///
/// # Errors
/// [`ConnectError`], its cause included.
pub async fn connect(connect: Connect) -> Result<Connection, ConnectError> {
    let Connect { keys, agent, token, dial, resume } = connect;
    let link = Arc::new(Link::default());
    let config = transport::client(&keys, agent, resume, link.clone())?;
    let endpoint = transport::endpoint(link.clone(), None)?;

    let carrier = self::dial(&*dial).await.map_err(ConnectError::Dial)?;
    let hello = Hello::new(token);
    let mut pump: Pump = Box::pin(begin(link.clone(), carrier, hello, |_| Ok(())));

    let connecting = endpoint
        .connect_with(config, PEER, SERVER_NAME)
        .map_err(|error| SetupError::Endpoint(io::Error::other(error)))?;
    let handshake = async {
        let quic = connecting.await?;
        admitted(&quic).await?;
        Ok(quic)
    };
    let quic = tokio::select! {
        biased;
        quic = handshake => quic.map_err(refusal)?,
        end = &mut pump => return Err(end.into()),
        () = time::sleep(HANDSHAKE_DEADLINE) => return Err(ConnectError::TimedOut),
    };

    let shared = Shared::new(quic, endpoint, link.clone());
    let source = Redial { link: link.clone(), shared: shared.clone(), dial, hello, lost: None, attempt: 0 };
    // Owned by the connection: it ends when that is closed or dropped.
    Tasks::default().spawn(driver::drive(link, shared.clone(), pump, source, resume));
    Ok(Connection::new(shared))
}

/// Waits for the agent's word that it has accepted this laptop's key. In TLS 1.3 the client is done before the
/// server has seen the client's key, so a refusal would otherwise come after `connect` has returned.
async fn admitted(quic: &quinn::Connection) -> Result<(), ConnectionError> {
    let mut stream = quic.accept_uni().await?;
    // What it carries does not matter: it could not have been opened before.
    let _ = stream.stop(VarInt::from_u32(0));
    Ok(())
}

/// Sends the hello, then pumps.
async fn begin<F>(link: Arc<Link>, mut carrier: Carrier, hello: Hello, answered: F) -> CarrierEnd
where
    F: FnOnce(Answer) -> Result<(), CarrierEnd> + Send,
{
    // Flushed by the pump, together with what waits to be sent.
    if let Err(error) = carrier.outgoing.feed(hello.encode()).await {
        return CarrierEnd::Io(error);
    }
    let check = |answer: Answer| {
        if answer.protocol != PROTOCOL {
            return Err(CarrierEnd::Protocol(answer.protocol));
        }
        answered(answer)
    };
    laptop_pump(link, carrier, check).await
}

/// Dials again and again, with pauses.
struct Redial {
    link: Arc<Link>,
    shared: Arc<Shared>,
    dial: Arc<dyn Dial>,
    hello: Hello,
    /// The loss that attempts are counted from.
    lost: Option<Instant>,
    attempt: u32,
}

impl Source for Redial {
    async fn next(&mut self, since: Instant) -> Pump {
        if self.lost.replace(since) != Some(since) {
            self.attempt = 0;
        }
        loop {
            let attempt = async {
                time::sleep(backoff::pause(self.attempt, jitter())).await;
                dial(&*self.dial).await
            };
            let dialled = tokio::select! {
                dialled = attempt => dialled,
                () = self.shared.dial_now.notified() => {
                    self.attempt = 0;
                    continue;
                }
            };
            self.attempt = self.attempt.saturating_add(1);
            match dialled {
                Ok(carrier) => return self.pump(carrier),
                Err(error) => debug!(attempt = self.attempt, %error, "dialling the agent failed"),
            }
        }
    }

    /// Never: whoever dials knows when to.
    async fn replacement(&mut self) -> Pump {
        future::pending().await
    }
}

impl Redial {
    fn pump(&self, carrier: Carrier) -> Pump {
        let shared = self.shared.clone();
        let answered = move |answer: Answer| {
            if !answer.known {
                return Err(CarrierEnd::Forgotten);
            }
            shared.link.send_replace(LinkState::Up);
            Ok(())
        };
        Box::pin(begin(self.link.clone(), carrier, self.hello, answered))
    }
}

async fn dial(dial: &dyn Dial) -> io::Result<Carrier> {
    time::timeout(DIAL_DEADLINE, dial.dial()).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Without random numbers there is no jitter, which is better than no session.
fn jitter() -> u8 {
    let mut byte = [u8::MAX / 2];
    let _ = getrandom::fill(&mut byte);
    byte[0]
}

/// There is no session with the agent.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// TLS or QUIC could not be set up; nothing was dialled.
    #[error("the tunnel could not be set up")]
    Setup(#[from] SetupError),
    /// There is no carrier to the agent.
    #[error("the agent could not be dialled")]
    Dial(#[source] io::Error),
    /// The carrier ended in the handshake.
    #[error("the connection to the agent ended before the session began")]
    Carrier(#[source] Box<dyn Error + Send + Sync>),
    /// The agent is of another release.
    #[error("the agent speaks protocol {agent}, this devbridge speaks {PROTOCOL}")]
    Protocol {
        /// What it speaks.
        agent: u16,
    },
    /// The agent has another key than the pinned one.
    #[error("what answers is not the agent of this session: it has another key")]
    WrongKey,
    /// The agent has pinned another laptop's key.
    #[error("the agent does not accept this laptop's key")]
    Refused,
    /// The handshake failed in another way.
    #[error("the handshake with the agent failed")]
    Handshake(#[source] Box<dyn Error + Send + Sync>),
    /// The agent did not answer in time.
    #[error("no answer from the agent within {} s", HANDSHAKE_DEADLINE.as_secs())]
    TimedOut,
}

impl From<CarrierEnd> for ConnectError {
    fn from(end: CarrierEnd) -> Self {
        match end {
            CarrierEnd::Protocol(agent) => Self::Protocol { agent },
            end => Self::Carrier(Box::new(end)),
        }
    }
}

/// A key that is not the pinned one ends the handshake with TLS' alert "access denied" (RFC 8446 §6.2).
fn refusal(error: ConnectionError) -> ConnectError {
    let denied = TransportErrorCode::crypto(49);
    match &error {
        ConnectionError::TransportError(local) if local.code == denied => ConnectError::WrongKey,
        ConnectionError::ConnectionClosed(peer) if peer.error_code == denied => ConnectError::Refused,
        _ => ConnectError::Handshake(Box::new(error)),
    }
}
