//! What becomes of a carrier that was accepted: the next one of a session, or the first of a new one.

use std::{
    collections::{HashMap, hash_map::Entry},
    error::Error,
    future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::SinkExt;
use quinn::{ConnectionError, Endpoint, ServerConfig};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    time::{self, Instant},
};
use tracing::{debug, warn};

use crate::{
    carrier::Carrier,
    connection::{Connection, LinkState, Shared},
    driver::{self, Source},
    hello::{Answer, Hello},
    identity::Token,
    link::Link,
    pump::{CarrierEnd, GREETING_DEADLINE, Pump, agent_pump, greeting},
    tasks::Tasks,
    transport::{self, SetupError},
    version::PROTOCOL,
};

/// How long a handshake may take.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// Sessions whose laptop has not proven its key yet. Each may hold a few MiB.
const MAX_HANDSHAKES: usize = 16;
/// How long the last datagrams of a failed handshake may take on their way out: they tell the laptop why.
const REFUSAL_DEADLINE: Duration = Duration::from_secs(1);

/// Where each session takes its next carrier.
type Seats = Arc<Mutex<HashMap<Token, mpsc::Sender<Greeted>>>>;

/// What every carrier's task needs.
pub(super) struct Desk {
    config: ServerConfig,
    resume: Duration,
    seats: Seats,
    handshakes: Semaphore,
    /// carrier tasks --sessions whose keys are proven--> [`super::Acceptor::accept`]
    sessions_tx: mpsc::Sender<Connection>,
}

/// A carrier after its hello, and the bytes that came with that.
struct Greeted {
    carrier: Carrier,
    first: Bytes,
}

/// Why a carrier did not become part of a session.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("the carrier is of no use")]
    Carrier(#[from] CarrierEnd),
    #[error("too many handshakes at once")]
    TooMany,
    #[error("no QUIC")]
    Setup(#[from] SetupError),
    #[error("the handshake failed")]
    Handshake(#[from] ConnectionError),
    #[error("no handshake in time")]
    TimedOut,
}

impl Desk {
    pub(super) fn new(config: ServerConfig, resume: Duration, sessions_tx: mpsc::Sender<Connection>) -> Self {
        let handshakes = Semaphore::new(MAX_HANDSHAKES);
        Self { config, resume, seats: Seats::default(), handshakes, sessions_tx }
    }

    /// Handles a carrier until it belongs to a session. While it has not said hello, the end of `evicted` ends it.
    pub(super) async fn receive(&self, carrier: Carrier, evicted: oneshot::Receiver<()>) {
        let connection = match self.admit(carrier, evicted).await {
            Ok(Some(connection)) => connection,
            Ok(None) => return,
            Err(error @ Refused::Handshake(_)) => {
                return warn!(error = &error as &dyn Error, "laptop refused");
            }
            Err(error) => return debug!(error = &error as &dyn Error, "carrier refused"),
        };
        // Fails when nobody accepts sessions any more; the session is closed by being dropped.
        let _ = self.sessions_tx.send(connection).await;
    }

    /// The session that begins with this carrier, if it is not the next one of a session.
    async fn admit(
        &self,
        mut carrier: Carrier,
        evicted: oneshot::Receiver<()>,
    ) -> Result<Option<Connection>, Refused> {
        let (hello, first) = tokio::select! {
            biased;
            greeted = greeting::<Hello>(&mut carrier.incoming) => greeted?,
            _ = evicted => return Err(CarrierEnd::Silent.into()),
        };
        if hello.protocol != PROTOCOL {
            answer(&mut carrier, false).await?;
            return Err(CarrierEnd::Protocol(hello.protocol).into());
        }
        let Some(seat) = self.seat(hello.token) else {
            answer(&mut carrier, true).await?;
            let next = lock(&self.seats).get(&hello.token).cloned();
            // Full when carriers come faster than they are looked at: this one is dropped, and dialled again.
            let _ = next.map(|next| next.try_send(Greeted { carrier, first }));
            return Ok(None);
        };
        let _permit = self.handshakes.try_acquire().map_err(|_| Refused::TooMany)?;
        answer(&mut carrier, false).await?;
        self.begin(seat, Greeted { carrier, first }).await.map(Some)
    }

    /// A place for a new session, or `None` when there is a session of this token.
    fn seat(&self, token: Token) -> Option<Seat> {
        match lock(&self.seats).entry(token) {
            Entry::Occupied(_) => None,
            Entry::Vacant(place) => {
                let (carriers_tx, carriers_rx) = mpsc::channel(1);
                place.insert(carriers_tx);
                Some(Seat {
                    seats: self.seats.clone(),
                    token,
                    carriers_rx,
                    link: Arc::default(),
                    state: None,
                })
            }
        }
    }

    async fn begin(&self, mut seat: Seat, first: Greeted) -> Result<Connection, Refused> {
        let link = seat.link.clone();
        let endpoint = transport::endpoint(
            link.clone(),
            Some(transport::serving(&self.config, self.resume, link.clone())),
        )?;
        let mut pump = seat.pump(first);
        let outcome = tokio::select! {
            biased;
            quic = handshake(&endpoint) => quic.map_err(Refused::from),
            end = &mut pump => return Err(end.into()),
            () = time::sleep(HANDSHAKE_DEADLINE) => Err(Refused::TimedOut),
        };
        let quic = match outcome {
            Ok(quic) => quic,
            Err(error) => {
                let said = async {
                    tokio::select! { _ = pump => {}, () = endpoint.wait_idle() => {} }
                };
                let _ = time::timeout(REFUSAL_DEADLINE, said).await;
                return Err(error);
            }
        };
        let shared = Shared::new(quic, endpoint, link.clone());
        seat.state = Some(shared.link.clone());
        // Owned by the connection: it ends when that is closed or dropped.
        Tasks::default().spawn(driver::drive(link, shared.clone(), pump, seat, self.resume));
        Ok(Connection::new(shared))
    }
}

/// Lets one laptop in.
async fn handshake(endpoint: &Endpoint) -> Result<quinn::Connection, ConnectionError> {
    let Some(incoming) = endpoint.accept().await else { return future::pending().await };
    let connecting = incoming.accept()?;
    // One connection per session: what else comes in is none of ours.
    endpoint.set_server_config(None);
    let quic = connecting.await?;
    // A stream without content tells the laptop that its key was accepted (see `connect::admitted`). Dropping it
    // finishes it.
    drop(quic.open_uni().await?);
    Ok(quic)
}

async fn answer(carrier: &mut Carrier, known: bool) -> Result<(), CarrierEnd> {
    time::timeout(GREETING_DEADLINE, carrier.outgoing.send(Answer::new(known).encode()))
        .await
        .map_err(|_| CarrierEnd::Silent)?
        .map_err(CarrierEnd::Io)
}

/// A session's entry in [`Seats`], and the carriers that came for it.
struct Seat {
    seats: Seats,
    token: Token,
    /// carrier tasks --carriers of this token--> driver
    carriers_rx: mpsc::Receiver<Greeted>,
    link: Arc<Link>,
    state: Option<watch::Sender<LinkState>>,
}

impl Seat {
    fn pump(&self, greeted: Greeted) -> Pump {
        Box::pin(agent_pump(self.link.clone(), greeted.carrier, greeted.first))
    }
}

impl Source for Seat {
    async fn next(&mut self, _since: Instant) -> Pump {
        let pump = self.replacement().await;
        if let Some(state) = &self.state {
            state.send_replace(LinkState::Up);
        }
        pump
    }

    async fn replacement(&mut self) -> Pump {
        match self.carriers_rx.recv().await {
            Some(greeted) => self.pump(greeted),
            // The sender stands in the map as long as this seat does.
            None => future::pending().await,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.seats).remove(&self.token);
    }
}

/// No code that holds this lock can panic, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
