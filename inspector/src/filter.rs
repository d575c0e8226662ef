//! One filter language, for what is shown and for what is routed.
//!
//! ```text
//! method=POST status>=500 path~^/api header.x-user=alice latency>100ms
//! ```
//!
//! Terms beside each other have to be true together. Alternatives are expressions of their own (arguments of a command), or
//! have `or` between them in one: `a b or c` is `a` and `b`, or else `c`. `!` before a term negates it. Nothing else binds, so
//! there are no parentheses.
//!
//! A term is a field, an operator and a value, with no space between them; [`fields()`] lists them.
//!
//! - `=` is the whole value, in which `*` is anything; `~` searches for a regular expression (of the crate `regex`). Some fields
//!   ignore the case of letters, with both. Numbers, durations and sizes also know `>`, `>=`, `<` and `<=`.
//! - `!=` and `!~` are exactly `!` before the term with `=` and `~`.
//! - A field alone asks whether there is such a thing: `header.x-user`, `!status` (not answered yet).
//! - A value with spaces stands in `'…'`, where every character is itself, or in `"…"`, where `\"`, `\\`, `\n`, `\r` and `\t` are
//!   what they usually are. Within a value without quotes, quotes and backslashes are like other characters.
//! - Where a header, or a name in the query, is there several times, one of its values has to be as asked.
//!
//! **What is not known, or not there, matches no term; `!` always turns that round.** So `status!=200` is true of an exchange
//! that has no answer yet, as it is of one without the header that `header.x-user!=alice` asks for; `status status!=200` is true
//! of answered ones only. Two values, no third: who reads a filter need not know what is known when.
//!
//! `answer.body` is the body of the answer, not a header of that name; `body` is that of the request. Bodies are searched as far
//! as they were kept, so a text behind that is not found.
//!
//! Everything is bounded: [`LENGTH_LIMIT`], [`TERMS_LIMIT`], the size of a pattern. Reading takes microseconds for what people
//! write, so it may be done at every key.

mod error;
mod fields;
mod grpc;
mod help;
mod operator;
mod parse;
mod pattern;
mod quantity;
mod subject;
mod suggest;
mod term;
#[cfg(test)]
mod tests;
mod words;

use std::fmt;

pub use self::error::FilterError;
pub use self::fields::Field;
pub use self::help::help;
pub use self::subject::Subject;

use self::error::{Fault, Mistake};
use self::term::Term;
use self::words::{Word, Words};

/// Bytes of all expressions of a filter, as they are written and as [`Filter`] writes them.
pub const LENGTH_LIMIT: usize = 4 << 10;
/// Terms of a filter.
pub const TERMS_LIMIT: usize = 64;

/// Which exchanges; by default all.
///
/// [`fmt::Display`] writes it as one expression that is read as the same filter again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// One of them has to be true, with all of its terms. None is empty.
    alternatives: Vec<Vec<Term>>,
}

/// What is known of what will be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All of an exchange.
    Exchange,
    /// The head of a request, before anything else of it has come.
    Head,
}

/// All fields, in the order in which people learn them.
pub fn fields() -> &'static [Field] {
    &fields::FIELDS
}

impl Filter {
    /// Reads expressions of which one has to be true. Blank ones don't count; without others, everything matches.
    ///
    /// # Errors
    /// The first thing that can't be read, with its place.
    pub fn parse<S: AsRef<str>>(expressions: &[S]) -> Result<Self, FilterError> {
        Self::parse_for(Scope::Exchange, expressions)
    }

    /// The same for a filter that asks for no more than is known.
    ///
    /// # Errors
    /// Also a term that asks for more.
    pub fn parse_for<S: AsRef<str>>(scope: Scope, expressions: &[S]) -> Result<Self, FilterError> {
        let mut reading = Reading { scope, filter: Self::default(), bytes: 0, terms: 0 };
        for (index, expression) in expressions.iter().enumerate() {
            let text = expression.as_ref();
            reading.expression(text).map_err(|fault| FilterError::new(index, text, fault))?;
        }
        // What was written shortly, as `1.5s`, may be longer in the end; it has to be readable all the same.
        if let Some(last) = expressions.last().map(AsRef::as_ref)
            && reading.filter.to_string().len() > LENGTH_LIMIT
        {
            let fault = Mistake::TooLong.at(0..0);
            return Err(FilterError::new(expressions.len() - 1, last, fault));
        }
        Ok(reading.filter)
    }

    /// Whether it is one of those exchanges.
    pub fn matches(&self, subject: &impl Subject) -> bool {
        self.is_empty()
            || self.alternatives.iter().any(|terms| terms.iter().all(|term| term.matches(subject)))
    }

    /// Whether it compares bodies, of which lists know the sizes only.
    pub fn asks_for_bodies(&self) -> bool {
        self.alternatives.iter().flatten().any(Term::asks_for_bodies)
    }

    /// Whether everything matches because nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.alternatives.is_empty()
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, terms) in self.alternatives.iter().enumerate() {
            f.write_str(if index > 0 { " or " } else { "" })?;
            for (index, term) in terms.iter().enumerate() {
                f.write_str(if index > 0 { " " } else { "" })?;
                write!(f, "{term}")?;
            }
        }
        Ok(())
    }
}

/// A filter, as far as it was read.
#[derive(Debug)]
struct Reading {
    scope: Scope,
    filter: Filter,
    bytes: usize,
    terms: usize,
}

impl Reading {
    fn expression(&mut self, text: &str) -> Result<(), Fault> {
        let room = LENGTH_LIMIT.saturating_sub(self.bytes);
        self.bytes += text.len();
        if text.len() > room {
            let end = text.floor_char_boundary(room);
            return Err(Mistake::TooLong.at(end..end));
        }
        let mut words = Words::of(text);
        let mut terms = Vec::new();
        let mut or = None;
        while let Some(word) = words.next()? {
            match word {
                Word::Term(written) => {
                    self.terms += 1;
                    if self.terms > TERMS_LIMIT {
                        return Err(Mistake::TooManyTerms.at(written.at));
                    }
                    terms.push(parse::term(&written, self.scope)?);
                }
                Word::Or(at) if terms.is_empty() => return Err(Mistake::LonelyOr.at(at)),
                Word::Or(at) => {
                    self.filter.alternatives.push(std::mem::take(&mut terms));
                    or = Some(at);
                }
            }
        }
        match or {
            Some(at) if terms.is_empty() => return Err(Mistake::LonelyOr.at(at)),
            _ if terms.is_empty() => return Ok(()),
            _ => self.filter.alternatives.push(terms),
        }
        Ok(())
    }
}
