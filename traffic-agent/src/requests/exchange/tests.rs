use proptest::prelude::*;

use super::*;

/// The states after each of the given steps.
fn states(steps: &[(Side, &str)]) -> Vec<State> {
    let mut exchange = Exchange::default();
    steps
        .iter()
        .map(|(side, text)| {
            side.feed(&mut exchange, text.as_bytes());
            exchange.state()
        })
        .collect()
}

#[derive(Debug, Clone, Copy)]
enum Side {
    Caller,
    Server,
}

impl Side {
    fn feed(self, exchange: &mut Exchange, bytes: &[u8]) {
        match self {
            Self::Caller => exchange.request(bytes),
            Self::Server => exchange.answer(bytes),
        }
    }
}

use Side::{Caller, Server};
use State::{Fresh, Idle, Inside, Last, Opaque};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn a_connection_without_bytes_is_fresh() {
    assert_eq!(Exchange::default().state(), Fresh);
}

#[test]
fn an_exchange_ends_with_its_answer() {
    let steps = [
        (Caller, "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nab"),
        (Server, "HTTP/1.1 100 Continue\r\n\r\n"),
        (Caller, "cd"),
        (Server, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh"),
        (Server, "i"),
        (Caller, "\r\n"),
        (Caller, GET),
        (Server, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"),
        (Server, "\r\n"),
    ];
    assert_eq!(states(&steps), [Inside, Inside, Inside, Inside, Idle, Idle, Inside, Inside, Idle]);
}

#[test]
fn answers_without_a_body_end_with_their_head() {
    for (method, head) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let request = format!("{method} / HTTP/1.1\r\n\r\n");
        assert_eq!(states(&[(Caller, &request), (Server, head)]), [Inside, Idle], "{head}");
    }
}

#[test]
fn pipelined_requests_are_idle_after_the_last_answer() {
    let two = format!("{GET}{GET}");
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
    assert_eq!(states(&[(Caller, &two), (Server, ok), (Server, ok)]), [Inside, Inside, Idle]);
}

#[test]
fn an_answer_until_the_end_of_the_connection_is_the_last() {
    let mut exchange = Exchange::default();
    exchange.request(GET.as_bytes());
    exchange.answer(b"HTTP/1.1 200 OK\r\n\r\nall of it");
    assert_eq!(exchange.state(), Inside);
    exchange.answer_end();
    assert_eq!(exchange.state(), Last);
}

#[test]
fn a_connection_that_either_side_ends_is_not_idle() {
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let closing = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(states(&[(Caller, GET), (Server, closing)]), [Inside, Last]);
    let asks = "GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
    assert_eq!(states(&[(Caller, asks), (Server, ok)]), [Inside, Last]);
    assert_eq!(states(&[(Caller, "GET / HTTP/1.0\r\n\r\n"), (Server, ok)]), [Inside, Last]);
}

#[test]
fn what_is_not_http_is_opaque_for_good() {
    assert_eq!(states(&[(Server, "220 smtp ready\r\n"), (Caller, GET)]), [Opaque, Opaque]);
    assert_eq!(states(&[(Caller, "\x16\x03\x01"), (Caller, GET)]), [Opaque, Opaque]);
    assert_eq!(states(&[(Caller, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")]), [Opaque]);
    assert_eq!(states(&[(Caller, "CONNECT a:1 HTTP/1.1\r\n\r\n")]), [Opaque]);
    let upgrade = "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let switching = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
    assert_eq!(states(&[(Caller, upgrade), (Server, switching)]), [Inside, Opaque]);
}

#[test]
fn an_answer_that_nobody_asked_for_makes_it_opaque() {
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let timeout = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(states(&[(Caller, GET), (Server, ok), (Server, timeout)]), [Inside, Idle, Opaque]);
}

#[test]
fn only_unanswered_idempotent_requests_are_repeatable() {
    let repeatable = |steps: &[(Side, &str)]| {
        let mut exchange = Exchange::default();
        for (side, text) in steps {
            side.feed(&mut exchange, text.as_bytes());
        }
        exchange.repeatable()
    };
    assert!(repeatable(&[(Caller, GET)]));
    assert!(repeatable(&[(Caller, "PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\na")]));
    assert!(repeatable(&[(Caller, "POST / HTTP/1.1\r\nContent-")]), "nobody acts on half a head");
    assert!(!repeatable(&[(Caller, "POST / HTTP/1.1\r\n\r\n")]));
    assert!(!repeatable(&[(Caller, GET), (Caller, "POST / HTTP/1.1\r\n\r\n")]));
    assert!(!repeatable(&[(Caller, GET), (Server, "H")]));
    assert!(!repeatable(&[(Caller, "QUI")]), "perhaps no HTTP");
}

#[test]
fn a_pipeline_without_end_is_opaque() {
    let many = GET.repeat(PIPELINE_LIMIT + 1);
    assert_eq!(states(&[(Caller, &many)]), [Opaque]);
}

#[derive(Debug, Clone)]
struct Message {
    request: String,
    answer: String,
}

fn exchange() -> impl Strategy<Value = Message> {
    let body = "[a-z\r\n]{0,40}";
    (0..4usize, 0..4usize, body, body).prop_map(|(asks, answers, sent, got)| {
        let request = match asks {
            0 => "GET /a HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
            1 => "DELETE /a HTTP/1.1\n\n".to_owned(),
            2 => format!("POST /a HTTP/1.1\r\nContent-Length: {}\r\n\r\n{sent}", sent.len()),
            _ => format!(
                "\r\nPUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\nT: 1\r\n\r\n",
                chunk(&sent)
            ),
        };
        let answer = match answers {
            0 => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            1 => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{got}", got.len()),
            2 => format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk(&got)),
            _ => format!(
                "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: {}\r\n\r\n{got}",
                got.len()
            ),
        };
        Message { request, answer }
    })
}

fn chunk(body: &str) -> String {
    if body.is_empty() { String::new() } else { format!("{:x};e=\"f\"\r\n{body}\r\n", body.len()) }
}

proptest! {
    #[test]
    fn chunking_does_not_change_where_exchanges_end(
        messages in prop::collection::vec(exchange(), 1..6),
        sizes in prop::collection::vec(1..50usize, 1..20),
    ) {
        let mut exchange = Exchange::default();
        let mut sizes = sizes.iter().cycle();
        for message in messages {
            for (side, text) in [(Caller, &message.request), (Server, &message.answer)] {
                let mut rest = text.as_bytes();
                while !rest.is_empty() {
                    let (piece, after) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
                    side.feed(&mut exchange, piece);
                    rest = after;
                    if !rest.is_empty() && !matches!(piece, b"\r" | b"\n" | b"\r\n") {
                        prop_assert_eq!(exchange.state(), Inside);
                    }
                }
            }
            prop_assert_eq!(exchange.state(), Idle);
        }
    }

    #[test]
    fn parts_of_answers_end_with_messages(messages in prop::collection::vec(exchange(), 1..6)) {
        let mut exchange = Exchange::default();
        for message in &messages {
            exchange.request(message.request.as_bytes());
        }
        let answers: String = messages.iter().map(|message| message.answer.as_str()).collect();
        let mut rest = answers.as_bytes();
        while !rest.is_empty() {
            prop_assert!(rest.starts_with(b"HTTP/1.1 "));
            let used = exchange.answer_part(rest);
            prop_assert!(used > 0);
            rest = &rest[used..];
        }
        prop_assert_eq!(exchange.state(), Idle);
    }

    #[test]
    fn random_bytes_never_panic(
        steps in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..200)), 0..20),
    ) {
        let mut exchange = Exchange::default();
        for (caller, bytes) in steps {
            if caller { exchange.request(&bytes) } else { exchange.answer(&bytes) }
            let _ = (exchange.state(), exchange.repeatable());
        }
        exchange.answer_end();
    }

    #[test]
    fn broken_http_never_panics(
        messages in prop::collection::vec(exchange(), 1..4),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        size in 1..40usize,
    ) {
        let mut exchange = Exchange::default();
        for message in messages {
            for (side, text) in [(Caller, message.request), (Server, message.answer)] {
                let mut bytes = text.into_bytes();
                for (index, byte) in &damage {
                    let at = index.index(bytes.len());
                    bytes[at] = *byte;
                }
                for piece in bytes.chunks(size) {
                    side.feed(&mut exchange, piece);
                }
            }
        }
    }
}
