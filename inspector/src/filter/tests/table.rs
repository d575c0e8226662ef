//! The table of fields, the help, and what is known of a head.

use super::super::{Filter, Scope, Subject, fields, help};
use crate::{Direction, Version};

#[test]
fn the_table_says_what_the_parser_does() {
    for field in fields() {
        Filter::parse(&[field.example]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(Filter::parse_for(Scope::Head, &[field.example]).is_ok(), field.of_head, "{}", field.name);
        let usage = field.usage();
        assert!(field.example.starts_with(field.name), "{usage}");
        assert_eq!(Filter::parse(&[&usage]).is_ok(), field.stands_alone(), "{usage}");
        let value = field.example.rsplit_once(['=', '~', '>']).map_or("7", |(_, value)| value);
        for operator in ["=", "!=", "~", "!~", ">", ">=", "<", "<="] {
            let known = field.operators().any(|known| known == operator);
            assert_eq!(
                Filter::parse(&[format!("{usage}{operator}{value}")]).is_ok(),
                known,
                "{usage}{operator}{value}"
            );
        }
        for value in field.values() {
            Filter::parse(&[format!("{usage}={value}")]).unwrap();
        }
    }
}

#[test]
fn the_help_fits_a_terminal() {
    let help = help();
    assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    for field in fields() {
        assert!(help.contains(&field.usage()) && help.contains(field.example), "{}", field.name);
    }
}

/// The head of a request, with no more than a route needs: this `traceparent`.
struct Head(&'static [u8]);

const TRACE: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

impl Subject for Head {
    fn direction(&self) -> Direction {
        Direction::Requests
    }

    fn version(&self) -> Version {
        Version::Http2
    }

    fn caller(&self) -> Option<std::net::IpAddr> {
        None
    }

    fn host(&self) -> Option<&str> {
        Some("orders")
    }

    fn method(&self) -> &str {
        "GET"
    }

    fn target(&self) -> &str {
        "/a?b=c"
    }

    fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        [("Traceparent", self.0), ("X-Latin", b"\xe9")].into_iter()
    }
}

#[test]
fn a_head_answers_what_it_knows() {
    for (term, wanted) in [
        ("method=GET path=/a query.b=c host=orders version=2 direction=requests", true),
        ("trace=4bf92f3577b34da6a3ce929d0e0e4736", true),
        ("header.x-latin", true),
        (r"header.x-latin~(?-u:\xe9)", true),
        ("from", false),
        ("header.x-user=alice", false),
    ] {
        assert_eq!(Filter::parse_for(Scope::Head, &[term]).unwrap().matches(&Head(TRACE)), wanted, "{term}");
    }
    for term in [
        "status",
        "latency",
        "size",
        "type",
        "body",
        "answer.x",
        "answer.body",
        "grpc",
        "error",
        "replay",
        "id=7",
    ] {
        assert!(!Filter::parse(&[term]).unwrap().matches(&Head(TRACE)), "{term}");
    }
}

#[test]
fn a_trace_is_what_traceparent_has_in_the_right_form() {
    let trace = Filter::parse(&["trace"]).unwrap();
    assert!(trace.matches(&Head(TRACE)));
    let others: [&[u8]; 5] =
        [b"", b"00", b"00-4bf9-00f0-01", b"00-zzf92f3577b34da6a3ce929d0e0e4736-00f0-01", b"\xff"];
    for other in others {
        assert!(!trace.matches(&Head(other)), "{other:?}");
    }
}
