//! A session's connection: streams each way, over however many carriers it takes.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use quinn::{ConnectionError, VarInt};
use tokio::{
    sync::{Notify, watch},
    time,
};

use crate::{
    flow::{Flow, StreamError},
    link::Link,
    message::{MAX_OPEN, Open},
};

/// How long the header of an incoming stream may take.
const HEADER_DEADLINE: Duration = Duration::from_secs(10);
/// How long a session lives without a carrier, unless the user wants otherwise.
pub const RESUME: Duration = Duration::from_secs(60);

/// Application error code of every close; what happened is in the reason.
const CLOSED: VarInt = VarInt::from_u32(0);
/// Reasons are for people; a peer's is cut here.
const MAX_REASON: usize = 200;

/// What goes first when streams compete for the link. A stream of higher priority does not wait for one of lower
/// priority, but for what is already on its way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Files and other transfers that nobody waits for at once.
    Bulk,
    /// Requests and connections.
    #[default]
    Flow,
    /// Control messages, probes, DNS.
    Control,
}

impl Priority {
    pub(crate) fn value(self) -> i32 {
        match self {
            Self::Bulk => -1,
            Self::Flow => 0,
            Self::Control => 1,
        }
    }
}

/// Whether the session has a carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// It has, and the other end is there.
    Up,
    /// It has not; nothing is lost yet, a new one is on its way or awaited.
    Lost {
        /// When the last one ended.
        since: time::Instant,
    },
}

/// Resolves when the link has been lost for `long`, or when nobody tells of it any more. Cancel safe.
pub(crate) async fn lost_for(mut link: watch::Receiver<LinkState>, long: Duration) {
    loop {
        let state = *link.borrow_and_update();
        let over = async {
            match state {
                LinkState::Up => std::future::pending().await,
                LinkState::Lost { since } => time::sleep_until(since + long).await,
            }
        };
        tokio::select! {
            () = over => return,
            changed = link.changed() => if changed.is_err() { return },
        }
    }
}

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// This end closed it.
    #[error("closed: {0}")]
    Here(String),
    /// The other end closed it.
    #[error("closed by the other end: {0}")]
    Peer(String),
    /// No carrier could be had for the whole resume time.
    #[error("no way to the other end for {}", seconds(.0))]
    NoCarrier(Duration),
    /// The agent was started anew and knows nothing of this session.
    #[error("the agent was restarted")]
    Forgotten,
    /// There was a carrier, but nothing came for longer than the resume time.
    #[error("the other end fell silent")]
    Silent,
    /// The other end broke the protocol, or has another key.
    #[error("the session failed: {0}")]
    Failed(String),
}

fn seconds(duration: &Duration) -> String {
    format!("{:.0} s", duration.as_secs_f64())
}

/// A session, seen from either end. Clones are the same session; it is closed when the last one is dropped, and
/// its streams end with it.
#[derive(Debug, Clone)]
pub struct Connection(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
}

/// What the driver needs too. It must not keep the session alive, so it has this and not a [`Connection`].
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) quic: quinn::Connection,
    endpoint: quinn::Endpoint,
    wire: Arc<Link>,
    pub(crate) link: watch::Sender<LinkState>,
    /// Set before quinn is closed by this end; the first one counts.
    why: OnceLock<Closed>,
    /// Becomes true when the driver has ended.
    pub(crate) ended: watch::Sender<bool>,
    /// The way may be back: no pause before the next dial.
    pub(crate) dial_now: Notify,
}

impl Shared {
    pub(crate) fn new(quic: quinn::Connection, endpoint: quinn::Endpoint, wire: Arc<Link>) -> Arc<Self> {
        Arc::new(Self {
            quic,
            endpoint,
            wire,
            link: watch::Sender::new(LinkState::Up),
            why: OnceLock::new(),
            ended: watch::Sender::new(false),
            dial_now: Notify::new(),
        })
    }

    /// Makes QUIC send something at once, because the carrier is new. The answer shows what the last one has lost;
    /// without it that would be sent again only after a timeout, which may have backed off for long. A changed
    /// socket is what makes quinn do that; it is the same one.
    pub(crate) fn kick(&self) {
        self.wire.renew();
        // Fails only for a socket without an address.
        let _ = self.endpoint.rebind_abstract(self.wire.clone());
    }

    /// Closes the session; the reason is sent to the other end.
    pub(crate) fn close(&self, why: Closed) {
        let reason = match &why {
            Closed::Here(reason) => reason.clone(),
            why => why.to_string(),
        };
        if self.why.set(why).is_ok() {
            self.quic.close(CLOSED, cut(&reason).as_bytes());
        }
    }

    /// Whether it is this end that has closed.
    pub(crate) fn is_closed_here(&self) -> bool {
        !matches!(
            self.quic.close_reason(),
            None | Some(
                ConnectionError::ApplicationClosed(_) | ConnectionError::TimedOut | ConnectionError::Reset
            )
        )
    }

    fn why(&self, error: ConnectionError) -> Closed {
        match error {
            ConnectionError::LocallyClosed => {
                self.why.get().cloned().unwrap_or_else(|| Closed::Here(String::new()))
            }
            ConnectionError::ApplicationClosed(close) => {
                Closed::Peer(cut(&String::from_utf8_lossy(&close.reason)).to_owned())
            }
            ConnectionError::TimedOut => Closed::Silent,
            ConnectionError::Reset => Closed::Forgotten,
            error => Closed::Failed(error.to_string()),
        }
    }
}

impl Connection {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(Arc::new(Inner { shared }))
    }

    /// Opens a stream and writes its header. Waits only while the other end has as many streams as it allows.
    /// When cancelled, the stream is reset.
    ///
    /// # Errors
    /// When the session is over.
    pub async fn open(&self, open: &Open, priority: Priority) -> Result<Flow, OpenError> {
        let (send, recv) = self.quic().open_bi().await.map_err(|_| OpenError::ConnectionLost)?;
        let mut flow = Flow::new(send, recv);
        flow.send.set_priority(priority);
        flow.send.message(open, MAX_OPEN).await.map_err(OpenError::Header)?;
        Ok(flow)
    }

    /// The next stream of the other end; `None` when the session is over. Cancel safe.
    pub async fn accept(&self) -> Option<Incoming> {
        let (send, recv) = self.quic().accept_bi().await.ok()?;
        Some(Incoming { flow: Flow::new(send, recv) })
    }

    /// Whether there is a carrier, and since when not.
    #[must_use]
    pub fn link(&self) -> watch::Receiver<LinkState> {
        self.0.shared.link.subscribe()
    }

    /// When something last came from the other end, whatever it was: keep-alives are due every second. On a slow path
    /// that is full, messages may take longer than that.
    #[must_use]
    pub fn heard(&self) -> time::Instant {
        self.0.shared.wire.heard().unwrap_or_else(time::Instant::now)
    }

    /// Resolves when there has been no way to the other end for `long`. Cancel safe.
    pub async fn lost_for(&self, long: Duration) {
        lost_for(self.link(), long).await;
    }

    /// Dials anew at once, if the link is lost: the caller knows that the way may be back, as when the API server answers
    /// again. What is being dialled is given up. At the agent, and while the link is up, nothing follows.
    pub fn dial_now(&self) {
        if *self.link().borrow() != LinkState::Up {
            self.0.shared.dial_now.notify_one();
        }
    }

    /// QUIC's estimate of the round trip time, the other end's delay taken off.
    #[must_use]
    pub fn rtt(&self) -> Duration {
        self.quic().rtt()
    }

    /// Ends the session and all its streams at once; the other end is told the reason (cut to 200 bytes).
    /// [`Self::closed`] waits until that was sent.
    pub fn close(&self, reason: &str) {
        self.0.shared.close(Closed::Here(reason.to_owned()));
    }

    /// Waits until the session is over, and its last bytes have been given to the carrier (one second at most).
    /// Cancel safe.
    pub async fn closed(&self) -> Closed {
        let error = self.quic().closed().await;
        // Fails only when the sender is gone, which `self` holds.
        let _ = self.0.shared.ended.subscribe().wait_for(|ended| *ended).await;
        self.0.shared.why(error)
    }

    fn quic(&self) -> &quinn::Connection {
        &self.0.shared.quic
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.close(Closed::Here("dropped".to_owned()));
    }
}

/// A stream that the other end opened, before its header is read.
#[derive(Debug)]
pub struct Incoming {
    flow: Flow,
}

impl Incoming {
    /// Reads what the stream is for. Belongs into a task of the stream's own: a peer may take its time, up to ten
    /// seconds. On an error, or when cancelled, the stream is reset.
    ///
    /// # Errors
    /// When there is no header in time, or something else in its place.
    pub async fn header(self) -> Result<(Open, Flow), StreamError> {
        let mut flow = self.flow;
        let open = time::timeout(HEADER_DEADLINE, flow.recv.message(MAX_OPEN))
            .await
            .unwrap_or(Err(StreamError::TimedOut))?
            .ok_or(StreamError::Truncated)?;
        Ok((open, flow))
    }
}

/// A stream could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The session is over; [`Connection::closed`] says why.
    #[error("the session is over")]
    ConnectionLost,
    /// The header could not be written.
    #[error("the stream's header was not taken")]
    Header(#[source] StreamError),
}

/// The first [`MAX_REASON`] bytes, at most, that are whole characters.
fn cut(reason: &str) -> &str {
    reason.get(..reason.floor_char_boundary(MAX_REASON)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        let long = cut(&"ä".repeat(150)).to_owned();
        assert_eq!(long.len(), MAX_REASON);
        assert_eq!(cut(&format!("x{}", "ä".repeat(150))).len(), MAX_REASON - 1);
    }
}
