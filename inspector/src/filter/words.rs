//! From the text of an expression to its words: fields, operators, values without their quotes, and where each stands.
//!
//! What a field means is not known here. One pass, no step back, nothing is copied but what stands in double quotes with
//! a backslash.

use std::borrow::Cow;
use std::ops::Range;

use super::error::{Fault, Mistake, shown};
use super::operator::Operator;

/// Ends a name that stands without quotes, as white space does.
const ENDS_A_NAME: [char; 7] = ['=', '!', '~', '<', '>', '"', '\''];

/// What stands between spaces.
#[derive(Debug)]
pub(super) enum Word<'a> {
    /// Of the language: what is before it or what is behind it.
    Or(Range<usize>),
    /// A term.
    Term(Written<'a>),
}

/// A term, as it is written.
#[derive(Debug)]
pub(super) struct Written<'a> {
    /// All of it.
    pub(super) at: Range<usize>,
    /// It begins with `!`.
    pub(super) negated: bool,
    /// The field, up to the first dot.
    pub(super) name: Text<'a>,
    /// Behind the first dot.
    pub(super) part: Option<Text<'a>>,
    /// None: the field alone.
    pub(super) comparison: Option<Comparison<'a>>,
}

/// Operator and value.
#[derive(Debug)]
pub(super) struct Comparison<'a> {
    pub(super) operator: Operator,
    pub(super) operator_at: Range<usize>,
    pub(super) value: Text<'a>,
}

/// Something that may have stood in quotes.
#[derive(Debug, Clone)]
pub(super) struct Text<'a> {
    /// Without quotes; borrowed: letter by letter as in the expression.
    pub(super) text: Cow<'a, str>,
    /// Where it stands, without the quotes.
    pub(super) at: Range<usize>,
}

/// The words of one expression, one after the other.
#[derive(Debug)]
pub(super) struct Words<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next one; none: that was all.
    pub(super) fn next(&mut self) -> Result<Option<Word<'a>>, Fault> {
        self.take(char::is_whitespace);
        if self.peek().is_none() {
            return Ok(None);
        }
        let start = self.at;
        let negated = self.eat('!');
        let name = self.take(|c| !ends_a_name(c));
        if negated && name.text.is_empty() && self.ends_here_or('!') {
            return Err(Mistake::LonelyNot.at(start..self.at));
        }
        if name.text.is_empty() {
            return Err(self.nameless(if negated { start } else { self.at }));
        }
        let (name, part) = self.part(name)?;
        let comparison = self.comparison(&name)?;
        let at = start..self.at;
        if name.text == "or" && !negated && part.is_none() && comparison.is_none() {
            return Ok(Some(Word::Or(at)));
        }
        Ok(Some(Word::Term(Written { at, negated, name, part, comparison })))
    }

    /// Splits a name at its first dot, behind which there may be quotes.
    fn part(&mut self, name: Text<'a>) -> Result<(Text<'a>, Option<Text<'a>>), Fault> {
        let Cow::Borrowed(all) = name.text else { return Ok((name, None)) };
        let Some((first, rest)) = all.split_once('.') else {
            return if self.at_quote() {
                let fault = Mistake::NoOperator.at(self.here());
                Err(fault.hint(format!("a text is compared by `=` or `~`: `{}='…'`", shown(all))))
            } else {
                Ok((name, None))
            };
        };
        let dot = name.at.start + first.len();
        let part = match self.at_quote() {
            true if rest.is_empty() => self.quoted()?,
            true => return Err(Mistake::NoOperator.at(self.here())),
            false => Text { text: Cow::Borrowed(rest), at: dot + 1..name.at.end },
        };
        Ok((Text { text: Cow::Borrowed(first), at: name.at.start..dot }, Some(part)))
    }

    fn comparison(&mut self, name: &Text<'_>) -> Result<Option<Comparison<'a>>, Fault> {
        let start = self.at;
        let Some(operator) = self.operator() else {
            return match self.peek() {
                Some('!') => {
                    let hint = "`!=` and `!~` are; `!` alone stands before a term";
                    Err(Mistake::NotAnOperator.at(self.here()).hint(hint))
                }
                Some(c) if !c.is_whitespace() => Err(Mistake::NoOperator.at(self.here())),
                _ => self.no_space_before_operator(name).map(|()| None),
            };
        };
        let operator_at = start..self.at;
        match self.peek() {
            None => {
                let hint = "nothing, as a value, is `\"\"`";
                return Err(Mistake::NoValue(operator.as_str()).at(self.here()).hint(hint));
            }
            Some(c) if c.is_whitespace() => {
                let hint = "no space stands after an operator, and nothing, as a value, is `\"\"`";
                return Err(Mistake::NoValue(operator.as_str()).at(self.here()).hint(hint));
            }
            Some('=' | '~') => {
                return Err(self.two_operators(start));
            }
            Some(_) => {}
        }
        let value = if self.at_quote() { self.quoted()? } else { self.take(|c| !c.is_whitespace()) };
        if self.peek().is_some_and(|c| !c.is_whitespace()) {
            let hint = "a text with quotes in it stands in the other quotes, all of it: `body~'\"id\":7'`";
            return Err(Mistake::AfterQuote.at(self.here()).hint(hint));
        }
        Ok(Some(Comparison { operator, operator_at, value }))
    }

    /// What stands in quotes.
    fn quoted(&mut self) -> Result<Text<'a>, Fault> {
        let start = self.at;
        let single = self.eat('\'');
        if !single {
            self.eat('"');
        }
        let quote = if single { '\'' } else { '"' };
        let mut text = Cow::Borrowed("");
        loop {
            let run = self.take(|c| c != quote && (single || c != '\\'));
            match &mut text {
                Cow::Owned(text) => text.push_str(&run.text),
                Cow::Borrowed("") => text = run.text,
                // A run ends at a backslash, which makes it an owned one, or at the end.
                Cow::Borrowed(_) => {}
            }
            if self.eat(quote) {
                break;
            }
            if !self.eat('\\') {
                return Err(Mistake::OpenQuote.at(start..start + 1));
            }
            let escaped = self.escaped()?;
            text.to_mut().push(escaped);
        }
        Ok(Text { text, at: start + 1..self.at - 1 })
    }

    /// What a backslash before the next character means.
    fn escaped(&mut self) -> Result<char, Fault> {
        let backslash = self.at.saturating_sub(1);
        let Some(c) = self.bump() else { return Err(Mistake::OpenQuote.at(backslash..self.at)) };
        match c {
            '\\' | '"' => Ok(c),
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            't' => Ok('\t'),
            _ => {
                let hint =
                    r"write `\\`, or single quotes, between which a backslash is like any other character";
                let shown = if c.is_control() { '\u{fffd}' } else { c };
                Err(Mistake::Escape(shown).at(backslash..self.at).hint(hint))
            }
        }
    }

    /// A term that begins with no name.
    fn nameless(&mut self, start: usize) -> Fault {
        if self.at_quote() {
            return Mistake::BeginsWithQuote
                .at(self.here())
                .hint("text is searched for in a field: `path~'…'`");
        }
        let from = self.at;
        self.at = start;
        let operator = self.operator();
        let end = self.at.max(from);
        match operator {
            Some(operator) => {
                Mistake::NoFieldBefore(operator.as_str()).at(start..end).hint("for example `status>=500`")
            }
            None => Mistake::LonelyNot.at(start..end),
        }
    }

    /// `method = GET` is refused as such: two of its words would make no sense.
    fn no_space_before_operator(&self, name: &Text<'_>) -> Result<(), Fault> {
        let mut ahead = Self { text: self.text, at: self.at };
        ahead.take(char::is_whitespace);
        let start = ahead.at;
        match ahead.operator() {
            Some(operator) => {
                let operator = operator.as_str();
                let hint = format!("no spaces stand around an operator: `{}{operator}…`", shown(&name.text));
                Err(Mistake::SpaceBefore(operator).at(start..ahead.at).hint(hint))
            }
            None => Ok(()),
        }
    }

    /// `==`, `=~` and the like, which other languages have.
    fn two_operators(&mut self, start: usize) -> Fault {
        self.take(|c| matches!(c, '=' | '~'));
        let written: String = self.text.get(start..self.at).unwrap_or_default().chars().take(4).collect();
        let hint = match written.as_str() {
            "==" | "===" => "`=` is",
            "=~" => "`~` is",
            _ => "a value that begins so stands in quotes",
        };
        Mistake::TwoOperators(written).at(start..self.at).hint(hint)
    }

    fn operator(&mut self) -> Option<Operator> {
        let operator = Operator::at_start(self.rest())?;
        self.at += operator.as_str().len();
        Some(operator)
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn eat(&mut self, wanted: char) -> bool {
        let there = self.peek() == Some(wanted);
        if there {
            self.at += wanted.len_utf8();
        }
        there
    }

    fn take(&mut self, mut belongs: impl FnMut(char) -> bool) -> Text<'a> {
        let rest = self.rest();
        let length = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        let start = self.at;
        self.at += length;
        Text { text: Cow::Borrowed(rest.get(..length).unwrap_or_default()), at: start..self.at }
    }

    fn at_quote(&self) -> bool {
        matches!(self.peek(), Some('"' | '\''))
    }

    fn ends_here_or(&self, other: char) -> bool {
        self.peek().is_none_or(|c| c.is_whitespace() || c == other)
    }

    /// The next character; behind the last one, an empty place.
    fn here(&self) -> Range<usize> {
        self.at..self.at + self.peek().map_or(0, char::len_utf8)
    }
}

fn ends_a_name(c: char) -> bool {
    c.is_whitespace() || ENDS_A_NAME.contains(&c)
}

/// Whether a name may stand without quotes.
pub(super) fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| ends_a_name(c) || c.is_control())
}

/// Whether a value may stand without quotes.
pub(super) fn is_plain_value(value: &str) -> bool {
    !value.is_empty()
        && !value.starts_with(['=', '~', '"', '\''])
        && !value.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// `text` in quotes: single ones where that is possible, as regular expressions read better there.
pub(super) fn quote(text: &str) -> String {
    if !text.contains(|c: char| c == '\'' || c.is_control()) {
        return format!("'{text}'");
    }
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '\\' | '"' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
