use bytes::Bytes;
use proptest::prelude::*;

use crate::{
    Body, End, Header,
    read::{
        Side::{self, Answerer, Asker},
        tests::{GET, OK, Talk},
    },
};

#[test]
fn an_exchange_has_all_that_was_said() {
    let post = "POST /a?b HTTP/1.1\r\nHost: shop\r\nContent-Length: 2\r\n\r\nhi";
    let answer = "HTTP/1.1 201 Created\r\nContent-Length: 3\r\nSet-Cookie: a\r\nset-cookie: b\r\n\r\nyes";
    let ended = Talk::new().asks(post).answers(answer).ended();
    let [exchange] = &ended[..] else { panic!("{ended:?}") };
    assert_eq!((&*exchange.method, &*exchange.target, &*exchange.host), ("POST", "/a?b", "shop"));
    assert_eq!(exchange.request.body, Body { size: 2, kept: Bytes::from_static(b"hi"), covered: None });
    assert_eq!((exchange.status, exchange.end), (Some(201), Some(End::Complete)));
    let answer = exchange.answer.as_ref().unwrap();
    assert_eq!(answer.header("Set-Cookie").collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(answer.body, Body { size: 3, kept: Bytes::from_static(b"yes"), covered: None });
}

#[test]
fn answers_without_a_body_end_with_their_head() {
    for (method, head) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let talk =
            Talk::new().asks(format!("{method} / HTTP/1.1\r\n\r\n")).answers(head).asks(GET).answers(OK);
        assert_eq!(talk.ended().len(), 2, "{head}");
        assert!(!talk.reader.is_opaque());
    }
}

#[test]
fn pipelined_requests_get_their_answers_in_order() {
    let two = "GET /1 HTTP/1.1\r\n\r\nHEAD /2 HTTP/1.1\r\n\r\n\r\nGET /3 HTTP/1.1\r\n\r\n";
    let answers = [
        OK,
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    ];
    let talk = Talk::new().asks(two).answers(answers.concat());
    let lines = ["GET /1 0 -> 200 2 Complete", "HEAD /2 0 -> 200 0 Complete", "GET /3 0 -> 404 0 Complete"];
    assert_eq!(talk.lines(), lines);
}

#[test]
fn interim_answers_leave_nothing() {
    let post = "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let talk = Talk::new()
        .asks(post)
        .answers("HTTP/1.1 100 Continue\r\n\r\n")
        .asks("body")
        .answers(hints)
        .answers(OK);
    assert_eq!(talk.lines(), ["POST / 4 -> 200 2 Complete"]);
    assert_eq!(talk.ended()[0].answer.as_ref().unwrap().header("link").count(), 0);
}

#[test]
fn chunks_are_unwrapped_and_trailers_kept() {
    let post = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nDigest: z \r\n\r\n";
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
    let talk = Talk::new().asks(post).answers(answer).asks(GET).answers(OK);
    assert_eq!(talk.lines(), ["POST / 5 -> 200 1 Complete", "GET / 0 -> 200 2 Complete"]);
    let first = &talk.ended()[0];
    assert_eq!(&first.request.body.kept[..], b"abcde");
    assert_eq!(first.request.trailers, [Header { name: "Digest".into(), value: "z".into() }]);
    let folded = post.replace("z \r\n", "z\r\n folded\r\n");
    assert!(Talk::new().asks(folded).reader.is_opaque());
}

#[test]
fn an_answer_until_the_end_of_the_connection_is_complete_then() {
    for head in
        ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"]
    {
        let talk = || Talk::new().asks(GET).answers(head).answers("abc");
        assert_eq!(talk().lines(), ["GET / 0 -> 200 3 open"]);
        assert_eq!(talk().finishes(Asker).lines(), ["GET / 0 -> 200 3 open"], "the other side goes on");
        assert_eq!(talk().finishes(Answerer).lines(), ["GET / 0 -> 200 3 Complete"]);
        assert_eq!(talk().breaks(End::Cut).lines(), ["GET / 0 -> 200 3 Cut"]);
    }
}

#[test]
fn what_the_end_of_the_connection_cuts_is_cut() {
    let half = &OK[..OK.len() - 1];
    assert_eq!(Talk::new().asks(GET).finishes(Answerer).lines(), ["GET / 0 -> - 0 Cut"]);
    assert_eq!(Talk::new().asks(GET).answers(half).finishes(Answerer).lines(), ["GET / 0 -> 200 1 Cut"]);
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    assert_eq!(Talk::new().asks(GET).answers(chunked).finishes(Answerer).lines(), ["GET / 0 -> 200 3 Cut"]);
    let late = Talk::new().asks(GET).answers(OK).finishes(Answerer).asks(GET);
    assert_eq!(late.lines(), ["GET / 0 -> 200 2 Complete", "GET / 0 -> - 0 open"]);
    assert_eq!(late.finishes(Asker).lines()[1], "GET / 0 -> - 0 Cut", "nobody was there any more");
    assert_eq!(Talk::new().asks("GET / HTTP/1.1\r\n").finishes(Asker).finishes(Answerer).lines(), [""; 0]);
}

#[test]
fn an_answer_before_the_end_of_the_request_waits_for_it() {
    let post = "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nab";
    let talk = || Talk::new().asks(post).answers(OK);
    assert_eq!(talk().lines(), ["POST / 2 -> 200 2 open"]);
    let whole = talk().asks("cd").asks(GET).answers(OK);
    assert_eq!(whole.lines(), ["POST / 4 -> 200 2 Complete", "GET / 0 -> 200 2 Complete"]);
    assert_eq!(whole.ended()[0].timing.total_us, Some(1000), "up to the answer's last byte");
    assert_eq!(talk().finishes(Asker).lines(), ["POST / 2 -> 200 2 Complete"]);
    assert_eq!(talk().finishes(Answerer).lines(), ["POST / 2 -> 200 2 Complete"]);
    assert_eq!(talk().breaks(End::Cut).lines(), ["POST / 2 -> 200 2 Complete"]);
    assert_eq!(talk().breaks(End::Unread).lines(), ["POST / 2 -> 200 2 Unread"]);
}

#[test]
fn an_answer_to_nobody_makes_it_opaque() {
    let talk = Talk::new().asks(GET).answers(OK).answers("H");
    assert!(talk.reader.is_opaque(), "at once");
    assert_eq!(talk.lines(), ["GET / 0 -> 200 2 Complete"]);
}

#[test]
fn a_tunnel_is_one_exchange_and_then_opaque() {
    let connect = "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n";
    let talk =
        Talk::new().asks(connect).answers("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\x16\x03").asks(GET);
    assert_eq!(talk.lines(), ["CONNECT a:443 0 -> 200 0 Complete"]);
    assert!(talk.reader.is_opaque());
    let refused = Talk::new().asks(connect).answers("HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno");
    assert_eq!(refused.asks(GET).answers(OK).lines()[1], "GET / 0 -> 200 2 Complete");
    let ahead =
        Talk::new().asks([connect, GET].concat()).answers("HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno");
    assert_eq!(ahead.lines(), ["CONNECT a:443 0 -> 407 0 Unread"], "the tunnel's bytes, or a request?");
}

#[test]
fn another_protocol_ends_the_exchange_with_its_head() {
    for (asked, answered) in [("h2c", "h2c"), ("websocket", "h2c"), ("h2c", "websocket")] {
        let get = format!("GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: {asked}\r\n\r\n");
        let talk =
            Talk::new().asks(get).answers(format!("HTTP/1.1 101 X\r\nUpgrade: {answered}\r\n\r\n\0\0\0\x04"));
        assert_eq!(talk.lines(), ["GET / 0 -> 101 0 Complete"]);
        assert!(talk.reader.is_opaque());
    }
    let refused =
        Talk::new().asks("GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n").answers(OK).asks(GET).answers(OK);
    assert_eq!(refused.lines().len(), 2);
    let ahead = Talk::new()
        .asks("GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n")
        .asks("G")
        .answers("HTTP/1.1 101 X\r\n\r\n");
    assert_eq!(
        ahead.lines(),
        ["GET / 0 -> - 0 Unread"],
        "the byte may have been meant for the other protocol"
    );
}

/// A message as its bytes, and what is to be read of them.
#[derive(Debug, Clone)]
struct Said {
    bytes: Vec<u8>,
    body: Vec<u8>,
    trailers: usize,
}

fn said(first: String) -> impl Strategy<Value = Said> {
    let chunks = prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..4);
    (chunks, any::<bool>(), 0_usize..3, "[a-z ]{0,12}").prop_map(move |(chunks, chunked, trailers, value)| {
        let body = chunks.concat();
        let mut bytes = format!("{first}\r\nX-Some: {value}\r\n").into_bytes();
        if !chunked {
            bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
            bytes.extend(&body);
            return Said { bytes, body, trailers: 0 };
        }
        bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
        for chunk in &chunks {
            bytes.extend(format!("{:x};{value}\r\n", chunk.len()).bytes());
            bytes.extend(chunk);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n");
        (0..trailers).for_each(|_| bytes.extend(b"X-Trailer: x\r\n"));
        bytes.extend(b"\r\n");
        Said { bytes, body, trailers }
    })
}

fn exchanges() -> impl Strategy<Value = Vec<(u16, Said, Said)>> {
    let one = prop_oneof![Just(200_u16), 400_u16..600].prop_flat_map(|status| {
        let request = said("PUT /x HTTP/1.1".into());
        let answer = said(format!("HTTP/1.1 {status} What"));
        (Just(status), request, answer)
    });
    prop::collection::vec(one, 1..4)
}

proptest! {
    #[test]
    fn however_bytes_are_cut_the_same_exchanges_come_of_them(
        exchanges in exchanges(),
        pipelined: bool,
        interim: bool,
        cuts in prop::collection::vec(1_usize..60, 1..20),
    ) {
        let interim = if interim { "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" } else { "" };
        let mut steps: Vec<(Side, Vec<u8>)> = Vec::new();
        for (_, request, answer) in &exchanges {
            steps.push((Asker, request.bytes.clone()));
            steps.push((Answerer, [interim.as_bytes(), &answer.bytes].concat()));
        }
        if pipelined {
            steps.sort_by_key(|(side, _)| *side == Answerer);
        }
        let mut cuts = cuts.into_iter().cycle();
        let mut talk = Talk::new();
        for (side, bytes) in steps {
            let mut left = &bytes[..];
            while !left.is_empty() {
                let (piece, rest) = left.split_at(cuts.next().unwrap().min(left.len()));
                left = rest;
                talk = talk.says(side, piece);
            }
        }
        let ended = talk.ended();
        prop_assert_eq!(ended.len(), exchanges.len());
        for (exchange, (status, request, answer)) in ended.iter().zip(&exchanges) {
            prop_assert_eq!(exchange.end, Some(End::Complete));
            prop_assert_eq!(exchange.status, Some(*status));
            for (message, said) in [(&exchange.request, request), (exchange.answer.as_ref().unwrap(), answer)] {
                prop_assert_eq!(&message.body.kept[..], &said.body[..]);
                prop_assert_eq!(message.body.size, said.body.len() as u64);
                prop_assert_eq!(message.trailers.len(), said.trailers);
                prop_assert_eq!(message.headers.len(), 2);
            }
        }
    }
}
