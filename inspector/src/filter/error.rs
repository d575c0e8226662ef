//! What is wrong with a filter, and where.
//!
//! Commands print all of it; the dashboard puts message and place below the line that is being typed. So the parts can be
//! had one by one, and all are bounded, whatever was typed.

use std::fmt;
use std::ops::Range;

use super::{LENGTH_LIMIT, TERMS_LIMIT};

/// So many characters are shown before the place; a line of a terminal has room for both.
const BEFORE: usize = 48;
/// So many characters are shown from the place on.
const AFTER: usize = 32;
/// The longest word that a message repeats.
const WORD: usize = 40;

/// A filter that can't be read: what is wrong, and where.
///
/// [`fmt::Display`] writes the message, the expression, a line with `^` below the place, and the hint if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    message: String,
    hint: Option<String>,
    expression: usize,
    column: usize,
    width: usize,
    /// The expression around the place, in one line.
    line: String,
    /// Where the place is in it, in characters.
    shown: usize,
}

impl FilterError {
    /// What is wrong; one line, without a full stop.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What could be written instead; one line.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Which of the expressions it is, from 0.
    pub fn expression(&self) -> usize {
        self.expression
    }

    /// Characters of the expression before the place.
    pub fn column(&self) -> usize {
        self.column
    }

    /// Characters of the place, from 1; it may stand behind the last one of the expression.
    pub fn width(&self) -> usize {
        self.width
    }

    /// `fault` is in `text`, which is one of the expressions.
    pub(super) fn new(expression: usize, text: &str, fault: Fault) -> Self {
        let before = text.get(..fault.at.start).unwrap_or(text);
        let place = text.get(fault.at).unwrap_or_default();
        let column = before.chars().count();
        let cut = column.saturating_sub(BEFORE);
        let mut line = String::new();
        if cut > 0 {
            line.push('…');
        }
        let mut rest = text.chars().skip(cut);
        line.extend(rest.clone().take(column - cut + AFTER).map(plain));
        if rest.nth(column - cut + AFTER).is_some() {
            line.push('…');
        }
        Self {
            message: fault.mistake.to_string(),
            hint: fault.hint,
            expression,
            column,
            width: place.chars().count().max(1),
            line,
            shown: column - cut + usize::from(cut > 0),
        }
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.message)?;
        writeln!(f, "  {}", self.line)?;
        let blank = |c: char| if c == '\t' { c } else { ' ' };
        let blanks: String = self.line.chars().take(self.shown).map(blank).collect();
        let left = self.line.chars().count().saturating_sub(self.shown).max(1);
        write!(f, "  {blanks}{}", "^".repeat(self.width.min(left)))?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for FilterError {}

/// A mistake at its place, while the expression around it is known by the caller.
#[derive(Debug)]
pub(super) struct Fault {
    mistake: Mistake,
    at: Range<usize>,
    hint: Option<String>,
}

impl Fault {
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    pub(super) fn maybe_hint(self, hint: Option<String>) -> Self {
        Self { hint, ..self }
    }
}

/// What can be wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum Mistake {
    #[error("a filter has {LENGTH_LIMIT} bytes at most")]
    TooLong,
    #[error("a filter has {TERMS_LIMIT} terms at most")]
    TooManyTerms,
    #[error("`or` stands between two terms")]
    LonelyOr,
    #[error("`!` stands before a term, once")]
    LonelyNot,
    #[error("`!` is no operator")]
    NotAnOperator,
    #[error("there is no field before `{0}`")]
    NoFieldBefore(&'static str),
    #[error("there is a space before `{0}`")]
    SpaceBefore(&'static str),
    #[error("a term begins with a field, not with a quote")]
    BeginsWithQuote,
    #[error("there is no operator before the quote")]
    NoOperator,
    #[error("the quote has no end")]
    OpenQuote,
    #[error("something follows the end of the quote")]
    AfterQuote,
    #[error(r"`\{0}` means nothing within double quotes")]
    Escape(char),
    #[error("there is no value after `{0}`")]
    NoValue(&'static str),
    #[error("`{0}` is no operator")]
    TwoOperators(String),
    #[error("there is no field `{}`", shown(.0))]
    NoField(String),
    #[error("`{}` is no term", shown(.0))]
    NoTerm(String),
    #[error("`{0}` needs a name")]
    NoName(&'static str),
    #[error("`{}` can't be the name of a header", shown(.0))]
    NoHeaderName(String),
    #[error("`{0}` has to be compared with something")]
    NoComparison(&'static str),
    #[error("`{field}` can't be compared by `{operator}`")]
    Operator { field: &'static str, operator: &'static str },
    #[error("`{0}` is not known when a request comes in")]
    NotOfHead(&'static str),
    #[error("`{}` is no {what}", shown(.value))]
    Value { value: String, what: &'static str },
    #[error("`{0}` is more than can be counted")]
    TooMuch(String),
    #[error("not a regular expression: {0}")]
    Regex(String),
    #[error("the pattern is too large")]
    LargePattern,
}

impl Mistake {
    pub(super) fn at(self, at: Range<usize>) -> Fault {
        Fault { mistake: self, at, hint: None }
    }
}

/// A word of the user's as a message may repeat it.
pub(super) fn shown(word: &str) -> String {
    let mut shown: String = word.chars().take(WORD).map(plain).collect();
    if word.chars().nth(WORD).is_some() {
        shown.push('…');
    }
    shown
}

/// Nothing that breaks the line or moves the cursor; a tab stays, as the line with the place has it, too.
fn plain(c: char) -> char {
    if c.is_control() && c != '\t' { '\u{fffd}' } else { c }
}
