//! JSON as it was written: order of members, texts of numbers and escapes stay.
//!
//! It is cut into tokens without a tree, so that depth costs nothing and a body that was cut off, or is not quite JSON, can be
//! read as far as it goes.

use std::ops::Range;

/// A level of indentation.
const INDENT: &str = "  ";
/// Deeper levels are not indented further: what is a line each would become quadratic.
const DEEPEST: usize = 32;
/// Indentation stops at so many bytes of output.
const LIMIT: usize = 4 << 20;

/// A piece of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// `{` or `[`.
    Open(u8),
    /// `}` or `]`.
    Close(u8),
    Colon,
    Comma,
    /// A string with its quotes.
    Text {
        /// Whether its end came.
        whole: bool,
    },
    /// A number, or `true`, `false`, `null`, or what is none of them.
    Plain,
    Space,
}

/// The tokens of a text with their places, one after the other without gaps.
#[derive(Debug)]
pub(crate) struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Whatever text it is: all of it comes out as tokens.
pub(crate) fn tokens(bytes: &[u8]) -> Tokens<'_> {
    Tokens { bytes, at: 0 }
}

impl Iterator for Tokens<'_> {
    type Item = (Token, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.at..)?;
        let first = *rest.first()?;
        let run = |of: fn(u8) -> bool| rest.iter().position(|byte| !of(*byte)).unwrap_or(rest.len());
        let (token, length) = match first {
            b'{' | b'[' => (Token::Open(first), 1),
            b'}' | b']' => (Token::Close(first), 1),
            b':' => (Token::Colon, 1),
            b',' => (Token::Comma, 1),
            b'"' => match text_end(rest) {
                Some(length) => (Token::Text { whole: true }, length),
                None => (Token::Text { whole: false }, rest.len()),
            },
            _ if is_space(first) => (Token::Space, run(is_space)),
            _ => (Token::Plain, run(is_plain)),
        };
        let from = self.at;
        self.at += length;
        Some((token, from..self.at))
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn is_plain(byte: u8) -> bool {
    !is_space(byte) && !matches!(byte, b'{' | b'}' | b'[' | b']' | b':' | b',' | b'"')
}

/// Length of the string that begins here.
fn text_end(bytes: &[u8]) -> Option<usize> {
    let mut escaped = false;
    let end = bytes.iter().skip(1).position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    });
    end.map(|at| at + 2)
}

/// JSON with indentation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pretty {
    pub(super) text: String,
    /// From this byte on it is no JSON, or too much, and stands there as it came.
    pub(super) raw_from: Option<usize>,
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Value,
    /// The first value of an array, or its end.
    ValueOrEnd,
    /// The first name of an object, or its end.
    NameOrEnd,
    Name,
    Colon,
    /// After a value within something.
    CommaOrEnd,
    /// After a value at the top: one more (JSON Lines).
    Another,
}

/// Indents one JSON value, or several in a row.
pub(super) fn pretty(text: &str) -> Pretty {
    let mut out = String::with_capacity(text.len() * 2);
    let mut open: Vec<u8> = Vec::new();
    let mut next = Next::Value;
    for (token, at) in tokens(text.as_bytes()) {
        let from = at.start;
        let piece = text.get(at).unwrap_or_default();
        if token == Token::Space {
            continue;
        }
        let after = if out.len() > LIMIT { None } else { follow(token, piece, next, &mut open) };
        let Some(after) = after else {
            return rest_raw(out, text, from);
        };
        match (token, next) {
            // An empty object or array stays on its line.
            (Token::Close(_), Next::ValueOrEnd | Next::NameOrEnd) => {}
            (Token::Close(_), _) | (_, Next::ValueOrEnd | Next::NameOrEnd) => {
                let above = if matches!(token, Token::Open(_)) { 1 } else { 0 };
                line(&mut out, open.len() - above);
            }
            (_, Next::Another) => out.push('\n'),
            _ => {}
        }
        out.push_str(piece);
        match token {
            Token::Colon => out.push(' '),
            Token::Comma => line(&mut out, open.len()),
            _ => {}
        }
        next = after;
    }
    out.push('\n');
    Pretty { text: out, raw_from: None }
}

fn rest_raw(mut out: String, text: &str, from: usize) -> Pretty {
    let rest = text.get(from..).unwrap_or_default();
    // What is no value in its place begins a line of its own.
    if !out.is_empty() && !out.ends_with([' ', '\n']) {
        out.push('\n');
    }
    out.push_str(rest);
    out.push('\n');
    Pretty { text: out, raw_from: Some(from) }
}

/// What may come after `token`; none: it may not come here.
fn follow(token: Token, piece: &str, next: Next, open: &mut Vec<u8>) -> Option<Next> {
    let value = matches!(next, Next::Value | Next::ValueOrEnd | Next::Another);
    match token {
        Token::Open(kind) if value => {
            open.push(kind);
            Some(if kind == b'{' { Next::NameOrEnd } else { Next::ValueOrEnd })
        }
        Token::Close(kind) if matches!(next, Next::CommaOrEnd | Next::ValueOrEnd | Next::NameOrEnd) => {
            let opened = open.pop()?;
            let fits = matches!((opened, kind), (b'{', b'}') | (b'[', b']'));
            if !fits {
                open.push(opened);
            }
            fits.then(|| after_value(open))
        }
        Token::Colon if next == Next::Colon => Some(Next::Value),
        Token::Comma if next == Next::CommaOrEnd => {
            Some(if open.last() == Some(&b'{') { Next::Name } else { Next::Value })
        }
        Token::Text { whole: true } if matches!(next, Next::Name | Next::NameOrEnd) => Some(Next::Colon),
        Token::Text { whole: true } if value => Some(after_value(open)),
        Token::Plain if value && is_scalar(piece) => Some(after_value(open)),
        _ => None,
    }
}

fn after_value(open: &[u8]) -> Next {
    if open.is_empty() { Next::Another } else { Next::CommaOrEnd }
}

fn is_scalar(piece: &str) -> bool {
    matches!(piece, "true" | "false" | "null")
        || (piece.starts_with(|c: char| c == '-' || c.is_ascii_digit())
            && piece.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')))
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n(INDENT, depth.min(DEEPEST)));
}
