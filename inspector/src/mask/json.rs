//! Secrets in JSON, wherever it was cut off.
//!
//! A name is a string before a colon. What follows one that has a secret is covered: a string or number itself, of an object or
//! array all strings and numbers in it. Several values in a row (JSON Lines) are no different.

use std::borrow::Cow;

use super::{COVER, names};
use crate::decode::json::{Token, tokens};

/// The text with its secrets covered; none: there are none.
pub(super) fn cover(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut place = Place::default();
    let mut out: Vec<u8> = Vec::with_capacity(bytes.len());
    let mut any = false;
    for (token, at) in tokens(bytes) {
        let rest = bytes.get(at.end..).unwrap_or_default();
        let piece = bytes.get(at).unwrap_or_default();
        let is_name = matches!(token, Token::Text { .. }) && rest.trim_ascii_start().first() == Some(&b':');
        if place.is_secret(token, piece, is_name) {
            any = true;
            out.push(b'"');
            out.extend_from_slice(COVER.as_bytes());
            out.push(b'"');
        } else {
            out.extend_from_slice(piece);
        }
    }
    any.then_some(out)
}

/// The same for lines of which some have JSON in them (`text/event-stream`): a quote that is not closed ends with its line.
pub(super) fn cover_lines(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut any = false;
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').map(|line| {
        let covered = cover(line);
        any |= covered.is_some();
        covered.map_or(Cow::Borrowed(line), |covered| Cow::Owned(with_line_end(covered)))
    });
    let out = lines.collect::<Vec<_>>().concat();
    any.then_some(out)
}

/// A line end within a string that was not closed went with it.
fn with_line_end(mut line: Vec<u8>) -> Vec<u8> {
    if line.last() != Some(&b'\n') {
        line.push(b'\n');
    }
    line
}

/// Where in the text we are, as far as it matters for secrets.
#[derive(Debug, Default)]
struct Place {
    depth: u64,
    /// The name of a secret was last: its value is next.
    next: bool,
    /// At this depth a secret began that is an object or array.
    within: Option<u64>,
}

impl Place {
    fn is_secret(&mut self, token: Token, piece: &[u8], is_name: bool) -> bool {
        let value = self.next || self.within.is_some();
        match token {
            Token::Space | Token::Colon => false,
            Token::Text { .. } if is_name => {
                self.next = names_secret(piece);
                false
            }
            Token::Text { .. } => {
                self.next = false;
                value && piece != b"\"\"" && !is_cover(piece)
            }
            Token::Plain => {
                self.next = false;
                value && !matches!(piece, b"null" | b"true" | b"false")
            }
            Token::Open(_) => {
                self.depth += 1;
                if self.next && self.within.is_none() {
                    self.within = Some(self.depth);
                }
                self.next = false;
                false
            }
            Token::Close(_) => {
                if self.within == Some(self.depth) {
                    self.within = None;
                }
                self.depth = self.depth.saturating_sub(1);
                self.next = false;
                false
            }
            Token::Comma => {
                self.next = false;
                false
            }
        }
    }
}

fn is_cover(piece: &[u8]) -> bool {
    piece.strip_prefix(b"\"").and_then(|piece| piece.strip_suffix(b"\"")) == Some(COVER.as_bytes())
}

/// A string with its quotes; it may have escapes.
fn names_secret(piece: &[u8]) -> bool {
    match serde_json::from_slice::<String>(piece) {
        Ok(name) => names::field(&name),
        Err(_) => names::field(&String::from_utf8_lossy(piece)),
    }
}
