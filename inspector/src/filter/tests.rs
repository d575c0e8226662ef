//! An exchange that is asked by all tests.

mod laws;
mod limits;
mod meaning;
mod mistakes;
mod table;
mod values;

use super::Filter;
use crate::exchange::{Body, Direction, End, Exchange, Header, Message, Route, Timing, Version};

/// A request to the laptop, answered with 200 after 150 ms.
fn exchange() -> Exchange {
    Exchange {
        id: 7,
        started: "2026-01-02T03:04:05Z".parse().unwrap(),
        direction: Direction::Requests,
        from: Some("10.1.2.3:4567".parse().unwrap()),
        to: None,
        port: 8080,
        version: Version::Http11,
        method: "POST".into(),
        target: "/api/v1/orders?page=2&q=a+b%26c&tag=x&tag=y".into(),
        host: "Orders.shop:8080".into(),
        request: message(&[("X-User", "alice"), ("Accept", "text/html"), ("accept", "*/*")], br#"{"id": 7}"#),
        status: Some(200),
        answer: Some(message(&[("Content-Type", "Text/HTML; charset=utf-8")], b"<p>\xff fine\n")),
        route: Route::Laptop { why: String::new() },
        timing: Timing { total_us: Some(150_000), ..Timing::default() },
        end: Some(End::Complete),
        messages: None,
        trace: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
        replay_of: None,
    }
}

/// The same, as long as nobody has answered.
fn unanswered() -> Exchange {
    Exchange { status: None, answer: None, timing: Timing::default(), end: None, ..exchange() }
}

fn message(headers: &[(&str, &str)], body: &'static [u8]) -> Message {
    Message {
        headers: headers.iter().map(|(name, value)| header(name, value)).collect(),
        body: Body { size: body.len() as u64, kept: body.into(), covered: None },
        trailers: Vec::new(),
    }
}

fn header(name: &str, value: &str) -> Header {
    Header { name: name.into(), value: value.into() }
}

/// What is said of each of them.
fn said(expressions: &[&str]) -> String {
    let said: Vec<_> =
        expressions.iter().map(|expression| Filter::parse(&[expression]).unwrap_err().to_string()).collect();
    said.join("\n\n")
}
