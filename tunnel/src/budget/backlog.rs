//! Bytes of one flow that wait for its reader, in order.

use std::{collections::VecDeque, io::IoSlice};

use bytes::{Buf as _, Bytes};
use tokio::time::Instant;

use super::{Budget, Share};
use crate::transport::STREAM_WINDOW;

/// So much is taken out of a stream before the stream itself holds back, so that what small answers hold is known
/// exactly.
const ROOM: usize = 512 << 10;
/// Pieces that are copied: one may keep a whole datagram in memory.
const COPIED: usize = 4 << 10;

/// A queue of bytes that counts against a [`Budget`]. Empty ones cost nothing.
#[derive(Debug)]
pub struct Backlog {
    pieces: VecDeque<Bytes>,
    length: usize,
    /// What of the bytes that were there at `since` is still there.
    old: usize,
    since: Instant,
    share: Option<Share>,
    budget: Budget,
}

impl Backlog {
    /// An empty one.
    #[must_use]
    pub fn new(budget: &Budget) -> Self {
        let budget = budget.clone();
        Self { pieces: VecDeque::new(), length: 0, old: 0, since: Instant::now(), share: None, budget }
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether more may be read from a stream. If not, the stream is taken to hold as much as it can.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.length < ROOM
    }

    /// The first bytes; all of them, if few wait.
    #[must_use]
    pub fn front(&self) -> &[u8] {
        self.pieces.front().map_or(&[], |piece| piece)
    }

    /// As many pieces as there are, or fit; how many.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let filled = slices.iter_mut().zip(&self.pieces);
        filled.map(|(slice, piece)| *slice = IoSlice::new(piece)).count()
    }

    /// Bytes that wait from now on.
    pub fn push(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        self.length += bytes.len();
        self.pieces.push_back(if bytes.len() < COPIED { Bytes::copy_from_slice(&bytes) } else { bytes });
        if self.share.is_none() {
            self.old = self.length;
            self.since = Instant::now();
        }
        self.account();
    }

    /// The first `length` bytes have been taken.
    pub fn advance(&mut self, mut length: usize) {
        self.length = self.length.saturating_sub(length);
        self.old = self.old.saturating_sub(length);
        while let Some(piece) = self.pieces.front_mut() {
            if length < piece.len() {
                piece.advance(length);
                break;
            }
            length -= piece.len();
            self.pieces.pop_front();
        }
        if self.old == 0 {
            self.old = self.length;
            self.since = Instant::now();
        }
        self.account();
    }

    /// Nothing waits any more.
    pub fn clear(&mut self) {
        self.pieces = VecDeque::new();
        self.length = 0;
        self.share = None;
    }

    /// Resolves when the flow is to be reset: [`Share::evicted`]. Cancel safe.
    pub async fn evicted(&self) {
        match &self.share {
            Some(share) => share.evicted().await,
            None => std::future::pending().await,
        }
    }

    fn account(&mut self) {
        if self.length == 0 {
            return self.clear();
        }
        let bytes = if self.has_room() { self.length } else { self.length + STREAM_WINDOW as usize };
        self.share.get_or_insert_with(|| self.budget.hold(0)).set(bytes, self.since);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt as _;
    use tokio::time;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bytes_leave_in_order_and_count_until_then() {
        let budget = Budget::new(1 << 20);
        let mut backlog = Backlog::new(&budget);
        backlog.push(Bytes::from_static(b"abc"));
        backlog.push(Bytes::from_static(b"defg"));
        assert_eq!((backlog.front(), budget.held()), (&b"abc"[..], 7));
        backlog.advance(4);
        assert_eq!((backlog.front(), budget.held()), (&b"efg"[..], 3));
        backlog.advance(3);
        assert!(backlog.is_empty());
        assert_eq!(budget.held(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_one_counts_what_its_stream_may_hold() {
        let budget = Budget::new(64 << 20);
        let mut backlog = Backlog::new(&budget);
        backlog.push(vec![0; ROOM].into());
        assert!(!backlog.has_room());
        assert_eq!(budget.held(), ROOM + STREAM_WINDOW as usize);
    }

    #[tokio::test(start_paused = true)]
    async fn its_age_is_that_of_its_oldest_byte() {
        let budget = Budget::new(100);
        let (mut slow, mut stalled) = (Backlog::new(&budget), Backlog::new(&budget));
        slow.push(vec![0; 60].into());
        stalled.push(vec![0; 60].into());
        for _ in 0..30 {
            time::sleep(Duration::from_millis(50)).await;
            // It never empties, but nothing stays in it for long.
            slow.push(vec![0; 10].into());
            slow.advance(10);
        }
        assert_eq!(stalled.evicted().now_or_never(), Some(()));
        assert_eq!(slow.evicted().now_or_never(), None);
    }
}
