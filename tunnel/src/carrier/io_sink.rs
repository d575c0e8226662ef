//! Chunks written to a byte stream, several with one call where that is possible.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use futures::Sink;
use tokio::io::{AsyncWrite, WriteHalf};

/// So many bytes are gathered before a write; more would only move the queue to where nobody counts it.
const GATHER: usize = 128 << 10;
/// Chunks per write.
const SLICES: usize = 16;

/// Gathers chunks, writes them when there are enough or when flushed.
pub(super) struct IoSink<T> {
    io: WriteHalf<T>,
    chunks: VecDeque<Bytes>,
    bytes: usize,
}

impl<T: AsyncWrite> IoSink<T> {
    pub(super) fn new(io: WriteHalf<T>) -> Self {
        Self { io, chunks: VecDeque::new(), bytes: 0 }
    }

    /// Writes until at most `keep` bytes are left.
    fn poll_drain(&mut self, cx: &mut Context<'_>, keep: usize) -> Poll<io::Result<()>> {
        while self.bytes > keep {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let mut used = 0;
            for (slice, chunk) in slices.iter_mut().zip(&self.chunks) {
                *slice = IoSlice::new(chunk);
                used += 1;
            }
            let slices = slices.get(..used).unwrap_or_default();
            let written = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, slices))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.take(written);
        }
        Poll::Ready(Ok(()))
    }

    fn take(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(chunk) = self.chunks.front_mut() {
            if chunk.len() > written {
                chunk.advance(written);
                return;
            }
            written -= chunk.len();
            self.chunks.pop_front();
        }
    }
}

impl<T: AsyncWrite> Sink<Bytes> for IoSink<T> {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.bytes < GATHER { Poll::Ready(Ok(())) } else { self.poll_drain(cx, 0) }
    }

    fn start_send(mut self: Pin<&mut Self>, chunk: Bytes) -> io::Result<()> {
        if !chunk.is_empty() {
            self.bytes += chunk.len();
            self.chunks.push_back(chunk);
        }
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx, 0))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx, 0))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::SinkExt;
    use tokio::io::{AsyncReadExt, duplex, split};

    use super::*;

    #[tokio::test]
    async fn chunks_arrive_in_order_through_a_narrow_pipe() {
        let (ours, mut theirs) = duplex(7);
        let mut sink = IoSink::new(split(ours).1);
        let sent: Vec<u8> = (0..=255).cycle().take(300_000).collect();
        let send = async {
            for chunk in sent.chunks(1_013) {
                sink.feed(Bytes::copy_from_slice(chunk)).await.unwrap();
            }
            sink.close().await.unwrap();
        };
        let mut got = Vec::new();
        let (_, read) = tokio::join!(send, theirs.read_to_end(&mut got));
        read.unwrap();
        assert_eq!(got, sent);
    }
}
