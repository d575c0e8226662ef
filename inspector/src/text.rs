//! Exchanges as people read them, in lines whose parts say what they are; the terminal's commands and the dashboard colour them,
//! each in its own way.
//!
//! Everything that came from a network is spelled out where it would move a cursor. Secrets are not covered here:
//! [`crate::mask::cover`] comes first.

mod detail;
pub mod fit;
pub mod fuzz;
mod grpc;
pub mod numbers;
mod row;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

pub(crate) use self::detail::answer_line;
pub use self::detail::{body, detail, parts};
pub use self::row::{Row, TITLES, lay_out, row};

use crate::mask;

/// Columns from one tab stop to the next in bodies: data is indented less than what terminals have tabs for.
pub(crate) const TAB: usize = 4;

/// A line: parts one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// In their order; spaces between them are in them.
    pub spans: Vec<Span>,
}

/// A part of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Span {
    /// What it is.
    pub role: Role,
    /// One line, without control characters.
    pub text: String,
}

/// What a part of a line is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// Nothing in particular.
    #[default]
    Plain,
    /// Of less interest: punctuation, notes, what has not come yet.
    Dim,
    /// A word before its value: a header's name, a field's.
    Name,
    /// What stands above others.
    Title,
    /// As it should be: 2xx, gRPC's OK.
    Good,
    /// The caller's mistake: 4xx.
    Warn,
    /// 5xx, gRPC's failures, what was cut off.
    Bad,
    /// Only in the second of two.
    Added,
    /// Only in the first of two.
    Removed,
}

impl Span {
    /// A part with a role.
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self { role, text: text.into() }
    }
}

impl Line {
    /// A line of one part.
    pub fn of(role: Role, text: impl Into<String>) -> Self {
        Self { spans: vec![Span::new(role, text)] }
    }

    /// The line with one part more.
    #[must_use]
    pub fn and(mut self, role: Role, text: impl Into<String>) -> Self {
        self.spans.push(Span::new(role, text));
        self
    }

    /// Its text alone.
    pub fn text(&self) -> String {
        self.spans.iter().map(|span| span.text.as_str()).collect()
    }

    /// For terminals that have ASCII only: what devbridge itself writes is spelled in it. What came from the network stays.
    #[must_use]
    pub fn to_ascii(&self) -> Self {
        let ascii =
            |text: &str| text.replace(mask::COVER, mask::COVER_ASCII).replace('·', "-").replace('…', "...");
        Self { spans: self.spans.iter().map(|span| Span::new(span.role, ascii(&span.text))).collect() }
    }
}
