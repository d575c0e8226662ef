use std::time::{Duration, Instant};

use super::{
    fuzz::{Log, Told, template},
    *,
};
use crate::Direction;

impl Log {
    /// Exchanges that have ended, in the order of their ends.
    pub(super) fn ended(&self) -> impl Iterator<Item = &Exchange> {
        self.0.iter().filter_map(|told| match told {
            Told::Ended(_, exchange) => Some(exchange),
            _ => None,
        })
    }
}

/// A conversation, each piece of which passes a millisecond after the one before.
pub(super) struct Talk {
    pub(super) reader: Reader,
    pub(super) log: Log,
    at: Instant,
}

impl Talk {
    pub(super) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(super) fn with(limits: Limits) -> Self {
        Self::like(template(), limits)
    }

    pub(super) fn like(first: Exchange, limits: Limits) -> Self {
        let at = Instant::now();
        Self {
            reader: Reader::new(first, Clock::new(at, Timestamp::UNIX_EPOCH), limits),
            log: Log::default(),
            at,
        }
    }

    pub(super) fn says(mut self, side: Side, bytes: impl AsRef<[u8]>) -> Self {
        self.at += Duration::from_millis(1);
        self.reader.feed(side, bytes.as_ref(), self.at, &mut self.log);
        self
    }

    pub(super) fn asks(self, bytes: impl AsRef<[u8]>) -> Self {
        self.says(Side::Asker, bytes)
    }

    pub(super) fn answers(self, bytes: impl AsRef<[u8]>) -> Self {
        self.says(Side::Answerer, bytes)
    }

    pub(super) fn finishes(mut self, side: Side) -> Self {
        self.at += Duration::from_millis(1);
        self.reader.finish(side, self.at, &mut self.log);
        self
    }

    pub(super) fn breaks(mut self, end: End) -> Self {
        self.at += Duration::from_millis(1);
        self.reader.cut(end, self.at, &mut self.log);
        self
    }

    /// Those that have ended.
    pub(super) fn ended(&self) -> Vec<Exchange> {
        self.log.ended().cloned().collect()
    }

    /// Those that have ended, and those that have not, each as one line.
    pub(super) fn lines(&self) -> Vec<String> {
        self.log.ended().chain(self.reader.open().map(|(_, exchange)| exchange)).map(line).collect()
    }
}

/// "GET /a 3 -> 200 5 Complete": sizes of bodies, and the end.
fn line(exchange: &Exchange) -> String {
    let Exchange { method, target, request, status, answer, end, .. } = exchange;
    let status = status.map_or("-".into(), |status| status.to_string());
    let received = answer.as_ref().map_or(0, |answer| answer.body.size);
    let end = end.map_or("open".into(), |end| format!("{end:?}"));
    format!("{method} {target} {} -> {status} {received} {end}", request.body.size)
}

pub(super) const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn what_speaks_no_http_is_opaque_at_once() {
    for (side, bytes) in [
        (Side::Asker, &b"\x16\x03\x01\x02\x00"[..]),
        (Side::Asker, b"*1\r\n$4\r\nPING\r\n"),
        (Side::Asker, b"\0\0\0\x08\x04\xd2\x16\x2f"),
        (Side::Asker, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r."),
        (Side::Asker, b"A-METHOD-THAT-IS-LONGER-THAN-ANY-ONE"),
        (Side::Answerer, b"220 mail.example ESMTP\r\n"),
        (Side::Answerer, b"\x4a\0\0\0\x0a8.0.3\0\x01"),
    ] {
        let talk = Talk::new().says(side, bytes);
        assert!(talk.reader.is_opaque(), "{:?}", String::from_utf8_lossy(bytes));
        assert_eq!(talk.asks(GET).answers(OK).log, Log::default(), "for good");
    }
}

#[test]
fn a_connection_without_bytes_tells_nothing() {
    let talk = Talk::new().asks("").finishes(Side::Asker).finishes(Side::Answerer).breaks(End::Cut);
    assert!(!talk.reader.is_opaque());
    assert_eq!(talk.log, Log::default());
}

#[test]
fn what_can_not_be_read_any_more_ends_what_is_in_progress_as_unread() {
    let talk = Talk::new().asks(GET).answers(OK).asks(GET).answers("HTTP/1.1 200 OK\nA: \0").answers(OK);
    assert!(talk.reader.is_opaque());
    assert_eq!(talk.lines(), ["GET / 0 -> 200 2 Complete", "GET / 0 -> - 0 Unread"]);
    let lost = Talk::new().asks(GET).breaks(End::Unread).answers(OK).finishes(Side::Answerer);
    assert!(lost.reader.is_opaque());
    assert_eq!(lost.lines(), ["GET / 0 -> - 0 Unread"]);
}

#[test]
fn a_reset_cuts_what_is_in_progress_and_ends_the_reading() {
    let talk = Talk::new().asks(GET).asks(GET).answers(OK).answers(&OK[..OK.len() - 1]).breaks(End::Cut);
    let talk = talk.answers("k").asks(GET);
    assert!(!talk.reader.is_opaque());
    assert_eq!(talk.lines(), ["GET / 0 -> 200 2 Complete", "GET / 0 -> 200 1 Cut"]);
}

#[test]
fn the_template_says_what_the_bytes_can_not() {
    let first = Exchange {
        id: 7,
        direction: Direction::Outbound,
        from: Some("192.0.2.1:5000".parse().unwrap()),
        port: 8080,
        timing: crate::Timing {
            queue_us: Some(1),
            connect_us: Some(2),
            tunnel_us: Some(3),
            ..crate::Timing::default()
        },
        replay_of: Some(4),
        ..template()
    };
    let talk = Talk::like(first.clone(), Limits::default());
    let ended = talk.asks(GET).answers(OK).asks(GET).answers(OK).ended();
    for exchange in &ended {
        assert_eq!((exchange.id, exchange.port, exchange.from), (7, 8080, first.from));
        assert_eq!((exchange.direction, exchange.replay_of), (Direction::Outbound, Some(4)));
        assert_eq!(exchange.timing.tunnel_us, Some(3));
    }
    let connected = ended.iter().map(|exchange| (exchange.timing.queue_us, exchange.timing.connect_us));
    assert!(connected.eq([(Some(1), Some(2)), (None, None)]));
}

#[test]
fn times_are_from_the_first_byte_of_the_request() {
    let talk = Talk::new().asks("P").asks("OST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n").asks("x");
    let talk = talk.answers("HTTP/1.1 100 Continue\r\n\r\n").answers("HTTP").answers(&OK[4..OK.len() - 1]);
    let ended = talk.answers("k").ended();
    assert_eq!(ended[0].started.as_millisecond(), 1);
    assert_eq!((ended[0].timing.answer_us, ended[0].timing.total_us), (Some(4000), Some(6000)));
}

#[test]
fn a_clock_tells_times_before_and_after_it() {
    let (now, second) = (Instant::now(), Duration::from_secs(1));
    let clock = Clock::new(now + second, Timestamp::from_second(100).unwrap());
    let seconds = [now, now + second, now + 3 * second].map(|at| clock.at(at).as_second());
    assert_eq!(seconds, [99, 100, 102]);
}

#[test]
fn each_part_is_told_when_it_is_complete() {
    let post = "POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\n";
    let talk = Talk::new().asks(post).asks("hi").answers(&OK[..OK.len() - 1]);
    let [Told::Begun(0, begun), Told::Answered(0, answered)] = &talk.log.0[..] else {
        panic!("{:?}", talk.log)
    };
    assert_eq!(line(begun), "POST /a 0 -> - 0 open");
    assert_eq!(line(answered), "POST /a 2 -> 200 0 open");
    let (_, open) = talk.reader.open().next().unwrap();
    assert_eq!(&open.answer.as_ref().unwrap().body.kept[..], b"o", "what has come until now");
    assert_eq!(talk.answers("k").log.0.len(), 3);
}

#[test]
fn of_a_body_the_beginning_is_kept() {
    let limits = Limits { body: 4, ..Limits::default() };
    let talk =
        Talk::with(limits).asks("POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n12345").asks("6789").answers(OK);
    let body = &talk.ended()[0].request.body;
    assert_eq!((body.size, &body.kept[..], body.is_whole()), (9, &b"1234"[..], false));
}

#[test]
fn bodies_together_are_kept_up_to_a_limit_and_the_end_of_one_gives_room() {
    let limits = Limits { kept: 300, ..Limits::default() };
    let post = format!("POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n{}", "x".repeat(100));
    let none = "HTTP/1.1 204 No Content\r\n\r\n";
    let talk = Talk::with(limits)
        .asks([&*post, &post].concat())
        .answers(none)
        .answers(none)
        .asks(&post)
        .answers(none);
    let kept: Vec<_> = talk.ended().iter().map(|exchange| exchange.request.body.kept.len()).collect();
    assert!(kept == [100, 50, 100], "{kept:?}");
}

#[test]
fn heads_above_a_limit_make_it_opaque() {
    let long = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(1000));
    let refuses = |limits| Talk::with(limits).asks(&long).reader.is_opaque();
    assert!(!refuses(Limits::default()));
    assert!(refuses(Limits { headers: 1000, ..Limits::default() }));
    assert!(refuses(Limits { kept: 2000, ..Limits::default() }));
    let many = Talk::with(Limits { open: 2, ..Limits::default() }).asks(GET).asks(GET).asks(GET);
    assert!(many.reader.is_opaque());
    assert_eq!(many.lines(), ["GET / 0 -> - 0 Unread"; 2]);
}

#[test]
fn the_trace_is_read() {
    let get =
        "GET / HTTP/1.1\r\nTraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n";
    let talk = Talk::new().asks(get);
    assert_eq!(
        talk.reader.open().next().unwrap().1.trace.as_deref(),
        Some("4bf92f3577b34da6a3ce929d0e0e4736")
    );
}
