//! From words to terms: which field it is, whether the operator makes sense for it, and what the value is.

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;

use super::error::{Fault, Mistake, shown};
use super::fields::{Choice, Field, Kind, Number};
use super::operator::Operator;
use super::pattern::{NoPattern, Pattern};
use super::quantity::{self, DURATIONS, NoQuantity, SIZES};
use super::term::{Question, Range, Term};
use super::words::{Comparison, Text, Written};
use super::{Scope, grpc, suggest};

/// Statuses have three digits.
const STATUSES: std::ops::RangeInclusive<u64> = 100..=999;

/// What a term means.
pub(super) fn term(written: &Written<'_>, scope: Scope) -> Result<Term, Fault> {
    let (field, name) = field(written)?;
    if scope == Scope::Head && !field.of_head {
        let fault = Mistake::NotOfHead(field.name).at(written.at.clone());
        return Err(fault.hint(
            "a route is chosen before anything else comes: by method, path, host, headers and the like",
        ));
    }
    let Some(comparison) = &written.comparison else {
        let question = alone(field.kind, name).ok_or_else(|| {
            let fault = Mistake::NoComparison(field.name).at(written.at.clone());
            fault.hint(format!("for example `{}`", field.example))
        })?;
        return Ok(Term { negated: written.negated, question });
    };
    if !field.kind.knows(comparison.operator) {
        let mistake = Mistake::Operator { field: field.name, operator: comparison.operator.as_str() };
        let known: Vec<_> = field.operators().collect();
        let fault = mistake.at(comparison.operator_at.clone());
        return Err(match known.is_empty() {
            true => fault.hint(format!("`{}` stands alone", field.name)),
            false => fault.hint(format!("`{}` knows {}", field.name, known.join(" "))),
        });
    }
    let (turned, operator) = comparison.operator.split();
    let question = compared(field.kind, name, operator, comparison)?;
    Ok(Term { negated: written.negated != turned, question })
}

/// The field, and the name behind its dot if it is one of those that need one.
fn field(written: &Written<'_>) -> Result<(&'static Field, String), Fault> {
    let name = &written.name;
    let Some(part) = &written.part else {
        return match Field::find(&name.text, false) {
            Some(field) => Ok((field, String::new())),
            None => Err(unknown(written)),
        };
    };
    // `answer.body` is a field of its own.
    let full = format!("{}.{}", name.text, part.text);
    if let Some(field) = Field::find(&full, false) {
        return Ok((field, String::new()));
    }
    let Some(field) = Field::find(&name.text, true) else { return Err(unknown(written)) };
    let at = if part.at.is_empty() { name.at.clone() } else { part.at.clone() };
    if part.text.is_empty() {
        return Err(Mistake::NoName(field.name).at(at).hint(format!("for example `{}`", field.example)));
    }
    if field.kind == Kind::Named(super::fields::Named::Query) {
        return Ok((field, part.text.to_string()));
    }
    if !part.text.bytes().all(is_token) {
        return Err(Mistake::NoHeaderName(part.text.to_string()).at(at));
    }
    Ok((field, part.text.to_ascii_lowercase()))
}

/// There is no such field, or it needs a name, or has none.
fn unknown(written: &Written<'_>) -> Fault {
    let name = &*written.name.text;
    let at = written.name.at.clone();
    if written.part.is_none()
        && let Some(field) = Field::find(name, true)
    {
        return Mistake::NoName(field.name).at(at).hint(format!("for example `{}`", field.example));
    }
    let full = match &written.part {
        Some(part) => format!("{name}.{}", part.text),
        None => name.to_owned(),
    };
    if written.comparison.is_none() {
        return Mistake::NoTerm(full.clone()).at(written.at.clone()).maybe_hint(suggest::for_word(&full));
    }
    let end = written.part.as_ref().map_or(at.end, |part| part.at.end);
    Mistake::NoField(full.clone()).at(at.start..end).hint(suggest::for_field(name, &full))
}

/// Whether there is such a thing at all; none: there always is.
fn alone(kind: Kind, name: String) -> Option<Question> {
    let question = match kind {
        Kind::Text(text) => Question::Text(text, None),
        Kind::Named(named) => Question::Named(named, name, None),
        Kind::Number(number) => Question::Number(number, None),
        Kind::Choice(_) => return None,
        Kind::From => Question::From(None),
        Kind::Error => Question::Error,
    };
    kind.stands_alone().then_some(question)
}

fn compared(
    kind: Kind,
    name: String,
    operator: Operator,
    comparison: &Comparison<'_>,
) -> Result<Question, Fault> {
    let value = &comparison.value;
    Ok(match kind {
        Kind::Text(text) => Question::Text(text, Some(pattern(kind, operator, value)?)),
        Kind::Named(named) => Question::Named(named, name, Some(pattern(kind, operator, value)?)),
        Kind::Number(number) => Question::Number(number, Some(range(number, operator, value)?)),
        Kind::Choice(choice) => Question::Choice(choice, word(choice, value)?),
        Kind::From => Question::From(Some(net(value)?)),
        // It knows no operator.
        Kind::Error => Question::Error,
    })
}

fn pattern(kind: Kind, operator: Operator, value: &Text<'_>) -> Result<Pattern, Fault> {
    let pattern = match operator {
        Operator::Like => Pattern::like(&value.text, kind.case()),
        _ => Pattern::equal(&value.text, kind.case()),
    };
    pattern.map_err(|NoPattern { mistake, at }| {
        let too_large = matches!(mistake, Mistake::LargePattern);
        let place = match (at, &value.text) {
            (Some(at), Cow::Borrowed(_)) => value.at.start + at.start..value.at.start + at.end,
            _ => value.at.clone(),
        };
        let fault = mistake.at(place);
        let hint = if too_large {
            "counted repetitions of large classes take room: `[0-9]` is smaller than `\\d`, `(?-u:\\w)` than `\\w`"
        } else {
            "a character that means something is itself behind a backslash; `=` with `*` needs none"
        };
        fault.hint(hint)
    })
}

fn range(number: Number, operator: Operator, value: &Text<'_>) -> Result<Range, Fault> {
    let text = &*value.text;
    let no = |what, hint: &str| Mistake::Value { value: text.to_owned(), what }.at(place(value)).hint(hint);
    let quantity = |units, what, hint: &str| {
        quantity::read(text, units).map_err(|error| match error {
            NoQuantity::TooMuch => Mistake::TooMuch(shown(text)).at(place(value)),
            NoQuantity::TooFine => no(what, "microseconds and bytes are whole ones"),
            NoQuantity::Other | NoQuantity::NoUnit => no(what, hint),
        })
    };
    let read = match number {
        Number::Status => match (class(text), operator) {
            (Some(class), Operator::Equal) => return Ok(Range::Class(class)),
            (Some(class), _) => {
                let instead = match operator {
                    Operator::Above => format!(">={}00", class + 1),
                    Operator::AtMost => format!("<{}00", class + 1),
                    other => format!("{}{class}00", other.as_str()),
                };
                return Err(no("status to compare with", &format!("write `status{instead}`")));
            }
            (None, _) => {
                let status = quantity::count(text).filter(|status| STATUSES.contains(status));
                let hint = "a status is a number such as 404, or a class such as 5xx";
                status.ok_or_else(|| no("status", hint))?
            }
        },
        Number::Latency => {
            quantity(DURATIONS, "duration", "a duration has a unit, us, ms, s or m: `100ms`, `1.5s`")?
        }
        Number::Size => {
            quantity(SIZES, "size", "a size has a unit, B, K, KiB, M or MiB, or is in bytes: `10K`, `1.5M`")?
        }
        Number::Grpc => grpc::read(text).ok_or_else(|| {
            let near = suggest::nearest(text, grpc::NAMES);
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            no("status of gRPC", hint.as_deref().unwrap_or("it is a number, or a name such as UNAVAILABLE"))
        })?,
        Number::Id | Number::Replay => quantity::count(text)
            .ok_or_else(|| no("number of an exchange", "exchanges count from 1: `id=7`"))?,
    };
    Ok(Range::Is(operator, read))
}

/// The hundreds of `5xx`.
fn class(text: &str) -> Option<u64> {
    let (first, rest) = text.split_at_checked(1)?;
    let class = first.parse().ok().filter(|class| (1..=9).contains(class))?;
    rest.eq_ignore_ascii_case("xx").then_some(class)
}

fn word(choice: Choice, value: &Text<'_>) -> Result<&'static str, Fault> {
    let words = choice.words();
    words.iter().copied().find(|word| word.eq_ignore_ascii_case(&value.text)).ok_or_else(|| {
        let name = Field::name_of(Kind::Choice(choice));
        let hint = match suggest::nearest(&value.text, words.iter().copied())
            .filter(|_| choice != Choice::Version)
        {
            Some(near) => format!("did you mean `{name}={near}`?"),
            None => format!("there are {}", words.join(", ")),
        };
        let mistake = Mistake::Value { value: value.text.to_string(), what: choice.what() };
        mistake.at(place(value)).hint(hint)
    })
}

fn net(value: &Text<'_>) -> Result<IpNet, Fault> {
    let address = value.text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
    address.or_else(|_| value.text.parse()).map_err(|_| {
        let mistake = Mistake::Value { value: value.text.to_string(), what: "address" };
        mistake
            .at(place(value))
            .hint("an address is `10.0.0.7`, a range of them `10.0.0.0/8`, without a port")
    })
}

/// Where a value is; where it is `""`, its quotes.
fn place(value: &Text<'_>) -> std::ops::Range<usize> {
    if value.at.is_empty() { value.at.start.saturating_sub(1)..value.at.end + 1 } else { value.at.clone() }
}

/// What names of headers are made of (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
