//! Whoever serves a caller: the laptop through the tunnel, or over TCP its code in this pod, or an original.

use std::{io, os::fd::AsRawFd as _, time::Duration};

use bytes::Bytes;
use futures::FutureExt as _;
use nix::sys::socket::{Shutdown, shutdown};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, time};
use tracing::debug;
use tunnel::{Flow, RecvHalf, SendHalf};

use super::{caller, without_delay};
use crate::laptop::{Condition, Seat};

/// Most bytes taken from the tunnel at once.
const CHUNK: usize = 256 << 10;
/// How long the laptop's process may take to end an idle connection that this side has ended.
const PARTING: Duration = Duration::from_secs(2);

/// The serving side of a connection.
pub(super) enum Leg {
    /// The laptop's process.
    Laptop {
        /// The stream, after its acknowledgement.
        flow: Flow,
        /// Its place at the laptop.
        seat: Seat,
    },
    /// The process in this pod that runs the laptop's code.
    Process {
        /// The connection to it.
        tcp: TcpStream,
        /// Its place there.
        seat: Seat,
    },
    /// An original.
    Original {
        /// The connection to it.
        tcp: TcpStream,
    },
}

/// The three things to wait for.
pub(super) struct Parts<'a> {
    pub(super) reader: Reader<'a>,
    pub(super) writer: Writer<'a>,
    pub(super) change: Change<'a>,
}

/// From whoever serves.
pub(super) enum Reader<'a> {
    Flow(&'a mut RecvHalf),
    Tcp(&'a TcpStream),
}

/// To whoever serves.
pub(super) enum Writer<'a> {
    Flow(&'a mut SendHalf),
    Tcp(&'a TcpStream),
}

/// Whether it still serves.
pub(super) enum Change<'a> {
    Laptop(&'a mut Seat),
    Never,
}

/// What a [`Reader`] has.
pub(super) enum Got {
    Bytes(Bytes),
    /// Bytes, perhaps, in the socket.
    Ready,
    End,
}

impl Leg {
    pub(super) fn original(tcp: TcpStream) -> Self {
        without_delay(&tcp);
        Self::Original { tcp }
    }

    pub(super) fn process(tcp: TcpStream, seat: Seat) -> Self {
        without_delay(&tcp);
        Self::Process { tcp, seat }
    }

    /// The condition of the laptop whose process this is, if it is one.
    pub(super) fn laptop(&self) -> Option<Condition> {
        match self {
            Self::Laptop { seat, .. } | Self::Process { seat, .. } => Some(seat.condition()),
            Self::Original { .. } => None,
        }
    }

    /// Whether a restart of the process waits for it no more.
    pub(super) fn set_lasts(&mut self, lasts: bool) {
        if let Self::Laptop { seat, .. } | Self::Process { seat, .. } = self {
            seat.set_lasts(lasts);
        }
    }

    pub(super) fn parts(&mut self) -> Parts<'_> {
        match self {
            Self::Laptop { flow, seat } => Parts {
                reader: Reader::Flow(&mut flow.recv),
                writer: Writer::Flow(&mut flow.send),
                change: Change::Laptop(seat),
            },
            Self::Process { tcp, seat } => {
                Parts { reader: Reader::Tcp(tcp), writer: Writer::Tcp(tcp), change: Change::Laptop(seat) }
            }
            Self::Original { tcp } => {
                Parts { reader: Reader::Tcp(tcp), writer: Writer::Tcp(tcp), change: Change::Never }
            }
        }
    }

    /// Ends an idle connection: the server gets a clean end, and has some time to end its side.
    pub(super) async fn part(self) {
        match self {
            Self::Laptop { mut flow, mut seat } => {
                // All answers are here: a process that hangs is not waited for before it is started anew.
                seat.set_lasts(true);
                flow.send.finish();
                let rest = async { while let Ok(Some(_)) = flow.recv.chunk(CHUNK).await {} };
                let _ = time::timeout(PARTING, rest).await;
                drop(seat);
            }
            Self::Process { tcp, seat } => {
                // The process sees no more than this end; the place is free at once.
                drop((tcp, seat));
            }
            Self::Original { tcp } => drop(tcp),
        }
    }

    /// Ends the connection as a broken one.
    pub(super) fn reset(&mut self) {
        match self {
            Self::Laptop { flow, .. } => {
                flow.send.reset();
                flow.recv.stop();
            }
            Self::Process { tcp, .. } | Self::Original { tcp } => caller::reset(tcp),
        }
    }
}

impl Reader<'_> {
    /// Waits for more. Cancel safe.
    pub(super) async fn ready(&mut self) -> io::Result<Got> {
        match self {
            Self::Flow(recv) => Ok(recv.chunk(CHUNK).await?.map_or(Got::End, Got::Bytes)),
            Self::Tcp(tcp) => tcp.readable().await.map(|()| Got::Ready),
        }
    }
}

impl Writer<'_> {
    /// Writes a part. Cancel safe: nothing is written then.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Flow(send) => send.write(bytes).await,
            Self::Tcp(tcp) => loop {
                tcp.writable().await?;
                match tcp.try_write(bytes) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    written => return written,
                }
            },
        }
    }

    /// Writes what can be written at once. An error shows up at the next [`Self::write`].
    pub(super) fn try_write(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::Flow(send) => send.write(bytes).now_or_never().and_then(Result::ok).unwrap_or(0),
            Self::Tcp(tcp) => tcp.try_write(bytes).unwrap_or(0),
        }
    }

    /// Ends this direction after what was written.
    pub(super) fn finish(&mut self) {
        match self {
            Self::Flow(send) => send.finish(),
            Self::Tcp(tcp) => {
                if let Err(error) = shutdown(tcp.as_raw_fd(), Shutdown::Write) {
                    debug!(%error, "the server is gone already");
                }
            }
        }
    }
}

impl Change<'_> {
    /// Waits for a change. Cancel safe.
    pub(super) async fn changed(&mut self) {
        match self {
            Self::Laptop(seat) => seat.changed().await,
            Self::Never => std::future::pending().await,
        }
    }
}
