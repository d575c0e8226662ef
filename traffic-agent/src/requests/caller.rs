//! A caller's connection, and what is known of it across everybody who serves it.

use std::{cell::RefCell, io, net::SocketAddr, os::fd::AsRawFd as _, time::Duration};

use bytes::{Buf as _, Bytes};
use nix::sys::socket::{Shutdown, setsockopt, shutdown, sockopt};
use tokio::{
    net::TcpStream,
    time::{self, Instant},
};
use tracing::debug;
use tunnel::{
    budget::{Backlog, Budget},
    socket::try_read,
};

use super::{
    exchange::{Exchange, State},
    farewell::Farewell,
    without_delay,
};

/// Most bytes of a request that are kept to be given to somebody else.
pub(super) const KEPT_LIMIT: usize = 64 << 10;
/// Most bytes read at once.
const READ: usize = 128 << 10;
/// How often a request is given to somebody else of which nobody got a byte.
const UNSEEN_REPEATS: u8 = 3;
/// How often one is that somebody might have acted on: a request that kills its server must not kill them all.
const SEEN_REPEATS: u8 = 1;
/// How long a kept-alive connection may wait for its next request while nobody serves it. Longer than any
/// usual client keeps an idle connection, so that it is not closed under a request.
const PARKED: Duration = Duration::from_secs(600);
/// How long to wait for the caller's end after this one.
pub(super) const LINGER: Duration = Duration::from_secs(5);

thread_local! {
    /// Bytes on their way through. An idle connection owns no buffer, and what can be written at once is never
    /// copied. Used only between two awaits.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// One caller.
pub(super) struct Caller {
    pub(super) tcp: TcpStream,
    pub(super) from: SocketAddr,
    pub(super) port: u16,
    pub(super) exchange: Exchange,
    pub(super) kept: Kept,
    pub(super) farewell: Farewell,
    /// Read from the caller, not yet taken by whoever serves.
    pub(super) to_leg: Bytes,
    /// Read from whoever serves, not yet taken by the caller.
    pub(super) to_caller: Backlog,
    /// The caller sends no more.
    pub(super) ended: bool,
    /// Servers in a row that ended the connection before a byte had passed.
    pub(super) fruitless: u8,
    /// Which laptop session was asked last to serve this connection, and when.
    pub(super) asked: Option<(u64, Instant)>,
}

/// What a socket gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    Some,
    Nothing,
    End,
}

impl Caller {
    pub(super) fn new(tcp: TcpStream, from: SocketAddr, port: u16, budget: &Budget) -> Self {
        without_delay(&tcp);
        // A caller whose node is gone would otherwise hold its place for ever.
        if let Err(error) = setsockopt(&tcp, sockopt::KeepAlive, &true)
            .and_then(|()| setsockopt(&tcp, sockopt::TcpKeepIdle, &60))
        {
            debug!(%error, "cannot set keep-alive");
        }
        Self {
            tcp,
            from,
            port,
            exchange: Exchange::default(),
            kept: Kept::default(),
            farewell: Farewell::default(),
            to_leg: Bytes::new(),
            to_caller: Backlog::new(budget),
            ended: false,
            fruitless: 0,
            asked: None,
        }
    }

    /// Reads what the caller sent, without waiting. `take` gets the bytes and says how many it took; the rest
    /// becomes [`Self::to_leg`]. At a boundary of exchanges a new request begins.
    pub(super) fn read(&mut self, take: impl FnOnce(&[u8]) -> usize) -> io::Result<Read> {
        if self.exchange.between() {
            self.kept.begin();
        }
        let mut rest = Bytes::new();
        let read = self.receive(READ, |bytes| {
            let taken = take(bytes);
            rest = Bytes::copy_from_slice(bytes.get(taken..).unwrap_or_default());
            taken
        })?;
        if read == Read::Some {
            self.to_leg = rest;
            if self.kept.sent > 0 && !self.exchange.repeatable() {
                self.kept.forget();
            }
        }
        Ok(read)
    }

    /// Reads up to `max` bytes into what is kept, without waiting.
    pub(super) fn read_into_kept(&mut self, max: usize) -> io::Result<Read> {
        self.receive(max, |_| 0)
    }

    fn receive(&mut self, max: usize, take: impl FnOnce(&[u8]) -> usize) -> io::Result<Read> {
        let (exchange, kept) = (&mut self.exchange, &mut self.kept);
        let read = read_socket(&self.tcp, max, |bytes| {
            exchange.request(bytes);
            kept.add(bytes);
            kept.sent += take(bytes) as u64;
        })?;
        self.ended |= read == Read::End;
        Ok(read)
    }

    /// The outstanding requests can be given to somebody else, whole and without harm.
    pub(super) fn can_give_again(&self) -> bool {
        let limit = if self.kept.sent == 0 { UNSEEN_REPEATS } else { SEEN_REPEATS };
        let harmless = self.kept.sent == 0 || self.exchange.repeatable();
        let whole = self.exchange.state() == State::Inside && self.kept.whole && !self.exchange.answered();
        whole && harmless && self.kept.repeats < limit
    }

    /// Counts that what is kept goes to somebody else.
    pub(super) fn give_again(&mut self) {
        self.kept.repeats = self.kept.repeats.saturating_add(1);
    }

    /// Puts what is kept in front of a leg that has got nothing.
    pub(super) fn give_kept(&mut self) {
        self.kept.sent = 0;
        self.to_leg = Bytes::copy_from_slice(&self.kept.bytes);
        self.forget();
    }

    /// Lets go of kept bytes that can't be needed any more.
    pub(super) fn forget(&mut self) {
        let needed = self.exchange.state() == State::Inside && self.exchange.repeatable();
        if !needed {
            self.kept.forget();
        }
    }

    /// Waits for the caller's next request while nobody serves it; false when the connection is over. It leaves
    /// the request's bytes where they are.
    pub(super) async fn next_request(&mut self) -> bool {
        self.to_leg = Bytes::new();
        self.kept.forget();
        if self.ended {
            return false;
        }
        matches!(time::timeout(PARKED, self.tcp.peek(&mut [0])).await, Ok(Ok(1..)))
    }

    /// Gives the caller `bytes`: what it takes at once is not copied. An error shows up at the next write.
    pub(super) fn give(&mut self, mut bytes: Bytes) {
        if self.to_caller.is_empty() {
            let taken = self.tcp.try_write(&bytes).unwrap_or(0);
            bytes.advance(taken);
        }
        self.to_caller.push(bytes);
    }

    /// Ends the answer's direction.
    pub(super) fn finish(&self) {
        if let Err(error) = shutdown(self.tcp.as_raw_fd(), Shutdown::Write) {
            debug!(%error, "caller is gone already");
        }
    }

    /// Ends the connection after the last answer: what was sent must reach the caller, so what it still sends is
    /// read until it ends, too.
    pub(super) async fn part(self) {
        self.finish();
        let rest = async {
            while self.tcp.readable().await.is_ok() {
                if let Ok(Read::End) | Err(_) = read_socket(&self.tcp, READ, |_| ()) {
                    return;
                }
            }
        };
        let _ = time::timeout(LINGER, rest).await;
    }

    /// Ends the connection as a broken one.
    pub(super) fn reset(self) {
        reset(&self.tcp);
    }
}

/// Closing `tcp` will reset it.
pub(super) fn reset(tcp: &TcpStream) {
    if let Err(error) = tcp.set_zero_linger() {
        debug!(%error, "cannot reset a connection");
    }
}

/// Reads once from a socket without waiting.
pub(super) fn read_socket(tcp: &TcpStream, max: usize, got: impl FnOnce(&[u8])) -> io::Result<Read> {
    SCRATCH.with_borrow_mut(|scratch| {
        let max = max.min(scratch.len());
        let into = scratch.get_mut(..max).unwrap_or_default();
        match try_read(tcp, into.len(), || tcp.try_read(into)) {
            Ok(0) => Ok(Read::End),
            Ok(length) => {
                got(into.get(..length).unwrap_or_default());
                Ok(Read::Some)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Read::Nothing),
            Err(error) => Err(error),
        }
    })
}

/// The bytes of the requests that are outstanding, as long as they may be needed again.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) bytes: Vec<u8>,
    /// `bytes` is everything since the last boundary.
    pub(super) whole: bool,
    /// How much of them the leg has taken.
    pub(super) sent: u64,
    /// How often they were given to somebody else.
    repeats: u8,
}

impl Kept {
    /// A request begins.
    pub(super) fn begin(&mut self) {
        *self = Self { whole: true, ..Self::default() };
    }

    fn add(&mut self, bytes: &[u8]) {
        if !self.whole {
            return;
        }
        if self.bytes.len() + bytes.len() > KEPT_LIMIT {
            self.forget();
        } else {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// How much more fits.
    pub(super) fn room(&self) -> usize {
        KEPT_LIMIT.saturating_sub(self.bytes.len())
    }

    pub(super) fn forget(&mut self) {
        self.bytes = Vec::new();
        self.whole = false;
    }
}
