//! From the bytes of a connection to exchanges.
//!
//! A passive reader: it gets copies of what has passed, of both directions, in the pieces in which it passed, and never
//! delays, changes or refuses a byte. Whatever it can't read, and everything on which this reading and a server's could
//! differ, makes the connection opaque for good: what is shown is true, or is marked as [`End::Unread`].
//!
//! ```text
//! bytes --> Reader --> http1 --> websocket
//!                 \--> http2 --> hpack, grpc      each --> Context (exchanges in progress) --> Sink
//! ```
//!
//! However the same bytes are cut into pieces, the same exchanges come of them.

mod body;
mod field;
pub mod fuzz;
mod grpc;
mod hpack;
mod http1;
mod http2;
mod progress;
#[cfg(test)]
mod tests;
mod trace;
mod websocket;

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

use self::{http1::Http1, http2::Http2, progress::Context, progress::Progress, websocket::WebSocket};
use crate::{End, Exchange};

/// How much is kept of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of each body. What is above it is counted.
    pub body: usize,
    /// Bytes of one head, and as many of its trailers; of HTTP/2 as RFC 9113 §6.5.2 counts a list of headers, with 32 for each
    /// of them. A longer one makes the connection opaque.
    pub headers: usize,
    /// Exchanges in progress. More make the connection opaque.
    pub open: usize,
    /// Bytes of all exchanges in progress together, half of them for bodies. When that half is used, bodies are only counted;
    /// when the other one is, one more head makes the connection opaque.
    pub kept: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body: 64 << 10, headers: 64 << 10, open: 256, kept: 16 << 20 }
    }
}

/// Who sent some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Who asks.
    Asker,
    /// Who answers.
    Answerer,
}

/// What time it was at an [`Instant`]. Taken once, so that the times of a connection fit each other although somebody sets
/// the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    instant: Instant,
    timestamp: Timestamp,
}

impl Clock {
    /// As the system's clocks say now.
    pub fn now() -> Self {
        Self::new(Instant::now(), Timestamp::now())
    }

    /// Two times that are the same.
    pub fn new(instant: Instant, timestamp: Timestamp) -> Self {
        Self { instant, timestamp }
    }

    /// The time at `at`, which may be earlier than the clock.
    pub fn at(&self, at: Instant) -> Timestamp {
        let since = SignedDuration::try_from(at.saturating_duration_since(self.instant)).unwrap_or_default();
        let before = SignedDuration::try_from(self.instant.saturating_duration_since(at)).unwrap_or_default();
        let time = self.timestamp.checked_add(since).and_then(|time| time.checked_sub(before));
        time.unwrap_or(self.timestamp)
    }
}

/// Who is told of exchanges. `key` counts from 0 within the connection; the exchange's own number is the template's.
pub trait Sink {
    /// The request's head is complete.
    fn begun(&mut self, key: u64, exchange: &Exchange);
    /// The final answer's head is complete.
    fn answered(&mut self, key: u64, exchange: &Exchange);
    /// Nothing more will come. Once for each that has begun.
    fn ended(&mut self, key: u64, exchange: Exchange);
}

/// The reader of one connection.
///
/// Memory: at most [`Limits::kept`], and beside that for each direction one incomplete head, and of HTTP/2 a table of
/// 64 KiB.
#[derive(Debug)]
pub struct Reader {
    progress: Progress,
    protocol: Protocol,
    finished: Sides<bool>,
}

#[derive(Debug)]
enum Protocol {
    /// So many bytes of HTTP/2's preface have come, the first of them then; each of them could be a request's, too.
    Unknown {
        preface: usize,
        since: Option<Instant>,
    },
    Http1(Box<Http1>),
    Http2(Box<Http2>),
    WebSocket(Box<WebSocket>),
    Opaque,
}

/// It can't be read, or not for certain. The connection is opaque from here on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this can't be read")]
struct Unreadable;

impl Reader {
    /// The reader of a connection on which nothing has passed. `first` says what the bytes can't: direction, addresses, port,
    /// route, times before the first byte, and what it is a replay of. `queue_us` and `connect_us` are the first exchange's.
    pub fn new(first: Exchange, clock: Clock, limits: Limits) -> Self {
        Self {
            progress: Progress::new(first, clock, limits),
            protocol: Protocol::Unknown { preface: 0, since: None },
            finished: Sides::default(),
        }
    }

    /// Bytes have passed from `side`. What an answer is the answer to must have been fed before it.
    pub fn feed(&mut self, side: Side, bytes: &[u8], at: Instant, sink: &mut impl Sink) {
        if bytes.is_empty() || *self.finished.get(side) {
            return;
        }
        if self.read(side, bytes, at, sink).is_err() {
            self.context(at, sink).0.end_all(End::Unread);
            self.protocol = Protocol::Opaque;
        }
    }

    /// `side` has said all (FIN).
    pub fn finish(&mut self, side: Side, at: Instant, sink: &mut impl Sink) {
        if std::mem::replace(self.finished.get_mut(side), true) {
            return;
        }
        let both = self.finished.asker && self.finished.answerer;
        let answered = self.finished.answerer;
        let (mut context, protocol) = self.context(at, sink);
        match protocol {
            Protocol::Http1(http1) => http1.finish(side, &mut context),
            Protocol::Http2(http2) => http2.finish(side, &mut context),
            Protocol::WebSocket(_) if both => context.end_all(End::Complete),
            Protocol::WebSocket(_) => return,
            Protocol::Unknown { .. } | Protocol::Opaque => {}
        }
        if answered {
            context.end_all(End::Cut);
        }
    }

    /// The connection was reset, or bytes of it were lost on the way here ([`End::Unread`]). Nothing is read any more.
    pub fn cut(&mut self, end: End, at: Instant, sink: &mut impl Sink) {
        self.context(at, sink).0.end_all(end);
        self.finished = Sides { asker: true, answerer: true };
        if end == End::Unread {
            self.protocol = Protocol::Opaque;
        }
    }

    /// Exchanges in progress, with what has passed of them until now, the oldest first.
    pub fn open(&self) -> impl Iterator<Item = (u64, &Exchange)> {
        self.progress.open()
    }

    /// Whether it could not be read, or not any more.
    pub fn is_opaque(&self) -> bool {
        matches!(self.protocol, Protocol::Opaque)
    }

    fn context<'a>(&'a mut self, at: Instant, sink: &'a mut impl Sink) -> (Context<'a>, &'a mut Protocol) {
        (Context::new(&mut self.progress, sink, at), &mut self.protocol)
    }

    fn read(
        &mut self,
        side: Side,
        bytes: &[u8],
        at: Instant,
        sink: &mut impl Sink,
    ) -> Result<(), Unreadable> {
        let (mut context, protocol) = self.context(at, sink);
        let mut rest = bytes;
        if let Protocol::Unknown { preface, since } = protocol {
            let first = since.unwrap_or(at);
            let seen = http2::PREFACE.get(..*preface).unwrap_or_default();
            if side == Side::Answerer {
                // Who answers speaks first: HTTP/2 allows it.
                let mut http2 = Http2::new();
                http2.feed(Side::Asker, seen, &mut context)?;
                *protocol = Protocol::Http2(Box::new(http2));
            } else {
                let expected = http2::PREFACE.get(*preface..).unwrap_or_default();
                let same = expected.iter().zip(bytes).take_while(|(one, other)| one == other).count();
                if same == bytes.len() && same < expected.len() {
                    *protocol = Protocol::Unknown { preface: *preface + same, since: Some(first) };
                    return Ok(());
                }
                let mut earlier = context.earlier(first);
                if same == expected.len() {
                    let mut http2 = Http2::new();
                    http2.feed(side, seen, &mut earlier)?;
                    *protocol = Protocol::Http2(Box::new(http2));
                } else {
                    let mut http1 = Http1::default();
                    http1.feed(side, &mut &seen[..], &mut earlier)?;
                    *protocol = Protocol::Http1(Box::new(http1));
                }
            }
        }
        if let Protocol::Http1(http1) = protocol
            && let Some(key) = http1.feed(side, &mut rest, &mut context)?
        {
            *protocol = Protocol::WebSocket(Box::new(WebSocket::new(key)));
        }
        match protocol {
            Protocol::Http2(http2) => http2.feed(side, rest, &mut context),
            Protocol::WebSocket(websocket) => websocket.feed(side, rest, &mut context),
            Protocol::Http1(_) | Protocol::Unknown { .. } | Protocol::Opaque => Ok(()),
        }
    }
}

/// One for each side.
#[derive(Debug, Default)]
struct Sides<T> {
    asker: T,
    answerer: T,
}

impl<T> Sides<T> {
    fn get(&self, side: Side) -> &T {
        match side {
            Side::Asker => &self.asker,
            Side::Answerer => &self.answerer,
        }
    }

    fn get_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Asker => &mut self.asker,
            Side::Answerer => &mut self.answerer,
        }
    }
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Asker => Self::Answerer,
            Self::Answerer => Self::Asker,
        }
    }
}
