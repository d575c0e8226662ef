//! Collects a head that comes in pieces.
//!
//! Each byte is looked at once, whatever the pieces are. A head is parsed when all of it is there; what is no head at all, such as
//! TLS, is noticed by its first bytes.

use std::time::Instant;

use crate::read::{Unreadable, field, progress::Context};

/// Longest method, of a request that is taken for one. The longest that is registered has 17 letters.
const METHOD_LIMIT: usize = 32;
/// How every answer begins.
const ANSWER: &[u8] = b"HTTP/1.";

/// Whose head it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    Answer,
}

/// The beginning of a head.
#[derive(Debug)]
pub(super) struct Start {
    kind: Kind,
    bytes: Vec<u8>,
    began: Option<Instant>,
    at: At,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// In the method, or in the version of an answer.
    First,
    /// Somewhere in a line.
    Line,
    /// A line has ended.
    LineStart,
    /// And the next one has begun with CR.
    LineStartCr,
}

impl Start {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, bytes: Vec::new(), began: None, at: At::First }
    }

    /// Whether nothing of it has come.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes what belongs to the head. When it is complete gives it, and when its first byte came.
    pub(super) fn feed(
        &mut self,
        bytes: &mut &[u8],
        context: &Context<'_>,
    ) -> Result<Option<(Vec<u8>, Instant)>, Unreadable> {
        if self.kind == Kind::Request && self.is_empty() {
            // Empty lines in front of a request are nothing (RFC 9112 §2.2).
            let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            *bytes = bytes.get(blank..).unwrap_or_default();
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let began = *self.began.get_or_insert(context.at());
        let most = context.limits().headers;
        let mut used = 0;
        let mut complete = false;
        for &byte in *bytes {
            let place = self.bytes.len() + used;
            if place >= most {
                return Err(Unreadable);
            }
            used += 1;
            if self.step(byte, place)? {
                complete = true;
                break;
            }
        }
        let (here, rest) = bytes.split_at_checked(used).ok_or(Unreadable)?;
        self.bytes.extend_from_slice(here);
        *bytes = rest;
        Ok(complete.then(|| (std::mem::take(&mut self.bytes), began)))
    }

    /// The byte at `place`; whether it is the last one.
    fn step(&mut self, byte: u8, place: usize) -> Result<bool, Unreadable> {
        if self.at == At::First {
            let (fits, ended) = match self.kind {
                Kind::Request => {
                    let ended = place > 0 && byte == b' ';
                    (ended || (place < METHOD_LIMIT && field::is_token(byte)), ended)
                }
                Kind::Answer => (ANSWER.get(place) == Some(&byte), place + 1 == ANSWER.len()),
            };
            if ended {
                self.at = At::Line;
            }
            return if fits { Ok(false) } else { Err(Unreadable) };
        }
        if field::is_control(byte) && !matches!(byte, b'\r' | b'\n') {
            return Err(Unreadable);
        }
        let ended = byte == b'\n' && matches!(self.at, At::LineStart | At::LineStartCr);
        self.at = match (self.at, byte) {
            (_, b'\n') => At::LineStart,
            (At::LineStart, b'\r') => At::LineStartCr,
            _ => At::Line,
        };
        Ok(ended)
    }
}
