//! What holds for every filter, by comparison with evaluations that are written down in another way.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::{Filter, FilterError, LENGTH_LIMIT, Scope, fields};
use super::{exchange, message, unanswered};
use crate::{End, Exchange};

type Meaning = fn(&Exchange) -> bool;

/// Terms, and what each means without this crate's filters.
const TERMS: [(&str, Meaning); 10] = [
    ("method=get", |exchange| exchange.method == "GET"),
    ("path~^/a", |exchange| exchange.target.starts_with("/a")),
    ("path=*b", |exchange| exchange.target.ends_with('b')),
    ("status>=500", |exchange| matches!(exchange.status, Some(500..))),
    ("status=4xx", |exchange| matches!(exchange.status, Some(400..500))),
    ("status", |exchange| exchange.status.is_some()),
    ("latency<10ms", |exchange| matches!(exchange.timing.total_us, Some(0..10_000))),
    ("header.x-user=alice", |exchange| exchange.request.header("x-user").any(|value| value == "alice")),
    ("header.x-user", |exchange| exchange.request.header("x-user").next().is_some()),
    ("error", |exchange| exchange.end == Some(End::Cut) || matches!(exchange.status, Some(500..))),
];

/// Exchanges of which the terms say different things.
fn exchanges() -> impl Strategy<Value = Exchange> {
    let request = (select(vec!["GET", "POST"]), select(vec!["/a", "/b", "/a/b", "/"]));
    let user = select(vec![
        &[][..],
        &[("X-User", "alice")],
        &[("x-user", "bob")],
        &[("x-user", "bob"), ("x-user", "alice")],
    ]);
    let status = proptest::option::of(select(vec![200, 399, 400, 499, 500, 503]));
    let end = proptest::option::of(select(vec![End::Complete, End::Cut]));
    let latency = proptest::option::of(select(vec![0, 9_999, 10_000, 10_001]));
    (request, user, status, end, latency).prop_map(|((method, target), user, status, end, total_us)| {
        Exchange {
            method: method.into(),
            target: target.into(),
            request: message(user, b""),
            status,
            answer: None,
            end,
            timing: crate::Timing { total_us, ..Default::default() },
            ..exchange()
        }
    })
}

/// Alternatives of terms, by number, each with whether it is negated.
fn alternatives() -> impl Strategy<Value = Vec<Vec<(usize, bool)>>> {
    vec(vec((0..TERMS.len(), any::<bool>()), 1..5), 1..5)
}

fn written(terms: &[(usize, bool)]) -> String {
    let term =
        |(index, negated): &(usize, bool)| format!("{}{}", if *negated { "!" } else { "" }, TERMS[*index].0);
    terms.iter().map(term).collect::<Vec<_>>().join(" ")
}

/// Pieces of filters, and what is almost one.
fn pieces() -> impl Strategy<Value = String> {
    let names = fields().iter().map(|field| field.usage());
    let examples = fields().iter().map(|field| field.example.to_owned());
    let others = [
        "!",
        "=",
        "~",
        "!=",
        "!~",
        ">",
        ">=",
        "<",
        "<=",
        ".",
        "\"",
        "'",
        "\\",
        " ",
        "\t",
        "or",
        " or ",
        "*",
        "5xx",
        "100ms",
        "1.5KiB",
        "10.0.0.0/8",
        "a b",
        "ä",
        "日本",
        "\u{a0}",
        "\n",
        "(",
        "[a-",
        "\\d+",
        "header.x",
        "query.'a b'",
        "\"a\\\"b\"",
        "99999999999999999999",
        "\0",
    ];
    let all: Vec<_> = names.chain(examples).chain(others.map(str::to_owned)).collect();
    vec(select(all), 0..12).prop_map(|pieces| pieces.concat())
}

/// Terms with any name and value.
fn terms() -> impl Strategy<Value = String> {
    let field = select((0..fields().len()).collect::<Vec<_>>());
    let operator = select(vec!["", "=", "!=", "~", "!~", ">", ">=", "<", "<="]);
    let value =
        prop_oneof![any::<String>(), "[a-z*.'\"\\\\ =~\t\n]{0,8}", "[0-9]{1,4}(us|ms|s|m|B|K|MiB|xx|)"];
    (field, any::<bool>(), "[a-zA-Z.'\" =!-]{1,6}", operator, value).prop_map(
        |(field, negated, name, operator, value)| {
            let field = &fields()[field];
            let name = if field.needs_name() { format!(".{}", quoted(&name)) } else { String::new() };
            let value = if operator.is_empty() { String::new() } else { quoted(&value) };
            format!("{}{}{name}{operator}{value}", if negated { "!" } else { "" }, field.name)
        },
    )
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// It is written in one line and a place, and the place is one of the expression.
fn check(error: &FilterError, text: &str) {
    assert_eq!(error.message().lines().count(), 1, "{error}");
    assert!(error.column() <= text.chars().count(), "{error}");
    let shown = error.to_string();
    let mut lines = shown.lines().skip(1);
    let (line, place) = (lines.next().unwrap(), lines.next().unwrap());
    let at = place.chars().position(|c| c == '^').unwrap();
    let below = line.chars().nth(at);
    let there = text.chars().nth(error.column());
    assert!(below == there || there.is_some_and(char::is_control), "{error}");
}

fn read(text: &str) {
    for scope in [Scope::Exchange, Scope::Head] {
        let filter = match Filter::parse_for(scope, &[text]) {
            Ok(filter) => filter,
            Err(error) => {
                check(&error, text);
                continue;
            }
        };
        let canonical = filter.to_string();
        assert!(canonical.len() <= LENGTH_LIMIT);
        let again = Filter::parse_for(scope, &[&canonical]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(again, filter, "{text:?} {canonical:?}");
        assert_eq!(again.to_string(), canonical);
        for exchange in [exchange(), unanswered()] {
            assert_eq!(again.matches(&exchange), filter.matches(&exchange), "{text:?}");
        }
    }
}

proptest! {
    #[test]
    fn filters_mean_what_their_terms_mean(alternatives in alternatives(), exchange in exchanges()) {
        let wanted = alternatives
            .iter()
            .any(|terms| terms.iter().all(|(index, negated)| TERMS[*index].1(&exchange) != *negated));
        let expressions: Vec<_> = alternatives.iter().map(|terms| written(terms)).collect();
        let filter = Filter::parse(&expressions).unwrap();
        prop_assert_eq!(filter.matches(&exchange), wanted);
        let in_one = Filter::parse(&[expressions.join(" or ")]).unwrap();
        prop_assert_eq!(&in_one, &filter);
        prop_assert_eq!(Filter::parse(&[filter.to_string()]).unwrap(), filter);
    }

    #[test]
    fn nothing_that_is_typed_breaks_the_reader(text: String) {
        read(&text);
    }

    #[test]
    fn pieces_of_filters_are_read_or_refused(text in pieces()) {
        read(&text);
    }

    #[test]
    fn what_is_written_is_read_as_it_was(terms in vec(terms(), 1..4)) {
        read(&terms.join(" "));
        for term in &terms {
            read(term);
        }
    }

    #[test]
    fn what_stands_in_quotes_is_meant_letter_by_letter(path in "[^*?]{0,20}") {
        let filter = Filter::parse(&[format!("path={}", quoted(&path))]).unwrap();
        let asked = Exchange { target: path, ..exchange() };
        prop_assert!(filter.matches(&asked));
        let longer = Exchange { target: format!("{}x", asked.target), ..exchange() };
        prop_assert!(!filter.matches(&longer));
    }

    #[test]
    fn wildcards_are_what_a_naive_search_finds(pattern in "[ab*]{0,8}", text in "[ab\n]{0,8}") {
        fn naive(pattern: &[u8], text: &[u8]) -> bool {
            match pattern.split_first() {
                None => text.is_empty(),
                Some((b'*', rest)) => (0..=text.len()).any(|from| naive(rest, &text[from..])),
                Some((letter, rest)) => text.first() == Some(letter) && naive(rest, &text[1..]),
            }
        }
        let filter = Filter::parse(&[format!("path={}", quoted(&pattern))]).unwrap();
        let asked = Exchange { target: text.clone(), ..exchange() };
        prop_assert_eq!(filter.matches(&asked), naive(pattern.as_bytes(), text.as_bytes()));
    }
}
