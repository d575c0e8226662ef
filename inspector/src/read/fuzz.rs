//! The reader as one function that takes any bytes: for `fuzz/` and for the tests that replay its corpus. It panics when
//! something that must hold does not.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{Clock, Limits, Reader, Side, Sink};
use crate::{Direction, End, Exchange, Route};

/// Limits that a few hundred bytes reach.
const TIGHT: Limits = Limits { body: 16, headers: 300, open: 3, kept: 1400 };

/// All that a reader has told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Log(pub(super) Vec<Told>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    Begun(u64, Exchange),
    Answered(u64, Exchange),
    Ended(u64, Exchange),
}

impl Sink for Log {
    fn begun(&mut self, key: u64, exchange: &Exchange) {
        self.0.push(Told::Begun(key, exchange.clone()));
    }

    fn answered(&mut self, key: u64, exchange: &Exchange) {
        self.0.push(Told::Answered(key, exchange.clone()));
    }

    fn ended(&mut self, key: u64, exchange: Exchange) {
        self.0.push(Told::Ended(key, exchange));
    }
}

impl Log {
    /// Each is told of in the right order, and the end of each once.
    fn check(&self) {
        let mut open = BTreeMap::new();
        let mut next = 0;
        for told in &self.0 {
            match told {
                Told::Begun(key, exchange) => {
                    assert_eq!(*key, next);
                    assert!(exchange.status.is_none() && exchange.end.is_none());
                    next += 1;
                    open.insert(key, false);
                }
                Told::Answered(key, exchange) => {
                    assert_eq!(open.insert(key, true), Some(false));
                    assert!(exchange.status.is_some() && exchange.end.is_none());
                }
                Told::Ended(key, exchange) => {
                    assert_eq!(open.remove(key), Some(exchange.status.is_some()));
                    assert!(exchange.end != Some(End::Complete) || exchange.status.is_some());
                }
            }
        }
    }
}

/// What an exchange has before anything of it is known.
pub(super) fn template() -> Exchange {
    let route = Route::Laptop { why: String::new() };
    Exchange::new(Timestamp::UNIX_EPOCH, Direction::Requests, 80, route)
}

/// A conversation: each piece begins with a byte that says who speaks (lowest bit) and how many bytes follow; of none: that
/// this side has said all. What is told is the same however the pieces are cut, and no more than the limits is kept.
///
/// # Panics
/// When that does not hold.
pub fn conversation(bytes: &[u8]) {
    let clock = Clock::now();
    for limits in [Limits::default(), TIGHT] {
        let reader = || Reader::new(template(), clock, limits);
        let (mut whole, mut cut) = ((reader(), Log::default()), (reader(), Log::default()));
        let (mut at, mut left) = (clock.instant, bytes);
        while let Some((&head, rest)) = left.split_first() {
            let (piece, rest) = rest.split_at(rest.len().min(usize::from(head >> 1)));
            left = rest;
            at += Duration::from_millis(1);
            let side = if head & 1 == 0 { Side::Asker } else { Side::Answerer };
            if head >> 1 == 0 {
                whole.0.finish(side, at, &mut whole.1);
                cut.0.finish(side, at, &mut cut.1);
            } else {
                whole.0.feed(side, piece, at, &mut whole.1);
                piece.chunks(1).for_each(|byte| cut.0.feed(side, byte, at, &mut cut.1));
            }
            assert_eq!(whole.1, cut.1);
            assert_eq!(whole.0.is_opaque(), cut.0.is_opaque());
            assert!(whole.0.open().eq(cut.0.open()));
            check(&whole.0, limits);
        }
        whole.0.cut(End::Cut, at, &mut whole.1);
        assert_eq!(whole.0.open().count(), 0);
        whole.1.check();
    }
}

/// No more is kept than may be.
fn check(reader: &Reader, limits: Limits) {
    let mut all = 0;
    for (_, exchange) in reader.open() {
        for message in [Some(&exchange.request), exchange.answer.as_ref()].into_iter().flatten() {
            assert!(
                message.body.kept.len() <= limits.body && message.body.kept.len() as u64 <= message.body.size
            );
            for headers in [&message.headers, &message.trailers] {
                let length: usize = headers.iter().map(|header| header.name.len() + header.value.len()).sum();
                // Latin-1 is at most twice as long as UTF-8.
                assert!(length <= 2 * limits.headers);
                all += length;
            }
            all += message.body.kept.len();
        }
    }
    assert!(all <= limits.kept && reader.open().count() <= limits.open);
}
