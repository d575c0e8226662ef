//! Asks again what was asked: the developer's process, or somebody in the cluster.
//!
//! A request is sent once. One that is broken on the way is told so and not repeated: who asks again decides that.

mod http1;
mod http2;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use inspector::{Direction, End, Exchange, Message, Route, Timing, Version};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time;
use tunnel::Priority;
use tunnel::message::{MAX_OPEN, Open, Reply};

use super::{Inspector, begins};
use crate::error::chain;
use crate::session::current::Current;
use crate::session::requests::Way;
use crate::session::{Context, originals};

/// An answer that takes longer is shown as far as it has come.
const ANSWER: Duration = Duration::from_secs(60);
/// Where replays can go.
#[derive(Clone)]
pub struct Ways {
    /// The process.
    pub way: Way,
    /// Container port → laptop port.
    pub ports: Arc<BTreeMap<u16, u16>>,
    /// To the agent, which dials in the cluster.
    pub current: Current,
    /// Where originals are looked up.
    pub context: Context,
}

/// A request to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outgoing {
    /// The exchange that is replayed.
    pub of: u64,
    /// Where it goes.
    pub to: To,
    /// As in [`Exchange`].
    pub method: String,
    /// As in [`Exchange`].
    pub target: String,
    /// As in [`Exchange`].
    pub host: String,
    /// Headers and body; the body is sent as it is.
    pub request: Message,
}

/// Where a replay goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum To {
    /// The developer's process.
    Process,
    /// An original; of an outbound exchange whom the process had asked.
    Cluster,
}

/// Why nothing was sent, or what came of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReplayError {
    /// It is kept no more, or never was.
    #[error("there is no request {0}")]
    None(u64),
    /// There is nobody to send it to.
    #[error("{0}")]
    Nobody(String),
    /// It is no request that HTTP can carry.
    #[error("it can't be sent: {0}")]
    Malformed(String),
    /// It was sent, at least in part, and no answer came. Whether it had an effect is not known.
    #[error("it was sent, and no answer came: {0}")]
    Unanswered(String),
}

impl Inspector {
    /// Sends a request and records what comes; returns the id of that. Cancel safe: it is cut then.
    ///
    /// # Errors
    /// See [`ReplayError`].
    pub async fn replay(&self, outgoing: Outgoing) -> Result<u64, ReplayError> {
        let before = self.ring().get(outgoing.of).ok_or(ReplayError::None(outgoing.of))?;
        let nobody = |why: &str| ReplayError::Nobody(why.to_owned());
        let ways = self.ways.get().cloned().ok_or_else(|| nobody("the session has no process yet"))?;
        let mut exchange = prepare(&before, &outgoing, &ways).await?;
        let conversation = Conversation::new(exchange.version, &outgoing)?;
        exchange.id = self.next_id();
        let id = exchange.id;
        let address = exchange.to.ok_or_else(|| nobody("there is no address to send it to"))?;
        let dialled = Instant::now();
        let answered = match outgoing.to {
            To::Process => {
                let tcp = ways.way.dial(address.port()).await.map_err(|error| {
                    ReplayError::Nobody(format!("nothing accepts connections on {address}: {error}"))
                })?;
                let _ = tcp.set_nodelay(true);
                exchange.timing.connect_us = micros(dialled.elapsed());
                conversation.hold(self, &mut exchange, tcp).await
            }
            To::Cluster => {
                let mut current = ways.current.clone();
                let lost = |why: String| ReplayError::Nobody(format!("{address} can't be reached: {why}"));
                let open = Open::Outbound { to: address };
                let mut flow = time::timeout(ANSWER, current.open(&open, Priority::Flow))
                    .await
                    .map_err(|_| lost("the agent does not answer".into()))?
                    .map_err(|error| lost(error.to_string()))?;
                match flow.recv.message::<Reply>(MAX_OPEN).await {
                    Ok(Some(Reply::Accepted)) => {}
                    Ok(Some(Reply::Refused(why))) => return Err(lost(format!("{why:?}"))),
                    Ok(None) => return Err(lost("the agent ended it".into())),
                    Err(error) => return Err(lost(error.to_string())),
                }
                exchange.timing.connect_us = micros(dialled.elapsed());
                conversation.hold(self, &mut exchange, tokio::io::join(flow.recv, flow.send)).await
            }
        };
        exchange.end = Some(if answered.is_ok() { End::Complete } else { End::Cut });
        let had_an_answer = exchange.status.is_some();
        self.put(exchange);
        match answered {
            // Shown as far as it came.
            Err(_) if had_an_answer => Ok(id),
            answered => answered.map(|()| id),
        }
    }
}

/// How it is said.
enum Conversation {
    /// The bytes.
    Http1(Bytes),
    Http2(Box<Request<Full<Bytes>>>),
}

impl Conversation {
    fn new(version: Version, outgoing: &Outgoing) -> Result<Self, ReplayError> {
        Ok(match version {
            Version::Http10 | Version::Http11 => Self::Http1(http1::bytes(outgoing, version)?),
            Version::Http2 => Self::Http2(Box::new(http2::request(outgoing)?)),
        })
    }

    /// Puts what it has told into `exchange`, and what is known meanwhile into the ring.
    async fn hold<IO>(self, inspector: &Inspector, exchange: &mut Exchange, io: IO) -> Result<(), ReplayError>
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        match self {
            Self::Http1(bytes) => http1::hold(inspector, exchange, io, &bytes).await,
            Self::Http2(request) => http2::hold(inspector, exchange, io, *request).await,
        }
    }
}

/// What is known of it before it is sent.
async fn prepare(before: &Exchange, outgoing: &Outgoing, ways: &Ways) -> Result<Exchange, ReplayError> {
    if before.request.header("upgrade").any(|to| to.eq_ignore_ascii_case("websocket")) {
        return Err(ReplayError::Nobody("a WebSocket is a conversation and can't be replayed".into()));
    }
    let (to, route) = match (outgoing.to, before.direction) {
        (To::Process, Direction::Requests) => {
            let port = ways.ports.get(&before.port).copied().ok_or_else(|| {
                ReplayError::Nobody(format!("port {} of the target does not lead here", before.port))
            })?;
            (
                SocketAddr::from(([127, 0, 0, 1], port)),
                Route::Laptop { why: "replayed to the process".into() },
            )
        }
        (To::Process, Direction::Outbound) => {
            return Err(ReplayError::Nobody(
                "the process itself asked that; --to cluster sends it again".into(),
            ));
        }
        (To::Cluster, Direction::Outbound) => {
            let to = before.to.ok_or_else(|| ReplayError::Nobody("whom it asked is not known".into()))?;
            (to, Route::Cluster { why: "replayed through the agent".into() })
        }
        (To::Cluster, Direction::Requests) => {
            let all = originals::now(&ways.context).await;
            let all = all.map_err(|error| ReplayError::Nobody(chain(&error)))?;
            let original = all.iter().find(|original| original.port == before.port);
            let original = original
                .ok_or_else(|| ReplayError::Nobody(format!("no original serves port {} now", before.port)))?;
            (original.addr, Route::Originals { why: "replayed to an original".into() })
        }
    };
    let mut exchange = begins(before.direction, before.port, route);
    exchange.to = Some(to);
    exchange.version = before.version;
    exchange.method.clone_from(&outgoing.method);
    exchange.target.clone_from(&outgoing.target);
    exchange.host.clone_from(&outgoing.host);
    exchange.request = outgoing.request.clone();
    exchange.request.body.size = exchange.request.body.kept.len() as u64;
    exchange.replay_of = Some(before.id);
    exchange.trace.clone_from(&before.trace);
    exchange.timing = Timing {
        tunnel_us: (outgoing.to == To::Cluster).then(|| ways.context.board.one_way_us()).flatten(),
        ..Timing::default()
    };
    Ok(exchange)
}

/// Nothing came in time.
fn late() -> ReplayError {
    ReplayError::Unanswered(format!("not within {} s", ANSWER.as_secs()))
}

fn micros(time: Duration) -> Option<u64> {
    u64::try_from(time.as_micros()).ok()
}
