//! All that is shown, covered, compared and exported of an exchange, as one function that takes any bytes: for `fuzz/` and for
//! the tests that replay its corpus. It panics when something that must hold does not.

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{detail, lay_out, row};
use crate::diff::{Part, diff};
use crate::exchange::{Body, Direction, End, Exchange, Header, Message, Route};
use crate::export::{self, Side};
use crate::{decode, mask};

/// A body that unpacks to 1 MiB, each byte of it spelled out on a line of its own, far to the right.
const MOST: usize = 128 << 20;

/// A message: a line with the target, lines `name: value` until an empty one, the body. It is both what was asked and what was
/// answered. What is shown moves no cursor and is bounded; what is covered once is covered.
///
/// # Panics
/// When that does not hold.
pub fn shown(bytes: &[u8]) {
    let passed = exchange(bytes);
    let covered = mask::cover(&passed);
    assert_eq!(mask::cover(&covered), covered);
    for exchange in [&passed, &covered] {
        show(exchange);
        export(exchange);
    }
    let differs = diff(&passed, &covered, Part::Both);
    assert!(differs.is_same() || mask::is_covered(&covered), "{}", differs.summary());
    assert!(diff(&covered, &covered, Part::Both).is_same());
}

fn exchange(bytes: &[u8]) -> Exchange {
    let mut rest = bytes;
    let mut line = || {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        String::from_utf8_lossy(line).into_owned()
    };
    let target = line();
    let mut headers = Vec::new();
    loop {
        let line = line();
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push(Header { name: name.to_owned(), value: value.trim().to_owned() });
    }
    // Also one of which the end is not kept.
    let more = u64::from(rest.last() == Some(&b'!'));
    let body = Body { size: rest.len() as u64 + more, kept: Bytes::copy_from_slice(rest), covered: None };
    let host = headers.iter().find(|header| header.name == "host").map(|header| header.value.clone());
    let message = Message { headers, body, trailers: Vec::new() };
    let route = Route::Laptop { why: String::new() };
    Exchange {
        method: "POST".into(),
        target,
        host: host.unwrap_or_default(),
        request: message.clone(),
        status: Some(200),
        answer: Some(message),
        end: Some(End::Complete),
        ..Exchange::new(Timestamp::UNIX_EPOCH, Direction::Outbound, 80, route)
    }
}

fn show(exchange: &Exchange) {
    let decoded = decode::body(&exchange.request);
    assert!(is_still(&decoded.text.replace(['\n', '\t'], "")) && decoded.text.len() <= MOST);
    assert!(decoded.notes.iter().all(|note| is_still(note)));
    let zone = TimeZone::UTC;
    let rows = lay_out(&[row(exchange, &zone)], 80);
    for line in detail(exchange, &zone).iter().chain(&rows) {
        assert!(is_still(&line.text().replace('\t', "")), "{line:?}");
    }
}

/// Whether it leaves a terminal as it is.
fn is_still(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

fn export(exchange: &Exchange) {
    let base = export::base(exchange);
    for command in [export::curl(exchange, &base), export::httpie(exchange, &base)] {
        assert!(!command.contains('\0'), "no shell can be given that: {command:?}");
    }
    for side in [Side::Request, Side::Answer] {
        assert!(export::raw(exchange, side).is_some());
    }
    let archive = export::har(std::slice::from_ref(exchange), "0").to_string();
    assert!(archive.contains("\"entries\""));
}
