//! The UDP socket that quinn believes it has.
//!
//! Datagrams go into bounded queues instead of a network, and whichever carrier the session has moves them. With
//! no carrier they stay: quinn is held back as by a full socket, and everything goes on with the next carrier.

use std::{
    fmt,
    io::{self, IoSliceMut},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use quinn::{
    AsyncUdpSocket, UdpPoller,
    udp::{RecvMeta, Transmit},
};
use tokio::{sync::Notify, time::Instant};

use crate::{
    frame::{Decoder, FrameError, MAX_DATAGRAM},
    queue::{ReceiveQueue, SendQueue},
};

/// The only address that quinn ever sees, so it never notices a migration and never validates a path anew.
/// From a block that is for documentation only (RFC 5737).
pub(crate) const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 1);

/// One session's queues.
#[derive(Default)]
pub(crate) struct Link {
    sending: Mutex<SendQueue>,
    receiving: Mutex<ReceiveQueue>,
    /// Something waits for the carrier.
    queued: Notify,
    /// Everything that waited has been flushed.
    flushed: Notify,
    /// quinn has taken datagrams.
    room: Notify,
    /// When a datagram last came.
    heard: Mutex<Option<Instant>>,
    /// When the session got another carrier.
    renewed: Mutex<Option<std::time::Instant>>,
}

impl Link {
    /// The next chunk for the carrier. Cancel safe.
    pub(crate) async fn next_chunk(&self) -> Bytes {
        loop {
            if let Some(chunk) = self.try_next_chunk() {
                return chunk;
            }
            self.queued.notified().await;
        }
    }

    fn try_next_chunk(&self) -> Option<Bytes> {
        let (chunk, waiting) = lock(&self.sending).pop()?;
        for waker in waiting {
            waker.wake();
        }
        Some(chunk)
    }

    /// Whether the carrier should flush now, because nothing more waits.
    pub(crate) fn is_drained(&self) -> bool {
        lock(&self.sending).is_empty()
    }

    /// The carrier has flushed all chunks that were taken.
    pub(crate) fn set_flushed(&self) {
        let mut sending = lock(&self.sending);
        sending.set_flushed();
        drop(sending);
        self.flushed.notify_waiters();
    }

    /// Resolves when everything was flushed and `done` is true; looked at after each flush.
    pub(crate) async fn flushed(&self, done: impl Fn() -> bool) {
        loop {
            let flushed = self.flushed.notified();
            if done() && lock(&self.sending).is_flushed() {
                return;
            }
            flushed.await;
        }
    }

    /// From now on there is another carrier; what is on its way is lost.
    pub(crate) fn renew(&self) {
        *lock(&self.renewed) = Some(std::time::Instant::now());
    }

    /// When the session last got another carrier.
    pub(crate) fn renewed(&self) -> Option<std::time::Instant> {
        *lock(&self.renewed)
    }

    /// When something last came from the other end.
    pub(crate) fn heard(&self) -> Option<Instant> {
        *lock(&self.heard)
    }

    /// Gives quinn all datagrams that are in `decoder`, and waits while it has too many. When cancelled, those
    /// that are still in the decoder stay there.
    pub(crate) async fn deliver(&self, decoder: &mut Decoder) -> Result<(), FrameError> {
        *lock(&self.heard) = Some(Instant::now());
        loop {
            let (drained, waiting) = {
                let mut receiving = lock(&self.receiving);
                let drained = fill(&mut receiving, decoder);
                (drained, receiving.take_waiting())
            };
            if let Some(waker) = waiting {
                waker.wake();
            }
            if drained? {
                return Ok(());
            }
            self.room.notified().await;
        }
    }
}

/// Moves datagrams until there are none (`true`) or there is no room for more.
fn fill(receiving: &mut ReceiveQueue, decoder: &mut Decoder) -> Result<bool, FrameError> {
    while !receiving.is_full() {
        match decoder.next()? {
            Some(datagram) => receiving.push(datagram),
            None => return Ok(true),
        }
    }
    Ok(false)
}

impl AsyncUdpSocket for Link {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Poller(self))
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        // Never larger: it is what both ends configure. Never several segments: `max_transmit_segments` is 1.
        let Ok(length @ 1..=MAX_DATAGRAM) = u16::try_from(transmit.contents.len()) else { return Ok(()) };
        let mut sending = lock(&self.sending);
        if sending.is_full() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        sending.push(length, transmit.contents);
        drop(sending);
        self.queued.notify_one();
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut receiving = lock(&self.receiving);
        let was_full = receiving.is_full();
        let mut count = 0;
        for (buffer, meta) in buffers.iter_mut().zip(meta) {
            let Poll::Ready(datagram) = receiving.poll_pop(cx) else { break };
            // Buffers are as long as the longest datagram that is announced, and no longer one passes the decoder.
            let length = datagram.len().min(buffer.len());
            if let (Some(to), Some(from)) = (buffer.get_mut(..length), datagram.get(..length)) {
                to.copy_from_slice(from);
            }
            *meta = RecvMeta { addr: PEER, len: length, stride: length, ecn: None, dst_ip: None };
            count += 1;
        }
        if was_full && !receiving.is_full() {
            self.room.notify_one();
        }
        if count > 0 { Poll::Ready(Ok(count)) } else { Poll::Pending }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(PEER)
    }

    /// A datagram per call: gathering them into one transmit saves system calls, and there are none here.
    fn max_transmit_segments(&self) -> usize {
        1
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Poller(Arc<Link>);

impl UdpPoller for Poller {
    fn poll_writable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut sending = lock(&self.0.sending);
        if !sending.is_full() {
            return Poll::Ready(Ok(()));
        }
        sending.wait(cx.waker());
        Poll::Pending
    }
}

/// No code that holds these locks can panic, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
