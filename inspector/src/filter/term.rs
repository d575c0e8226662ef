//! One term: what it asks, and whether that holds.

use std::fmt;

use ipnet::IpNet;

use super::fields::{Choice, Field, Kind, Named, Number, Text};
use super::operator::Operator;
use super::pattern::Pattern;
use super::quantity::{self, DURATIONS, SIZES};
use super::subject::Subject;
use super::{grpc, words};
use crate::{Direction, Route, Version};

/// A question, or its opposite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) negated: bool,
    pub(super) question: Question,
}

/// What is asked; without a pattern, an address or a comparison, whether there is such a thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    Text(Text, Option<Pattern>),
    Named(Named, String, Option<Pattern>),
    Number(Number, Option<Range>),
    Choice(Choice, &'static str),
    From(Option<IpNet>),
    Error,
}

/// Which numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    /// Those of which this holds.
    Is(Operator, u64),
    /// So many hundred and above, up to the next hundred.
    Class(u64),
}

impl Term {
    pub(super) fn matches(&self, subject: &impl Subject) -> bool {
        self.question.holds(subject) != self.negated
    }

    pub(super) fn asks_for_bodies(&self) -> bool {
        matches!(self.question, Question::Text(Text::Body | Text::AnswerBody, Some(_)))
    }
}

impl Question {
    fn holds(&self, subject: &impl Subject) -> bool {
        match self {
            Self::Text(text, pattern) => text.any(subject, |bytes| matches(pattern.as_ref(), bytes)),
            Self::Named(named, name, pattern) => {
                named.any(subject, name, |bytes| matches(pattern.as_ref(), bytes))
            }
            Self::Number(number, range) => {
                number.of(subject).is_some_and(|number| range.is_none_or(|range| range.contains(number)))
            }
            Self::Choice(choice, word) => choice.of(subject) == Some(word),
            Self::From(net) => subject
                .caller()
                // An IPv4 caller of a socket for both is the same caller.
                .is_some_and(|caller| net.is_none_or(|net| net.contains(&caller.to_canonical()))),
            Self::Error => {
                subject.is_cut()
                    || subject.status().is_some_and(|status| status >= 500)
                    || subject.grpc_status().is_some_and(|status| status != 0)
            }
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Text(text, _) => Kind::Text(*text),
            Self::Named(named, ..) => Kind::Named(*named),
            Self::Number(number, _) => Kind::Number(*number),
            Self::Choice(choice, _) => Kind::Choice(*choice),
            Self::From(_) => Kind::From,
            Self::Error => Kind::Error,
        }
    }

    /// Operator and value, as they are written; none: it stands alone.
    fn comparison(&self) -> Option<(Operator, String)> {
        match self {
            Self::Text(_, pattern) | Self::Named(_, _, pattern) => {
                let pattern = pattern.as_ref()?;
                let text = pattern.text();
                let plain = words::is_plain_value(text);
                let operator =
                    if matches!(pattern, Pattern::Regex { .. }) { Operator::Like } else { Operator::Equal };
                Some((operator, if plain { text.to_owned() } else { words::quote(text) }))
            }
            Self::Number(number, range) => Some(match (*range)? {
                Range::Class(class) => (Operator::Equal, format!("{class}xx")),
                Range::Is(operator, value) => (operator, number.write(value)),
            }),
            Self::Choice(_, word) => Some((Operator::Equal, (*word).to_owned())),
            Self::From(net) => {
                let net = (*net)?;
                let one = net.prefix_len() == net.max_prefix_len();
                Some((Operator::Equal, if one { net.addr().to_string() } else { net.to_string() }))
            }
            Self::Error => None,
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let comparison = self.question.comparison();
        let operator = comparison.as_ref().map(|(operator, _)| *operator);
        let negated = operator.filter(|_| self.negated).and_then(Operator::negated);
        if self.negated && negated.is_none() {
            f.write_str("!")?;
        }
        f.write_str(Field::name_of(self.question.kind()))?;
        if let Question::Named(_, name, _) = &self.question {
            f.write_str(".")?;
            f.write_str(&if words::is_plain_name(name) { name.clone() } else { words::quote(name) })?;
        }
        match comparison {
            Some((operator, value)) => write!(f, "{}{value}", negated.unwrap_or(operator.as_str())),
            None => Ok(()),
        }
    }
}

fn matches(pattern: Option<&Pattern>, bytes: &[u8]) -> bool {
    pattern.is_none_or(|pattern| pattern.matches(bytes))
}

impl Text {
    /// Whether one of the texts is as asked.
    fn any(self, subject: &impl Subject, is: impl Fn(&[u8]) -> bool) -> bool {
        match self {
            Self::Method => is(subject.method().as_bytes()),
            Self::Path => is(path_and_query(subject).0.as_bytes()),
            Self::Query => path_and_query(subject).1.is_some_and(|query| is(query.as_bytes())),
            Self::Host => subject.host().is_some_and(|host| {
                is(host.as_bytes()) || without_port(host).is_some_and(|host| is(host.as_bytes()))
            }),
            Self::Trace => subject.trace().is_some_and(|trace| is(trace.as_bytes())),
            Self::Type => header(subject.answer_headers(), "content-type", |value| {
                is(value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii())
            }),
            Self::Body => subject.body().is_some_and(|body| is(&body)),
            Self::AnswerBody => subject.answer_body().is_some_and(|body| is(&body)),
        }
    }
}

impl Named {
    /// Whether one of the texts with this name is as asked.
    fn any(self, subject: &impl Subject, name: &str, is: impl Fn(&[u8]) -> bool) -> bool {
        match self {
            Self::Header => header(subject.headers(), name, is),
            Self::Answer => header(subject.answer_headers(), name, is),
            Self::Query => {
                let query = path_and_query(subject).1.unwrap_or_default();
                form_urlencoded::parse(query.as_bytes())
                    .any(|(key, value)| key == name && is(value.as_bytes()))
            }
        }
    }
}

fn header<'a>(
    mut headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    name: &str,
    is: impl Fn(&[u8]) -> bool,
) -> bool {
    headers.any(|(header, value)| header.eq_ignore_ascii_case(name) && is(value))
}

fn path_and_query(subject: &impl Subject) -> (&str, Option<&str>) {
    let target = subject.target();
    target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)))
}

/// A host that has a port, without it. In an IPv6 address, other colons stand within brackets.
fn without_port(host: &str) -> Option<&str> {
    let (host, port) = host.rsplit_once(':')?;
    port.bytes().all(|byte| byte.is_ascii_digit()).then_some(host)
}

impl Number {
    fn of(self, subject: &impl Subject) -> Option<u64> {
        match self {
            Self::Id => subject.id(),
            Self::Status => subject.status().map(u64::from),
            Self::Latency => subject.latency_us(),
            Self::Size => subject.size(),
            Self::Grpc => subject.grpc_status().map(u64::from),
            Self::Replay => subject.replay_of(),
        }
    }

    fn write(self, value: u64) -> String {
        match self {
            Self::Id | Self::Status | Self::Replay => value.to_string(),
            Self::Latency => quantity::write(value, DURATIONS),
            Self::Size => quantity::write(value, SIZES),
            Self::Grpc => grpc::name(value).map_or_else(|| value.to_string(), str::to_owned),
        }
    }
}

impl Range {
    fn contains(self, number: u64) -> bool {
        match self {
            Self::Is(operator, wanted) => operator.holds(number, wanted),
            Self::Class(class) => number / 100 == class,
        }
    }
}

impl Choice {
    /// Which of its words it is.
    fn of(self, subject: &impl Subject) -> Option<&'static str> {
        Some(match self {
            Self::Direction => match subject.direction() {
                Direction::Requests => "requests",
                Direction::Outbound => "outbound",
            },
            Self::Version => match subject.version() {
                Version::Http10 => "1.0",
                Version::Http11 => "1.1",
                Version::Http2 => "2",
            },
            Self::To => match subject.route()? {
                Route::Laptop { .. } => "laptop",
                Route::Originals { .. } => "originals",
                Route::Cluster { .. } => "cluster",
            },
        })
    }
}
