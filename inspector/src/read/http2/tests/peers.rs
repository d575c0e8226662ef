//! Conversations of an HTTP/2 client and server that others have written, as they pass between them.

use std::{cell::RefCell, collections::BTreeMap};

use bytes::Bytes;
use futures::{StreamExt as _, future::join_all, stream::FuturesUnordered};
use h2::{RecvStream, SendStream, client, server};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};

use crate::{
    End, Exchange, Header, Message,
    read::{Side, fuzz::Log, tests::Talk},
};

/// One message.
#[derive(Debug, Clone)]
struct Said {
    headers: Vec<(String, Vec<u8>)>,
    chunks: Vec<Bytes>,
    trailers: Vec<(String, Vec<u8>)>,
}

#[derive(Debug, Clone)]
struct Asked {
    request: Said,
    status: u16,
    answer: Said,
}

#[derive(Debug, Clone, Copy)]
struct Tables {
    client: u32,
    server: u32,
}

type Wire = RefCell<Vec<(Side, Vec<u8>)>>;

/// All that passes when a client asks all of it at once.
fn converse(asked: &[Asked], tables: Tables) -> Vec<(Side, Vec<u8>)> {
    let wire = Wire::default();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (client_end, client_wire) = tokio::io::duplex(5000);
        let (server_end, server_wire) = tokio::io::duplex(5000);
        let (from_client, to_client) = tokio::io::split(client_wire);
        let (from_server, to_server) = tokio::io::split(server_wire);
        tokio::join!(
            ask_all(client_end, asked, tables.client),
            answer_all(server_end, asked, tables.server),
            carry(from_client, to_server, Side::Asker, &wire),
            carry(from_server, to_client, Side::Answerer, &wire),
        );
    });
    wire.into_inner()
}

/// Writes down what passes, and then lets it.
async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, side: Side, wire: &Wire) {
    let mut buffer = vec![0; 5000];
    loop {
        let length = from.read(&mut buffer).await.unwrap();
        if length == 0 {
            drop(to.shutdown().await);
            return;
        }
        wire.borrow_mut().push((side, buffer[..length].to_vec()));
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn ask_all(io: DuplexStream, asked: &[Asked], table: u32) {
    let (sender, connection) =
        client::Builder::new().header_table_size(table).handshake::<_, Bytes>(io).await.unwrap();
    let asking = async {
        let sender = sender.ready().await.unwrap();
        join_all(asked.iter().enumerate().map(|(number, asked)| ask(sender.clone(), number, asked))).await;
    };
    let (connection, ()) = tokio::join!(connection, asking);
    connection.unwrap();
}

async fn ask(sender: client::SendRequest<Bytes>, number: usize, asked: &Asked) {
    let mut request = Request::post(format!("http://shop/{number}"));
    *request.headers_mut().unwrap() = map(&asked.request.headers);
    let mut sender = sender.ready().await.unwrap();
    let (answer, body) = sender.send_request(request.body(()).unwrap(), false).unwrap();
    drop(sender);
    tokio::join!(say(body, &asked.request), async { hear(answer.await.unwrap().into_body()).await });
}

async fn answer_all(io: DuplexStream, asked: &[Asked], table: u32) {
    let mut connection =
        server::Builder::new().header_table_size(table).handshake::<_, Bytes>(io).await.unwrap();
    let mut answering = FuturesUnordered::new();
    loop {
        tokio::select! {
            request = connection.accept() => match request {
                Some(request) => {
                    let (request, answer) = request.unwrap();
                    answering.push(self::answer(request, answer, asked));
                }
                None => return,
            },
            Some(()) = answering.next() => {}
        }
    }
}

async fn answer(request: Request<RecvStream>, mut sender: server::SendResponse<Bytes>, asked: &[Asked]) {
    let number: usize = request.uri().path()[1..].parse().unwrap();
    let asked = &asked[number];
    let mut answer = Response::builder().status(StatusCode::from_u16(asked.status).unwrap());
    *answer.headers_mut().unwrap() = map(&asked.answer.headers);
    let body = sender.send_response(answer.body(()).unwrap(), false).unwrap();
    tokio::join!(say(body, &asked.answer), hear(request.into_body()));
}

async fn say(mut body: SendStream<Bytes>, said: &Said) {
    for chunk in &said.chunks {
        body.send_data(chunk.clone(), false).unwrap();
        tokio::task::yield_now().await;
    }
    if said.trailers.is_empty() {
        body.send_data(Bytes::new(), true).unwrap();
    } else {
        body.send_trailers(map(&said.trailers)).unwrap();
    }
}

async fn hear(mut body: RecvStream) {
    while let Some(data) = body.data().await {
        body.flow_control().release_capacity(data.unwrap().len()).unwrap();
    }
    body.trailers().await.unwrap();
}

fn map(headers: &[(String, Vec<u8>)]) -> HeaderMap {
    let header = |(name, value): &(String, Vec<u8>)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value).unwrap())
    };
    headers.iter().map(header).collect()
}

/// What the reader tells of what has passed, in pieces of these lengths, or as it passed.
fn read(wire: &[(Side, Vec<u8>)], cuts: &[usize]) -> Talk {
    let mut cuts = cuts.iter().cycle();
    let mut talk = Talk::new();
    for (side, bytes) in wire {
        let mut left = &bytes[..];
        while !left.is_empty() {
            let (piece, rest) = left.split_at(cuts.next().map_or(left.len(), |cut| left.len().min(*cut)));
            left = rest;
            talk = talk.says(*side, piece);
        }
    }
    talk
}

fn untimed(log: &Log) -> Vec<Exchange> {
    let untimed = |exchange: &Exchange| Exchange {
        started: jiff::Timestamp::UNIX_EPOCH,
        timing: crate::Timing::default(),
        ..exchange.clone()
    };
    log.ended().map(untimed).collect()
}

/// By name and value, as the order of names is the sender's affair.
fn sorted(headers: &[Header]) -> Vec<(String, String)> {
    let mut all: Vec<_> = headers.iter().map(|header| (header.name.clone(), header.value.clone())).collect();
    all.sort();
    all
}

fn check(message: &Message, said: &Said) {
    let text = |headers: &[(String, Vec<u8>)]| {
        let mut all: Vec<_> = headers
            .iter()
            .map(|(name, value)| {
                let value = value.trim_ascii();
                let latin = || value.iter().copied().map(char::from).collect();
                (name.clone(), String::from_utf8(value.to_vec()).unwrap_or_else(|_| latin()))
            })
            .collect();
        all.sort();
        all
    };
    assert_eq!(sorted(&message.headers), text(&said.headers));
    assert_eq!(sorted(&message.trailers), text(&said.trailers));
    let body = said.chunks.concat();
    assert_eq!(message.body.size, body.len() as u64);
    assert_eq!(&message.body.kept[..], &body[..body.len().min(64 << 10)]);
}

fn headers() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let byte = prop_oneof![8 => 0x20_u8..0x7f, 1 => 0x80_u8..=0xff];
    let short = prop::collection::vec(byte, 0..30);
    let long = (b'!'..b'~', 100_usize..9000).prop_map(|(byte, length)| vec![byte; length]);
    let name = prop_oneof!["x-[a-c]", Just("cookie".to_owned()), Just("accept".to_owned())];
    prop::collection::vec((name, prop_oneof![6 => short, 1 => long]), 0..6)
}

fn said() -> impl Strategy<Value = Said> {
    let size = prop_oneof![8 => 0_usize..300, 1 => 10_000_usize..60_000];
    let chunk = (any::<u8>(), size).prop_map(|(byte, size)| Bytes::from(vec![byte; size]));
    (headers(), prop::collection::vec(chunk, 0..4), headers()).prop_map(|(headers, chunks, trailers)| Said {
        headers,
        chunks,
        trailers,
    })
}

fn asked() -> impl Strategy<Value = Vec<Asked>> {
    let one = (said(), 200_u16..600, said()).prop_map(|(request, status, answer)| Asked {
        request,
        status,
        answer,
    });
    prop::collection::vec(one, 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_peers_have_said_is_read_however_it_is_cut(
        asked in asked(),
        client in prop_oneof![Just(4096_u32), 0_u32..20_000],
        server in prop_oneof![Just(4096_u32), 0_u32..20_000],
        cuts in prop::collection::vec(1_usize..2000, 1..20),
    ) {
        let wire = converse(&asked, Tables { client, server });
        let talk = read(&wire, &[]);
        prop_assert!(!talk.reader.is_opaque());
        let told: BTreeMap<_, _> =
            talk.ended().into_iter().map(|exchange| (exchange.target.clone(), exchange)).collect();
        prop_assert_eq!(told.len(), asked.len());
        for (number, asked) in asked.iter().enumerate() {
            let exchange = &told[&format!("/{number}")];
            prop_assert_eq!((&*exchange.method, &*exchange.host), ("POST", "shop"));
            prop_assert_eq!((exchange.status, exchange.end), (Some(asked.status), Some(End::Complete)));
            check(&exchange.request, &asked.request);
            check(exchange.answer.as_ref().unwrap(), &asked.answer);
        }
        prop_assert_eq!(untimed(&read(&wire, &cuts).log), untimed(&talk.log));
    }
}

/// One flipped bit anywhere, in a conversation of which nothing else is wrong: whatever becomes of it, nothing fails, and what
/// is told keeps its order.
#[test]
fn a_conversation_that_is_damaged_anywhere_does_no_harm() {
    let said = |byte: u8| Said {
        headers: vec![("x-a".into(), vec![byte; 20]), ("x-b".into(), vec![byte; 3])],
        chunks: vec![Bytes::from(vec![byte; 40])],
        trailers: vec![("x-c".into(), vec![byte])],
    };
    let asked: Vec<_> = (b'a'..b'd')
        .map(|byte| Asked { request: said(byte), status: 200, answer: said(byte.to_ascii_uppercase()) })
        .collect();
    let wire = converse(&asked, Tables { client: 4096, server: 4096 });
    for (place, (_, bytes)) in wire.iter().enumerate() {
        for bit in 0..bytes.len() * 8 {
            let mut damaged = wire.clone();
            damaged[place].1[bit / 8] ^= 1 << (bit % 8);
            let talk = read(&damaged, &[]).breaks(End::Cut);
            assert_eq!(talk.reader.open().count(), 0);
            assert!(talk.log.ended().count() <= asked.len() + 1);
        }
    }
}
