//! What a text is compared with: itself, itself with wildcards, a regular expression.
//!
//! All run in a time that is linear in what they look at, and are small once they are built: others choose the patterns
//! that an agent with little memory has for its routes. They look at bytes, so that a body need not be UTF-8.

use std::ops::Range;

use regex::bytes::{Regex, RegexBuilder};

use super::error::Mistake;

/// Bytes of a pattern once it is built, and of what it remembers while it searches.
const PATTERN_LIMIT: usize = 256 << 10;
/// Groups in groups.
const NEST_LIMIT: u32 = 50;

/// Whether letters of both cases are the same ones; of Unicode's letters only where a regular expression asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Matters,
    Ignored,
}

/// What a text is compared with.
#[derive(Debug, Clone)]
pub(super) enum Pattern {
    /// The whole text.
    Exact { text: String, case: Case },
    /// The whole text, where `*` is anything.
    Wild { text: String, regex: Regex },
    /// Somewhere in the text.
    Regex { text: String, regex: Regex },
}

/// Why a regular expression is none, and where in it.
#[derive(Debug)]
pub(super) struct NoPattern {
    pub(super) mistake: Mistake,
    pub(super) at: Option<Range<usize>>,
}

impl Pattern {
    /// The whole text; `*` is anything.
    pub(super) fn equal(text: &str, case: Case) -> Result<Self, NoPattern> {
        if !text.contains('*') {
            return Ok(Self::Exact { text: text.to_owned(), case });
        }
        let pieces: Vec<_> = text.split('*').map(regex::escape).collect();
        let mut builder = RegexBuilder::new(&format!("^{}$", pieces.join(".*")));
        builder.unicode(false).dot_matches_new_line(true);
        let regex = build(&mut builder, case).map_err(|mistake| NoPattern { mistake, at: None })?;
        Ok(Self::Wild { text: text.to_owned(), regex })
    }

    /// A regular expression, that of the crate `regex`.
    pub(super) fn like(text: &str, case: Case) -> Result<Self, NoPattern> {
        let regex = build(&mut RegexBuilder::new(text), case);
        match regex {
            Ok(regex) => Ok(Self::Regex { text: text.to_owned(), regex }),
            Err(mistake) => Err(NoPattern { at: place(text), mistake }),
        }
    }

    pub(super) fn matches(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Exact { text, case: Case::Matters } => bytes == text.as_bytes(),
            Self::Exact { text, case: Case::Ignored } => bytes.eq_ignore_ascii_case(text.as_bytes()),
            Self::Wild { regex, .. } | Self::Regex { regex, .. } => regex.is_match(bytes),
        }
    }

    /// As it was written.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Exact { text, .. } | Self::Wild { text, .. } | Self::Regex { text, .. } => text,
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other) && self.text() == other.text()
    }
}

impl Eq for Pattern {}

fn build(builder: &mut RegexBuilder, case: Case) -> Result<Regex, Mistake> {
    let builder = builder.case_insensitive(case == Case::Ignored);
    let builder = builder.size_limit(PATTERN_LIMIT).dfa_size_limit(PATTERN_LIMIT).nest_limit(NEST_LIMIT);
    builder.build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => Mistake::LargePattern,
        // Its text is several lines with the place; the last one says what is wrong.
        regex::Error::Syntax(text) => {
            let last = text.lines().last().unwrap_or_default();
            Mistake::Regex(last.trim_start_matches("error: ").to_owned())
        }
        _ => Mistake::Regex("it can't be built".to_owned()),
    })
}

/// Where in a regular expression the mistake is that its own library, asked again, finds.
fn place(text: &str) -> Option<Range<usize>> {
    let mut parser = regex_syntax::ParserBuilder::new().utf8(false).nest_limit(NEST_LIMIT).build();
    let span = match parser.parse(text) {
        Err(regex_syntax::Error::Parse(error)) => *error.span(),
        Err(regex_syntax::Error::Translate(error)) => *error.span(),
        _ => return None,
    };
    Some(span.start.offset..span.end.offset)
}
