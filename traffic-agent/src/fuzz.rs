//! Readers of callers' and servers' bytes, each as one function that takes any bytes: for `fuzz/` and for the tests that
//! replay its corpus. A function panics when something that must hold does not.

use crate::requests::fuzz::{Exchange, Farewell, State};

/// A conversation: each piece begins with a byte that says who speaks (lowest bit) and how many bytes follow. Where it
/// stands is the same however the pieces are cut.
///
/// # Panics
/// When that does not hold.
pub fn exchange(bytes: &[u8]) {
    let (mut whole, mut cut) = (Exchange::default(), Exchange::default());
    let mut left = bytes;
    while let Some((&head, rest)) = left.split_first() {
        let (piece, rest) = rest.split_at(rest.len().min(usize::from(head >> 1)));
        left = rest;
        if head & 1 == 0 {
            whole.request(piece);
            piece.chunks(1).for_each(|byte| cut.request(byte));
        } else {
            whole.answer(piece);
            piece.chunks(1).for_each(|byte| cut.answer(byte));
        }
        if whole.is_opaque() != cut.is_opaque() {
            // A head is not looked at after each of its pieces, so one may see later than the other that it is none. Until
            // then it waits for the rest.
            let later = if whole.is_opaque() { &cut } else { &whole };
            assert_eq!(later.state(), State::Inside);
            return;
        }
        assert_eq!(whole.state(), cut.state());
        assert_eq!((whole.awaits(), whole.repeatable()), (cut.awaits(), cut.repeatable()));
    }
}

/// An answer that shall be the last: no byte of it is lost, and what follows its head is as it was.
///
/// # Panics
/// When that does not hold.
pub fn farewell(bytes: &[u8]) {
    let mut farewell = Farewell::default();
    farewell.begin();
    let (mut said, mut left, mut told) = (Vec::new(), bytes, false);
    while farewell.collecting() && !left.is_empty() {
        let (piece, rest) = left.split_at(left.len().min(7));
        left = rest;
        if let Some(more) = farewell.push(piece) {
            said.extend_from_slice(&more.bytes);
            told = more.told;
        }
    }
    said.extend_from_slice(&farewell.take());
    said.extend_from_slice(left);
    if told {
        assert!(said.windows(19).any(|line| line == b"Connection: close\r\n"));
    } else {
        assert_eq!(said, bytes);
    }
}
