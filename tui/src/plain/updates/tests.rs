use std::sync::Arc;

use tunnel::status::{Process, Said};

use super::*;
use crate::feed::Source;
use crate::tests::sample;

fn plain() -> Plain {
    Plain::new(TimeZone::UTC)
}

fn said(plain: &mut Plain, updates: Vec<Update>) -> String {
    let lines = updates.iter().flat_map(|update| plain.update(update, sample::now()));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn all_that_the_samples_know() {
    insta::assert_snapshot!(said(&mut plain(), sample::updates()), @r"
    10:41:08 orders state attached; requests reach this laptop; agent answers; process running (pid 8)
    10:41:08 cart state attached; the process ended with 1; the next save starts it again; originals serve; agent answers; process exited with 1
    10:40:28 orders request 1 GET /api/orders/42 200 31ms
    10:41:00 orders request 2 POST /api/orders 500 31ms
    10:41:04 orders request 3 GET /api/orders?page=2 200 31ms
    10:41:05 orders request 4 GET /missing 404 31ms
    10:41:07 orders request 5 DELETE /api/orders/42 204 31ms
    10:29:08 orders event info orders:80 -> 127.0.0.1:3000; leave with Ctrl-C
    10:29:13 orders kubernetes info pod orders-devbridge-6d9f-abcde: Started container
    10:40:03 orders event state src/api.ts changed
    10:40:59 orders event warning 10.0.0.7:443 is not reached by the agent: refused
    10:41:03 cart event state the process ended with 1
    10:40:08 orders process listening on :3000
    10:41:00 orders process POST /api/orders
    10:41:00 orders process Error: no stock
    10:41:04 orders dns A redis NXDOMAIN; 3 of 3 failed
    10:41:06 orders outbound 10.0.0.7:443 refused; 3 of 3 failed
    10:41:05 cart save 417 src/a.ts and 311 more synced in 600 ms, listens after 1380 ms
    10:41:06 cart save 418 src/api.ts synced in 41 ms, failed: the process ended with 1
    ");
}

#[test]
fn what_was_said_is_not_said_again() {
    let mut plain = plain();
    said(&mut plain, sample::updates());
    let again = sample::updates().into_iter();
    let again = again.filter(|update| !matches!(update, Update::Event { .. } | Update::Line { .. }));
    assert_eq!(said(&mut plain, again.collect()), "");
}

#[test]
fn a_state_is_said_when_it_is_another() {
    let mut plain = plain();
    let mut session = sample::orders();
    let mut tell = |session: &Session| said(&mut plain, vec![Update::Session(Box::new(session.clone()))]);
    assert!(tell(&session).contains("orders state attached; requests reach this laptop; agent answers"));
    session.link = Link::Up { round_trip_us: 9000 };
    session.requests.laptop += 1;
    assert_eq!(tell(&session), "");
    session.process = Process::Exited { code: 1 };
    assert!(tell(&session).ends_with("process exited with 1"));
}

#[test]
fn an_exchange_is_said_when_it_has_ended() {
    let mut plain = plain();
    let mut exchange = sample::exchange(12, 5, "POST", "/api/orders", 500);
    let end = exchange.end.take();
    let mut tell = |exchange: &Exchange| {
        let exchange = Arc::new(exchange.clone());
        said(&mut plain, vec![Update::Exchange { session: "0a1b2c3d".into(), exchange }])
    };
    assert_eq!(tell(&exchange), "");
    exchange.end = end;
    assert_eq!(tell(&exchange), "10:41:03 0a1b2c3d request 12 POST /api/orders 500 31ms");
    assert_eq!(tell(&exchange), "");
}

#[test]
fn no_control_character_is_said() {
    let mut plain = plain();
    let mut exchange = sample::exchange(1, 5, "GET\u{1b}[2J", "/\u{202e}x\n", 200);
    exchange.host = "\u{7}".into();
    let line = Said { at_ms: 0, text: "\u{1b}[31mred\u{1b}[0m\u{7}\tx".into() };
    let session = || "a\u{1b}".to_owned();
    let updates = vec![
        Update::Exchange { session: session(), exchange: Arc::new(exchange) },
        Update::Line { session: session(), source: Source::Agent, pod: Some("p\u{8}".into()), line },
        Update::Lost { session: session(), why: "\u{9b}2J\r\n".into() },
    ];
    for update in updates {
        for line in plain.update(&update, sample::now()) {
            assert!(!line.contains(|c: char| c.is_control() || c == '\u{202e}'), "{line:?}");
        }
    }
}
