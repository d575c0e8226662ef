//! One byte stream between the two ends, and the way to get one.
//!
//! A carrier is all that the tunnel asks of the world: bytes arrive in order, in chunks of any size, until it
//! ends. It may end at any moment; the session then goes on with the next one.

mod io_sink;

use std::{io, pin::Pin};

use bytes::{Bytes, BytesMut};
use futures::{Sink, Stream, future::BoxFuture, stream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, split};

use io_sink::IoSink;

/// Largest chunk that is ever handed to [`Carrier::outgoing`]: what fits a frame of the port-forward.
pub const MAX_CHUNK: usize = 64 << 10;
/// How much is read at once by [`Carrier::from_io`].
const READ: usize = 64 << 10;

/// A byte stream both ways: a port-forward's WebSocket at the laptop, TCP at the agent, memory in tests.
///
/// It ends with the end of `incoming` or an error on either side. Bytes that were handed to `outgoing` may be
/// lost then.
pub struct Carrier {
    /// Bytes from the other end, chunks of any size.
    pub incoming: Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>,
    /// Bytes to the other end, chunks of at most [`MAX_CHUNK`]. Flushed when nothing more waits to be sent;
    /// a chunk may be kept until then.
    pub outgoing: Pin<Box<dyn Sink<Bytes, Error = io::Error> + Send>>,
}

impl Carrier {
    /// A carrier of anything that reads and writes. `TCP_NODELAY` is the caller's to set.
    pub fn from_io<T>(io: T) -> Self
    where
        T: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (read, write) = split(io);
        let incoming = stream::unfold(read, |mut read| async move {
            let mut chunk = BytesMut::with_capacity(READ);
            match read.read_buf(&mut chunk).await {
                Ok(0) => None,
                Ok(_) => Some((Ok(chunk.freeze()), read)),
                Err(error) => Some((Err(error), read)),
            }
        });
        Self { incoming: Box::pin(incoming), outgoing: Box::pin(IoSink::new(write)) }
    }
}

/// The way to the agent. A port-forward today; a direct path can follow behind the same trait.
pub trait Dial: Send + Sync + 'static {
    /// Makes a new carrier. Called again whenever the last one has ended; dropping the future gives up.
    fn dial(&self) -> BoxFuture<'_, io::Result<Carrier>>;
}
