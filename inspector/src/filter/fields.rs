//! All fields, as data: the parser, the help of commands and the completion of the dashboard read the same table.

use super::operator::Operator;
use super::pattern::Case;

/// Something that can be asked about an exchange.
#[derive(Debug)]
pub struct Field {
    /// As it is written, for those that need a name without the dot and the name.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// A term with it.
    pub example: &'static str,
    /// It is known as soon as the head of a request is there, so requests can be routed by it.
    pub of_head: bool,
    pub(super) kind: Kind,
}

/// What values a field has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text(Text),
    /// Text that has a name.
    Named(Named),
    Number(Number),
    /// One of a few words.
    Choice(Choice),
    /// An address.
    From,
    /// True or not; it has no value.
    Error,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    Method,
    Path,
    Query,
    Host,
    Trace,
    Type,
    Body,
    AnswerBody,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Query,
    Header,
    Answer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    Id,
    Status,
    /// In microseconds.
    Latency,
    /// In bytes.
    Size,
    Grpc,
    Replay,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    Direction,
    Version,
    To,
}

const fn of_head(kind: Kind, name: &'static str, example: &'static str, about: &'static str) -> Field {
    Field { name, about, example, of_head: true, kind }
}

const fn of_end(kind: Kind, name: &'static str, example: &'static str, about: &'static str) -> Field {
    Field { name, about, example, of_head: false, kind }
}

/// In the order in which people learn them.
#[rustfmt::skip]
pub(super) static FIELDS: [Field; 22] = [
    of_head(Kind::Text(Text::Method), "method", "method=POST", "method of the request, in any case"),
    of_head(Kind::Text(Text::Path), "path", "path~^/api", "path as the request has it, without the query"),
    of_head(Kind::Text(Text::Query), "query", "query~page=2", "all of the query as the request has it, without the `?`"),
    of_head(Kind::Named(Named::Query), "query", "query.page=2", "one value of the query, decoded"),
    of_head(Kind::Text(Text::Host), "host", "host=orders.shop", "host that was asked, in any case, with and without its port"),
    of_head(Kind::Named(Named::Header), "header", "header.x-user=alice", "a header of the request"),
    of_end(Kind::Number(Number::Status), "status", "status>=500", "status of the answer; `status=5xx` is a whole class"),
    of_end(Kind::Named(Named::Answer), "answer", "answer.location~login", "a header of the answer, or a trailer"),
    of_end(Kind::Number(Number::Latency), "latency", "latency>100ms", "from the request's first byte to the answer's last; us, ms, s, m"),
    of_end(Kind::Number(Number::Size), "size", "size>10K", "bytes of the answer's body, as they were sent; B, K, KiB, M, MiB"),
    of_end(Kind::Text(Text::Type), "type", "type=application/json", "content type of the answer without its parameters, in any case"),
    of_end(Kind::Text(Text::Body), "body", "body~alice", "body of the request as text, as far as it was kept"),
    of_end(Kind::Text(Text::AnswerBody), "answer.body", "answer.body~timeout", "body of the answer as text, as far as it was kept"),
    of_head(Kind::From, "from", "from=10.0.0.0/8", "address of the caller, or a range of addresses"),
    of_end(Kind::Choice(Choice::To), "to", "to=laptop", "who answered: laptop, originals, cluster"),
    of_head(Kind::Choice(Choice::Direction), "direction", "direction=outbound", "requests (to the laptop) or outbound (from it)"),
    of_head(Kind::Choice(Choice::Version), "version", "version=2", "version of HTTP: 1.0, 1.1, 2"),
    of_head(Kind::Text(Text::Trace), "trace", "trace=4bf92f3577b34da6a3ce929d0e0e4736", "trace id, from `traceparent`"),
    of_end(Kind::Number(Number::Grpc), "grpc", "grpc=UNAVAILABLE", "status of gRPC, as a number or a name"),
    of_end(Kind::Error, "error", "error", "it was cut, has a status from 500 on or a status of gRPC other than 0"),
    of_end(Kind::Number(Number::Replay), "replay", "replay", "it is a replay; `replay=7` is one of exchange 7"),
    of_end(Kind::Number(Number::Id), "id", "id=7", "number of the exchange"),
];

impl Field {
    /// As people write it: `header.NAME`.
    pub fn usage(&self) -> String {
        if self.needs_name() { format!("{}.NAME", self.name) } else { self.name.to_owned() }
    }

    /// Whether a dot and a name follow.
    pub fn needs_name(&self) -> bool {
        matches!(self.kind, Kind::Named(_))
    }

    /// Whether the field alone is a term; it is true where there is such a thing.
    pub fn stands_alone(&self) -> bool {
        self.kind.stands_alone()
    }

    /// What may stand between the field and a value.
    pub fn operators(&self) -> impl Iterator<Item = &'static str> {
        Operator::ALL.into_iter().filter(|operator| self.kind.knows(*operator)).map(Operator::as_str)
    }

    /// The words that are values, where there are only a few.
    pub fn values(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Choice(choice) => choice.words(),
            Kind::Number(Number::Grpc) => &super::grpc::NAMES,
            _ => &[],
        }
    }

    /// By its name, and whether another one follows it.
    pub(super) fn find(name: &str, needs_name: bool) -> Option<&'static Self> {
        FIELDS.iter().find(|field| field.name == name && field.needs_name() == needs_name)
    }

    /// The one with these values.
    pub(super) fn name_of(kind: Kind) -> &'static str {
        FIELDS.iter().find(|field| field.kind == kind).map_or("", |field| field.name)
    }
}

impl Kind {
    pub(super) fn knows(self, operator: Operator) -> bool {
        let (_, operator) = operator.split();
        match self {
            Self::Text(_) | Self::Named(_) => matches!(operator, Operator::Equal | Operator::Like),
            Self::Number(Number::Grpc) | Self::Choice(_) | Self::From => operator == Operator::Equal,
            Self::Number(_) => operator != Operator::Like,
            Self::Error => false,
        }
    }

    /// Whether not every exchange has it.
    pub(super) fn stands_alone(self) -> bool {
        !matches!(self, Self::Text(Text::Method | Text::Path) | Self::Number(Number::Id) | Self::Choice(_))
    }

    /// Whether case counts in its values; HTTP's own words are the same in both, but for methods, of which nobody has two.
    pub(super) fn case(self) -> Case {
        match self {
            Self::Text(Text::Method | Text::Host | Text::Type | Text::Trace) => Case::Ignored,
            _ => Case::Matters,
        }
    }
}

impl Choice {
    pub(super) fn words(self) -> &'static [&'static str] {
        match self {
            Self::Direction => &["requests", "outbound"],
            Self::Version => &["1.0", "1.1", "2"],
            Self::To => &["laptop", "originals", "cluster"],
        }
    }

    /// What a value of it is called.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Direction => "direction",
            Self::Version => "version of HTTP",
            Self::To => "place that answers",
        }
    }
}
