//! One bidirectional stream of a session.
//!
//! quinn's streams with three differences: a sending half that is dropped without [`SendHalf::finish`] *resets*,
//! so that a crash is never taken for a clean end; messages of bounded length can be written and read; errors
//! say what a caller has to tell apart.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use quinn::{ReadError, StoppedError, VarInt, WriteError};
use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    connection::Priority,
    message::{self, DecodeError},
};

/// Error code of a reset and of a refusal to read on. There is one: what a reset means, the stream's own messages
/// have said before.
const RESET: VarInt = VarInt::from_u32(1);
/// Bytes of a message's length.
const PREFIX: usize = 4;

/// Both directions of a stream. They end on their own.
#[derive(Debug)]
pub struct Flow {
    /// To the other end.
    pub send: SendHalf,
    /// From the other end.
    pub recv: RecvHalf,
}

impl Flow {
    pub(crate) fn new(send: quinn::SendStream, recv: quinn::RecvStream) -> Self {
        Self {
            send: SendHalf { stream: send, ended: false },
            recv: RecvHalf { stream: recv, read: BytesMut::new() },
        }
    }

    /// Ends both directions at once and uncleanly, like a TCP reset.
    pub fn reset(mut self) {
        self.send.reset();
        self.recv.stop();
    }
}

/// A stream did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The other end reset its direction; what it sent before may be missing.
    #[error("reset by the other end")]
    Reset,
    /// The other end does not read what this one sends.
    #[error("the other end reads no more")]
    Stopped,
    /// The session is over; [`crate::Connection::closed`] says why.
    #[error("the session is over")]
    ConnectionLost,
    /// This half was finished, reset or stopped before.
    #[error("this end has closed the stream")]
    Closed,
    /// A message is too long or malformed.
    #[error("unexpected message")]
    Decode(#[source] DecodeError),
    /// The stream ended within a message.
    #[error("the stream ends within a message")]
    Truncated,
    /// A message did not come in time.
    #[error("no message in time")]
    TimedOut,
}

impl From<StreamError> for io::Error {
    fn from(error: StreamError) -> Self {
        let kind = match error {
            StreamError::Reset => io::ErrorKind::ConnectionReset,
            StreamError::Stopped => io::ErrorKind::BrokenPipe,
            StreamError::ConnectionLost => io::ErrorKind::ConnectionAborted,
            StreamError::Closed => io::ErrorKind::NotConnected,
            StreamError::Decode(_) => io::ErrorKind::InvalidData,
            StreamError::Truncated => io::ErrorKind::UnexpectedEof,
            StreamError::TimedOut => io::ErrorKind::TimedOut,
        };
        Self::new(kind, error)
    }
}

impl From<WriteError> for StreamError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Stopped(_) => Self::Stopped,
            WriteError::ConnectionLost(_) => Self::ConnectionLost,
            WriteError::ClosedStream | WriteError::ZeroRttRejected => Self::Closed,
        }
    }
}

impl From<ReadError> for StreamError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Reset(_) => Self::Reset,
            ReadError::ConnectionLost(_) => Self::ConnectionLost,
            ReadError::ClosedStream | ReadError::IllegalOrderedRead | ReadError::ZeroRttRejected => {
                Self::Closed
            }
        }
    }
}

/// The direction to the other end. Dropping it without [`Self::finish`] resets it.
#[derive(Debug)]
pub struct SendHalf {
    stream: quinn::SendStream,
    ended: bool,
}

impl SendHalf {
    /// Writes one message. Not cancel safe: a part of it may have been written.
    ///
    /// # Errors
    /// [`StreamError::Decode`] when it is longer than `limit`, which the other end would refuse; nothing is
    /// written then.
    pub async fn message<T: Serialize>(&mut self, message: &T, limit: usize) -> Result<(), StreamError> {
        let bytes = message::encode(message, limit).map_err(StreamError::Decode)?;
        self.chunk(bytes.into()).await
    }

    /// Writes bytes without copying them; they stay in memory until the other end has acknowledged them. Not
    /// cancel safe: a part may have been written.
    ///
    /// # Errors
    /// As any write.
    pub async fn chunk(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        Ok(self.stream.write_chunk(bytes).await?)
    }

    /// No more will be sent: the other end reads what there is, and then a clean end.
    pub fn finish(&mut self) {
        self.ended = true;
        // Fails only when the direction has ended in another way.
        let _ = self.stream.finish();
    }

    /// Ends this direction uncleanly: the other end gets [`StreamError::Reset`], and what it has not read yet is
    /// dropped. Without effect after everything finished was acknowledged.
    pub fn reset(&mut self) {
        self.ended = true;
        let _ = self.stream.reset(RESET);
    }

    /// Waits until the other end has everything up to [`Self::finish`] (`Ok`), or wants no more. Cancel safe.
    ///
    /// # Errors
    /// [`StreamError::Stopped`] or [`StreamError::ConnectionLost`].
    pub fn stopped(&self) -> impl Future<Output = Result<(), StreamError>> + Send + use<> {
        let stopped = self.stream.stopped();
        async move {
            match stopped.await {
                Ok(None) => Ok(()),
                Ok(Some(_)) => Err(StreamError::Stopped),
                Err(StoppedError::ConnectionLost(_) | StoppedError::ZeroRttRejected) => {
                    Err(StreamError::ConnectionLost)
                }
            }
        }
    }

    /// What goes first when streams compete.
    pub fn set_priority(&mut self, priority: Priority) {
        // Fails only when the direction has ended.
        let _ = self.stream.set_priority(priority.value());
    }
}

impl AsyncWrite for SendHalf {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes));
        Poll::Ready(written.map_err(|error| StreamError::from(error).into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// [`Self::finish`].
    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.finish();
        Poll::Ready(Ok(()))
    }
}

impl Drop for SendHalf {
    fn drop(&mut self) {
        if !self.ended {
            self.reset();
        }
    }
}

/// The direction from the other end. Dropping it before its end tells the other end to send no more.
#[derive(Debug)]
pub struct RecvHalf {
    stream: quinn::RecvStream,
    /// Bytes of a message that is not complete.
    read: BytesMut,
}

impl RecvHalf {
    /// Reads the next message; `None` at a clean end between messages. Cancel safe: what was read of a message is
    /// kept for the next call.
    ///
    /// # Errors
    /// [`StreamError::Decode`] for one above `limit`, before it is read, or malformed;
    /// [`StreamError::Truncated`] for an end within one.
    pub async fn message<T: DeserializeOwned>(&mut self, limit: usize) -> Result<Option<T>, StreamError> {
        if !self.gather(PREFIX).await? {
            return if self.read.is_empty() { Ok(None) } else { Err(StreamError::Truncated) };
        }
        let prefix = self.read.first_chunk::<PREFIX>().copied().unwrap_or_default();
        let length = usize::try_from(u32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
        if length > limit {
            return Err(StreamError::Decode(DecodeError::TooLong(length, limit)));
        }
        if !self.gather(PREFIX + length).await? {
            return Err(StreamError::Truncated);
        }
        let mut bytes = self.read.split_to(PREFIX + length);
        bytes.advance(PREFIX);
        message::decode(&bytes).map(Some).map_err(StreamError::Decode)
    }

    /// The next bytes, at most `max`, without copying them; `None` at the clean end. Cancel safe.
    ///
    /// # Errors
    /// [`StreamError::Reset`] or [`StreamError::ConnectionLost`].
    pub async fn chunk(&mut self, max: usize) -> Result<Option<Bytes>, StreamError> {
        if !self.read.is_empty() {
            let length = self.read.len().min(max);
            return Ok(Some(self.read.split_to(length).freeze()));
        }
        Ok(self.stream.read_chunk(max, true).await?.map(|chunk| chunk.bytes))
    }

    /// The next bytes in as many pieces as have come; how many were filled, `None` at the clean end. Cancel safe.
    pub(crate) async fn chunks(&mut self, chunks: &mut [Bytes]) -> Result<Option<usize>, StreamError> {
        if !self.read.is_empty()
            && let Some(first) = chunks.first_mut()
        {
            *first = self.read.split().freeze();
            return Ok(Some(1));
        }
        Ok(self.stream.read_chunks(chunks).await?)
    }

    /// Tells the other end that nothing more is read; its writes fail with [`StreamError::Stopped`].
    pub fn stop(&mut self) {
        self.read.clear();
        // Fails only when the direction has ended.
        let _ = self.stream.stop(RESET);
    }

    /// Reads until `want` bytes are there; false if the direction ends before. It takes no more than that from the
    /// stream, so that nothing of what follows a message is left behind in here.
    async fn gather(&mut self, want: usize) -> Result<bool, StreamError> {
        while let Some(missing) = want.checked_sub(self.read.len()).filter(|missing| *missing > 0) {
            let Some(chunk) = self.stream.read_chunk(missing, true).await? else { return Ok(false) };
            self.read.extend_from_slice(&chunk.bytes);
        }
        Ok(true)
    }
}

impl AsyncRead for RecvHalf {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.read.is_empty() {
            let length = self.read.len().min(to.remaining());
            to.put_slice(&self.read.split_to(length));
            return Poll::Ready(Ok(()));
        }
        let read = ready!(self.stream.poll_read_buf(cx, to));
        Poll::Ready(read.map_err(|error| StreamError::from(error).into()))
    }
}
