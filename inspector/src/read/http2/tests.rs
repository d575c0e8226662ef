mod peers;

use super::*;
use crate::{
    End, Exchange, Header, Messages, Version,
    exchange::Kind::Grpc,
    read::{
        Limits,
        Side::{Answerer, Asker},
        tests::Talk,
    },
};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 0x1;
const ACK: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&length[..], &[kind, flags], &stream.to_be_bytes(), content].concat()
}

/// A block whose fields enter no table.
fn block(fields: &[&str]) -> Vec<u8> {
    let mut block = Vec::new();
    for field in fields {
        let (name, value) = field.rsplit_once('=').unwrap();
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).unwrap());
            block.extend(text.bytes());
        }
    }
    block
}

fn headers(flags: u8, stream: u32, fields: &[&str]) -> Vec<u8> {
    frame(HEADERS, flags | END_HEADERS, stream, &block(fields))
}

const GET: [&str; 4] = [":method=GET", ":scheme=http", ":path=/", ":authority=a"];
const POST: [&str; 4] = [":method=POST", ":scheme=http", ":path=/", ":authority=a"];

fn get(stream: u32) -> Vec<u8> {
    headers(END_STREAM, stream, &GET)
}

fn ok(stream: u32) -> Vec<u8> {
    [headers(0, stream, &[":status=200"]), frame(DATA, END_STREAM, stream, b"ok")].concat()
}

/// After both sides have said what they say first.
fn greeted() -> Talk {
    greeted_with(Limits::default())
}

fn greeted_with(limits: Limits) -> Talk {
    let talk = Talk::with(limits).asks(PREFACE).asks(frame(SETTINGS, 0, 0, &[]));
    let talk = talk.answers([frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, ACK, 0, &[])].concat());
    talk.asks(frame(SETTINGS, ACK, 0, &[]))
}

fn header(name: &str, value: &str) -> Header {
    Header { name: name.into(), value: value.into() }
}

fn only(talk: &Talk) -> Exchange {
    let ended = talk.ended();
    assert_eq!(ended.len(), 1, "{ended:?}");
    ended[0].clone()
}

#[test]
fn an_exchange_has_all_that_was_said() {
    let post = headers(0, 1, &[&POST[..], &["accept=x", "cookie=a", "cookie=b"]].concat());
    let talk = greeted().asks(post).asks(frame(DATA, 0, 1, b"he")).asks(frame(DATA, END_STREAM, 1, b"llo"));
    let talk = talk.answers(headers(0, 1, &[":status=103", "link=x"])).answers(headers(
        0,
        1,
        &[":status=201", "b=c"],
    ));
    let talk = talk.answers(frame(DATA, 0, 1, b"yes")).answers(headers(END_STREAM, 1, &["digest=z"]));
    let exchange = only(&talk);
    assert_eq!((exchange.version, exchange.end), (Version::Http2, Some(End::Complete)));
    assert_eq!((&*exchange.method, &*exchange.target, &*exchange.host), ("POST", "/", "a"));
    assert_eq!(
        exchange.request.headers,
        [header("accept", "x"), header("cookie", "a"), header("cookie", "b")]
    );
    assert_eq!(&exchange.request.body.kept[..], b"hello");
    let answer = exchange.answer.unwrap();
    assert_eq!((exchange.status, answer.headers), (Some(201), vec![header("b", "c")]));
    assert_eq!(&answer.body.kept[..], b"yes");
    assert_eq!(answer.trailers, [header("digest", "z")]);
    assert_eq!(exchange.started.as_millisecond(), 5);
    assert_eq!((exchange.timing.answer_us, exchange.timing.total_us), (Some(4000), Some(6000)));
}

#[test]
fn padding_priorities_and_continuations_are_no_part_of_it() {
    let fields = block(&POST);
    let (first, last) = fields.split_at(7);
    let begin = [&[4, 0x80, 0, 0, 0, 9][..], first, &[0; 4]].concat();
    let post = [
        frame(HEADERS, PADDED | PRIORITY, 1, &begin),
        frame(CONTINUATION, 0, 1, &[]),
        frame(CONTINUATION, END_HEADERS, 1, last),
        frame(2, 0, 1, &[0; 5]),
        frame(8, 0, 0, &[0, 0, 1, 0]),
        frame(6, 0, 0, &[0; 8]),
        frame(0xfe, 0xff, 7, b"an extension"),
        frame(DATA, PADDED, 1, b"\x03hi\0\0\0"),
        frame(DATA, PADDED | END_STREAM, 1, b"\0"),
    ];
    let exchange = only(&greeted().asks(post.concat()).answers(ok(1)));
    assert_eq!((&*exchange.method, exchange.request.body.size), ("POST", 2));
}

#[test]
fn streams_side_by_side_are_exchanges_of_their_own() {
    let talk = greeted().asks([headers(0, 1, &POST), get(3), headers(0, 5, &POST)].concat());
    let talk = talk.answers([headers(0, 5, &[":status=404"]), ok(3), frame(DATA, 0, 5, b"12345")].concat());
    let talk = talk.asks([frame(DATA, END_STREAM, 1, b"one"), frame(DATA, END_STREAM, 5, b"x")].concat());
    let talk = talk.answers([ok(1), frame(DATA, END_STREAM, 5, b"")].concat());
    let lines = ["GET / 0 -> 200 2 Complete", "POST / 3 -> 200 2 Complete", "POST / 1 -> 404 5 Complete"];
    assert_eq!(talk.lines(), lines);
}

#[test]
fn who_answers_may_speak_first() {
    let settings = frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]);
    for said in [0, 5, PREFACE.len()] {
        let (before, after) = PREFACE.split_at(said);
        let talk = Talk::new().asks(before).answers(&settings).asks(after).asks(frame(SETTINGS, 0, 0, &[]));
        assert_eq!(talk.asks(get(1)).answers(ok(1)).lines(), ["GET / 0 -> 200 2 Complete"], "{said}");
    }
    assert!(Talk::new().answers(&settings).asks("GET / HTTP/1.1\r\n\r\n").reader.is_opaque());
}

#[test]
fn a_stream_that_is_reset_is_cut_unless_its_answer_is_complete() {
    let cancel = frame(RESET, 0, 1, &[0, 0, 0, 8]);
    let cut = greeted().asks(get(1)).answers(headers(0, 1, &[":status=200"])).asks(&cancel);
    assert_eq!(cut.lines(), ["GET / 0 -> 200 0 Cut"]);
    let late = [frame(DATA, 0, 1, b"late"), headers(END_STREAM, 1, &["a=b"])].concat();
    let late = cut.answers(late).asks(get(3)).answers(ok(3));
    assert_eq!(late.lines()[1], "GET / 0 -> 200 2 Complete", "what was under way is nothing");
    let early = greeted().asks(headers(0, 1, &POST)).answers(ok(1)).answers(&cancel);
    assert_eq!(early.lines(), ["POST / 0 -> 200 2 Complete"], "enough was said");
}

#[test]
fn streams_that_a_goodbye_leaves_out_are_cut() {
    let talk = greeted().asks([get(1), get(3), get(5)].concat());
    let talk = talk.answers(frame(GOAWAY, 0, 0, &[0, 0, 0, 3, 0, 0, 0, 0, b'b', b'y', b'e']));
    assert_eq!(talk.lines(), ["GET / 0 -> - 0 Cut", "GET / 0 -> - 0 open", "GET / 0 -> - 0 open"]);
    let talk = talk.asks(frame(GOAWAY, 0, 0, &[0; 8])).answers(ok(3)).finishes(Answerer);
    assert_eq!(talk.lines()[1..], ["GET / 0 -> 200 2 Complete", "GET / 0 -> - 0 Cut"]);
}

#[test]
fn the_ends_of_both_directions_are_ends_of_their_own() {
    let post = || greeted().asks(headers(0, 1, &POST));
    assert_eq!(post().finishes(Asker).lines(), ["POST / 0 -> - 0 open"]);
    assert_eq!(post().finishes(Asker).answers(ok(1)).lines(), ["POST / 0 -> 200 2 Complete"]);
    assert_eq!(post().answers(ok(1)).finishes(Asker).lines(), ["POST / 0 -> 200 2 Complete"]);
    assert_eq!(
        post().answers(headers(0, 1, &[":status=200"])).finishes(Answerer).lines(),
        ["POST / 0 -> 200 0 Cut"]
    );
}

#[test]
fn what_is_pushed_is_no_exchange_and_leaves_its_fields_in_the_table() {
    let promised = [&[0, 0, 0, 2, 0x82, 0x84, 0x86][..], b"\x41\x01a"].concat();
    let push = [
        frame(PUSH_PROMISE, END_HEADERS, 1, &promised),
        frame(HEADERS, END_HEADERS, 2, b"\x88\x40\x06x-some\x05value"),
        frame(DATA, END_STREAM, 2, b"pushed"),
        // 62 is the newest entry.
        frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x88\xbe"),
    ];
    let exchange = only(&greeted().asks(get(1)).answers(push.concat()));
    assert_eq!(exchange.answer.unwrap().headers, [header("x-some", "value")]);
}

#[test]
fn a_table_is_as_large_as_the_other_side_allows() {
    let settings = |size: u32| frame(SETTINGS, 0, 0, &[&[0, 1][..], &size.to_be_bytes()].concat());
    // To 8192, and then a request.
    let larger = frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x3f\xe1\x3f\x82\x84\x86\x41\x01a");
    assert!(greeted().asks(&larger).reader.is_opaque());
    let talk = greeted().answers(settings(8192)).asks(&larger).asks(frame(SETTINGS, ACK, 0, &[]));
    assert_eq!(talk.lines(), ["GET / 0 -> - 0 open"]);
    assert!(greeted().asks(settings(8192)).asks(&larger).reader.is_opaque(), "the other direction's");
}

/// A message of `length` bytes.
fn message(length: u8) -> Vec<u8> {
    [vec![0, 0, 0, 0, length], vec![7; length.into()]].concat()
}

#[test]
fn messages_of_grpc_are_counted_whatever_the_frames() {
    let call = headers(0, 1, &[&POST[..], &["content-type=application/grpc"]].concat());
    let sent = [message(3), message(0), message(200)].concat();
    let (one, two) = sent.split_at(6);
    let talk = greeted().asks(call).asks([frame(DATA, PADDED, 1, &[&[1], one, &[0]].concat())].concat());
    let talk = talk.answers(headers(0, 1, &[":status=200", "content-type=application/grpc+proto"]));
    let talk = talk.asks(frame(DATA, END_STREAM, 1, two)).answers(frame(DATA, 0, 1, &message(9)[..8]));
    let open = talk.reader.open().next().unwrap().1.messages;
    assert_eq!(open, Some(Messages { kind: Grpc, sent: 3, sent_bytes: 203, received: 0, received_bytes: 3 }));
    let talk =
        talk.answers(frame(DATA, 0, 1, &message(9)[8..])).answers(headers(END_STREAM, 1, &["grpc-status=5"]));
    let exchange = only(&talk);
    assert_eq!(exchange.messages.map(|messages| (messages.received, messages.received_bytes)), Some((1, 9)));
    assert_eq!(exchange.grpc_status(), Some(5));
}

#[test]
fn an_answer_to_grpc_that_is_no_grpc_has_no_messages() {
    let call = headers(END_STREAM, 1, &[&POST[..], &["content-type=application/grpc"]].concat());
    let answer = headers(0, 1, &[":status=502", "content-type=text/html"]);
    let talk = greeted().asks(call).answers([answer, frame(DATA, END_STREAM, 1, &message(1))].concat());
    assert_eq!(only(&talk).messages.map(|messages| messages.received), Some(0));
}

#[test]
fn what_breaks_the_protocol_makes_it_opaque() {
    let request = [headers(END_STREAM, 1, &GET), headers(0, 3, &POST)].concat();
    for (side, bytes, why) in [
        (Asker, headers(END_STREAM, 4, &GET), "streams of who answers"),
        (Asker, headers(END_STREAM, 0, &GET), "no stream"),
        (Asker, headers(END_STREAM, 5, &[":method=GET"]), "no path"),
        (Asker, headers(0, 3, &["a=b"]), "trailers that end nothing"),
        (Asker, headers(END_STREAM, 1, &["a=b"]), "trailers after the end"),
        (Asker, frame(DATA, 0, 1, b""), "DATA after the end"),
        (Asker, frame(DATA, 0, 5, b""), "a stream that is not open yet"),
        (Asker, frame(DATA, PADDED, 3, b"\x03ab"), "more padding than frame"),
        (Asker, frame(DATA, PADDED, 3, b""), "no length of padding"),
        (Asker, frame(HEADERS, END_HEADERS | PRIORITY, 5, b"1234"), "no priority"),
        (Asker, frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2]), "who asks promises nothing"),
        (Asker, frame(CONTINUATION, END_HEADERS, 3, b""), "of nothing"),
        (Asker, [frame(HEADERS, 0, 5, b""), frame(DATA, 0, 3, b"")].concat(), "something within a block"),
        (Asker, [frame(HEADERS, 0, 5, b""), frame(CONTINUATION, 0, 3, b"")].concat(), "another block"),
        (Asker, frame(HEADERS, END_HEADERS, 5, b"\xff\xff\xff\xff\xff\xff"), "no HPACK"),
        (Asker, frame(RESET, 0, 3, b"123"), "a length that is fixed"),
        (Asker, frame(SETTINGS, 0, 0, b"12345"), "a part of a setting"),
        (Asker, frame(SETTINGS, ACK, 0, b"123456"), "an answer that says something"),
        (Asker, frame(SETTINGS, ACK, 0, b""), "an answer to nothing"),
        (Asker, frame(SETTINGS, 0, 1, b""), "a stream's"),
        (Asker, frame(GOAWAY, 0, 0, b"1234"), "half of it"),
        (Answerer, headers(END_STREAM, 5, &[":status=200"]), "an answer to nobody"),
        (Answerer, headers(END_STREAM, 1, &[":status=100"]), "the end of something interim"),
        (Answerer, headers(END_STREAM, 1, &["a=b"]), "no status"),
        (Answerer, frame(DATA, 0, 1, b""), "a body without a head"),
    ] {
        let talk = greeted().asks(&request).says(side, bytes);
        assert!(talk.reader.is_opaque(), "{why}");
        assert_eq!(talk.lines(), ["GET / 0 -> - 0 Unread", "POST / 0 -> - 0 Unread"], "{why}");
    }
    assert!(Talk::new().asks(PREFACE).asks(get(1)).reader.is_opaque(), "no SETTINGS");
    assert!(Talk::new().asks(PREFACE).answers(frame(SETTINGS, ACK, 0, b"")).reader.is_opaque());
}

#[test]
fn heads_above_a_limit_make_it_opaque() {
    let limits = Limits { headers: 1000, open: 3, ..Limits::default() };
    let fine = greeted_with(limits).asks([get(1), get(3), get(5)].concat());
    assert!(!fine.reader.is_opaque());
    assert!(fine.asks(get(7)).reader.is_opaque(), "too many");
    let part = frame(CONTINUATION, 0, 1, &[0; 300]);
    let long = [frame(HEADERS, 0, 1, b""), part.clone(), part.clone(), part.clone()].concat();
    let long = greeted_with(limits).asks(long);
    assert!(!long.reader.is_opaque() && long.asks(part).reader.is_opaque(), "a long block");
    let many = frame(HEADERS, END_HEADERS, 1, &[0x82; 100]);
    assert!(greeted_with(limits).asks(many).reader.is_opaque(), "a block that becomes long");
}

#[test]
fn data_is_not_collected() {
    let talk = greeted_with(Limits { body: 10, ..Limits::default() }).asks(headers(0, 1, &POST));
    let [_, length @ ..] = 0x00ff_ffff_u32.to_be_bytes();
    let mut talk = talk.asks([&length[..], &[DATA, END_STREAM, 0, 0, 0, 1]].concat());
    for _ in 0..0x00ff_ffff / 255 {
        talk = talk.asks([7; 255]);
    }
    let exchange = only(&talk.answers(ok(1)));
    assert_eq!((exchange.request.body.size, exchange.request.body.kept.len()), (0x00ff_ffff, 10));
}
