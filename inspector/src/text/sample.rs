//! Exchanges for tests.

use bytes::Bytes;

use crate::exchange::{Body, Direction, End, Exchange, Header, Message, Route, Timing, Version};

pub(crate) fn headers(of: &[(&str, &str)]) -> Vec<Header> {
    of.iter().map(|(name, value)| Header { name: (*name).into(), value: (*value).into() }).collect()
}

pub(crate) fn message(of: &[(&str, &str)], body: impl Into<Bytes>) -> Message {
    let kept = body.into();
    let body = Body { size: kept.len() as u64, kept, covered: None };
    Message { headers: headers(of), body, trailers: Vec::new() }
}

/// The first `kept` bytes of a body.
pub(crate) fn cut(message: &Message, kept: usize) -> Message {
    let mut message = message.clone();
    message.body.kept.truncate(kept);
    message
}

pub(crate) fn exchange() -> Exchange {
    Exchange {
        id: 12,
        started: "2026-03-04T10:41:04.123456Z".parse().unwrap(),
        direction: Direction::Requests,
        from: Some("10.0.0.7:41234".parse().unwrap()),
        to: Some("127.0.0.1:3000".parse().unwrap()),
        port: 8080,
        version: Version::Http11,
        method: "POST".into(),
        target: "/api/orders?dry=1".into(),
        host: "orders.shop".into(),
        request: message(
            &[("Host", "orders.shop"), ("Content-Type", "application/json"), ("Authorization", "Bearer abc")],
            r#"{"sku":"A1","qty":2}"#,
        ),
        status: Some(500),
        answer: Some(message(&[("content-type", "text/plain")], "out of\tstock\n")),
        route: Route::Laptop { why: "127.0.0.1:3000 accepted it".into() },
        timing: Timing {
            queue_us: Some(312),
            tunnel_us: Some(2000),
            connect_us: Some(204),
            answer_us: Some(25_940),
            total_us: Some(31_200),
        },
        end: Some(End::Complete),
        messages: None,
        trace: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
        replay_of: None,
    }
}

/// Exchanges with anything in them.
pub(crate) mod hostile {
    use proptest::prelude::*;
    use proptest::string::string_regex;

    use super::*;

    /// Text that somebody might have thought about.
    pub(crate) fn text() -> impl Strategy<Value = String> {
        let nasty = prop::sample::select(vec![
            "'",
            "\"",
            "`",
            "$(touch owned)",
            "\n",
            "\r\n",
            "\0",
            "\\",
            "!",
            ";",
            "&",
            "|",
            "@",
            "-",
            "#",
            " ",
            "\t",
            "*",
            "\u{1b}[2J",
            "\u{202e}",
            "\u{85}",
            "é",
            "注",
            "%",
            "%00",
            "%2e",
            "..",
            "/",
            "?",
            "=",
            ":",
            "{",
            "}",
            "[",
            "]",
            "password",
            "token",
            "••••",
            "~",
            "<",
            ">",
            "^",
        ]);
        prop::collection::vec(
            prop_oneof![3 => nasty.prop_map(str::to_owned), 2 => string_regex("[a-zA-Z0-9]{1,6}").unwrap(), 1 => any::<char>().prop_map(String::from)],
            0..8,
        )
        .prop_map(|parts| parts.concat())
    }

    fn name() -> impl Strategy<Value = String> {
        let known = prop::sample::select(vec![
            "Host",
            "Cookie",
            "Set-Cookie",
            "Authorization",
            "Content-Length",
            "Transfer-Encoding",
            "Connection",
            "Location",
            "Accept-Encoding",
            "X-Token",
            "Expect",
            "-x",
        ]);
        prop_oneof![known.prop_map(str::to_owned), text()]
    }

    fn body() -> impl Strategy<Value = Bytes> {
        let json =
            (text(), text()).prop_map(|(a, b)| serde_json::json!({ "password": a, "b": [b] }).to_string());
        prop_oneof![
            text().prop_map(Bytes::from),
            json.prop_map(Bytes::from),
            Just(Bytes::new()),
            prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from),
        ]
    }

    pub(crate) fn message() -> impl Strategy<Value = Message> {
        let media = prop::sample::select(vec![
            "application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "text/event-stream",
            "text/plain; charset=latin1",
            "application/grpc",
            "",
        ]);
        let coding =
            prop::sample::select(vec!["", "gzip", "br", "deflate", "zstd", "gzip, br", "x", "identity"]);
        let headers = prop::collection::vec((name(), text()), 0..6);
        (headers, media, coding, body(), any::<bool>(), prop::collection::vec((name(), text()), 0..2))
            .prop_map(|(mut headers, media, coding, kept, whole, trailers)| {
                headers.push(("Content-Type".into(), media.into()));
                headers.push(("Content-Encoding".into(), coding.into()));
                let of = |all: Vec<(String, String)>| {
                    all.into_iter().map(|(name, value)| Header { name, value }).collect()
                };
                let size = kept.len() as u64 + if whole { 0 } else { 100 };
                Message {
                    headers: of(headers),
                    body: Body { size, kept, covered: None },
                    trailers: of(trailers),
                }
            })
    }

    pub(crate) fn exchange() -> impl Strategy<Value = Exchange> {
        let method = prop_oneof![3 => string_regex("GET|POST|HEAD|PUT|purge").unwrap(), 1 => text()];
        let target = prop_oneof![text().prop_map(|text| format!("/{text}")), text()];
        let answer = prop::option::of((any::<u16>(), message()));
        let version = prop::sample::select(vec![Version::Http10, Version::Http11, Version::Http2]);
        (method, target, text(), version, message(), answer).prop_map(
            |(method, target, host, version, request, answer)| {
                let (status, answer) = answer.unzip();
                Exchange { method, target, host, version, request, status, answer, ..super::exchange() }
            },
        )
    }
}
