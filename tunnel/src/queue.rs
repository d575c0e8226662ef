//! The two queues between quinn and the carriers.
//!
//! Both are bounded, and neither ever drops: a full send queue holds quinn back, a full receive queue holds the
//! carrier back. Without a carrier the send queue simply stays as it is until the next one.

use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};

use crate::{
    carrier::MAX_CHUNK,
    frame::{self, PREFIX},
};

/// Bytes that wait for a carrier. Enough for a carrier to always have something to write; what waits here is
/// latency for everything that comes after it.
const SEND_BOUND: usize = 256 << 10;
/// Bytes that wait for quinn, [`OVERHEAD`] per datagram included.
const RECEIVE_BOUND: usize = 512 << 10;
/// What a datagram costs beside its bytes, so that a flood of tiny ones is bounded as well.
const OVERHEAD: usize = 64;
/// Room of a chunk that begins with a small datagram, as most do that are not bulk.
const SMALL_CHUNK: usize = 2 << 10;

/// quinn → carrier. Datagrams are gathered into chunks as they come, so that many small ones leave as one.
#[derive(Debug, Default)]
pub(crate) struct SendQueue {
    chunks: VecDeque<BytesMut>,
    bytes: usize,
    /// Taken from the queue, not known to be flushed.
    unflushed: bool,
    /// Who waits for room. quinn has one task per connection, but promises nothing.
    waiting: Vec<Waker>,
}

impl SendQueue {
    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= SEND_BOUND
    }

    /// Appends a datagram of `length` bytes. The bound may be passed by one datagram.
    pub(crate) fn push(&mut self, length: u16, datagram: &[u8]) {
        let size = PREFIX + datagram.len();
        self.bytes += size;
        match self.chunks.back_mut() {
            Some(chunk) if chunk.len() + size <= MAX_CHUNK => frame::encode(length, datagram, chunk),
            _ => {
                let mut chunk = BytesMut::with_capacity(size.max(SMALL_CHUNK));
                frame::encode(length, datagram, &mut chunk);
                self.chunks.push_back(chunk);
            }
        }
    }

    /// Asks to be woken when there is room.
    pub(crate) fn wait(&mut self, waker: &Waker) {
        if !self.waiting.iter().any(|known| known.will_wake(waker)) {
            self.waiting.push(waker.clone());
        }
    }

    /// The next chunk for the carrier, and who waited for the room.
    pub(crate) fn pop(&mut self) -> Option<(Bytes, Vec<Waker>)> {
        let chunk = self.chunks.pop_front()?;
        self.bytes -= chunk.len();
        self.unflushed = true;
        let waiting = if self.is_full() { Vec::new() } else { std::mem::take(&mut self.waiting) };
        Some((chunk.freeze(), waiting))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// The carrier has flushed all that was taken.
    pub(crate) fn set_flushed(&mut self) {
        self.unflushed = false;
    }

    /// Whether all that was ever queued is out of this process.
    pub(crate) fn is_flushed(&self) -> bool {
        self.chunks.is_empty() && !self.unflushed
    }
}

/// Carrier → quinn.
#[derive(Debug, Default)]
pub(crate) struct ReceiveQueue {
    datagrams: VecDeque<Bytes>,
    cost: usize,
    waiting: Option<Waker>,
}

impl ReceiveQueue {
    pub(crate) fn is_full(&self) -> bool {
        self.cost >= RECEIVE_BOUND
    }

    pub(crate) fn push(&mut self, datagram: Bytes) {
        self.cost += datagram.len() + OVERHEAD;
        self.datagrams.push_back(datagram);
    }

    /// Who waits for datagrams.
    pub(crate) fn take_waiting(&mut self) -> Option<Waker> {
        self.waiting.take()
    }

    /// The next datagram.
    pub(crate) fn poll_pop(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        match self.datagrams.pop_front() {
            Some(datagram) => {
                self.cost -= datagram.len() + OVERHEAD;
                Poll::Ready(datagram)
            }
            None => {
                self.waiting = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::frame::{Decoder, MAX_DATAGRAM};

    use super::*;

    #[test]
    fn small_datagrams_leave_in_one_chunk_and_large_ones_within_the_limit() {
        let mut queue = SendQueue::default();
        for _ in 0..10 {
            queue.push(40, &[1; 40]);
        }
        queue.push(MAX_DATAGRAM, &[2; MAX_DATAGRAM as usize]);
        queue.push(MAX_DATAGRAM, &[3; MAX_DATAGRAM as usize]);
        let chunks: Vec<Bytes> = std::iter::from_fn(|| queue.pop().map(|(chunk, _)| chunk)).collect();
        assert_eq!(chunks.iter().map(Bytes::len).collect::<Vec<_>>(), [60_422, 60_002]);
        assert!(chunks.iter().all(|chunk| chunk.len() <= MAX_CHUNK));

        let mut decoder = Decoder::default();
        let mut count = 0;
        for chunk in chunks {
            decoder.feed(chunk);
            while decoder.next().unwrap().is_some() {
                count += 1;
            }
        }
        assert_eq!(count, 12);
    }

    #[test]
    fn a_full_send_queue_wakes_whom_it_held_back_when_there_is_room() {
        let mut queue = SendQueue::default();
        while !queue.is_full() {
            queue.push(MAX_DATAGRAM, &[0; MAX_DATAGRAM as usize]);
        }
        let waker = futures::task::noop_waker();
        queue.wait(&waker);
        queue.wait(&waker);
        let (_, woken) = queue.pop().unwrap();
        assert_eq!(woken.len(), 1);
        assert!(!queue.is_full());
    }

    #[test]
    fn flushed_means_queue_and_carrier_are_empty() {
        let mut queue = SendQueue::default();
        assert!(queue.is_flushed());
        queue.push(1, &[0]);
        assert!(!queue.is_flushed());
        queue.pop().unwrap();
        assert!(queue.is_empty() && !queue.is_flushed());
        queue.set_flushed();
        assert!(queue.is_flushed());
    }

    #[test]
    fn tiny_datagrams_fill_the_receive_queue_too() {
        let mut queue = ReceiveQueue::default();
        let mut count = 0;
        while !queue.is_full() {
            queue.push(Bytes::from_static(&[0]));
            count += 1;
        }
        assert!(count < 20_000);
    }
}
