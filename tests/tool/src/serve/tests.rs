//! The service, asked by the clients in the same process.

use std::pin::pin;

use futures::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use super::*;
use crate::ask::{Answered, Args as Question, ask};

/// A service, for as long as this is kept.
pub(crate) struct Serving {
    stop: watch::Sender<Stage>,
    tasks: JoinSet<()>,
}

pub(crate) async fn serving(manner: Manner) -> (u16, Serving) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (stop, stopping) = watch::channel(Stage::Serving);
    let mut tasks = JoinSet::new();
    tasks.spawn(accept(listener, manner, "one".to_owned(), stopping));
    (port, Serving { stop, tasks })
}

async fn asked(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> Answered {
    let question = Question {
        url: format!("http://127.0.0.1:{port}{path}").parse().unwrap(),
        method: Some(method.to_owned()),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: body.map(str::to_owned),
        times: 1,
        timeout_ms: 10_000,
    };
    crate::within(question.timeout_ms, ask(&question)).await.unwrap()
}

async fn got(port: u16, path: &str) -> Answered {
    asked(port, "GET", path, &[], None).await
}

fn header<'a>(answered: &'a Answered, name: &str) -> Option<&'a str> {
    answered.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn a_request_and_its_answer_are_told_byte_by_byte() {
    let (port, _serving) = serving(Manner::Http).await;
    let headers = [("X-Second", "2"), ("x-first", "1"), ("X-Second", "3"), ("host", "shop.test")];
    let answered = asked(port, "PATCH", "/headers/a?b=c", &headers, Some("täglich")).await;
    let expected = json!({
        "by": "one", "method": "PATCH", "path": "/headers/a?b=c", "body": "täglich",
        "headers": [
            ["Content-Length", "8"], ["Connection", "close"],
            ["X-Second", "2"], ["x-first", "1"], ["X-Second", "3"], ["host", "shop.test"],
        ],
    });
    assert_eq!((answered.status, answered.body), (200, expected));
    let names: Vec<_> = answered.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Content-Type", "Content-Length", "Connection"]);
}

#[tokio::test]
async fn the_status_is_the_one_asked_for() {
    let (port, _serving) = serving(Manner::Http).await;
    let answered = got(port, "/status/503?why=not").await;
    assert_eq!((answered.status, &answered.body["status"]), (503, &json!(503)));
    let answered = got(port, "/status/204").await;
    assert_eq!((answered.status, &answered.body), (204, &json!("")));
    assert_eq!(header(&answered, "Content-Length"), None);
    assert_eq!(got(port, "/status/99").await.status, 400);
}

#[tokio::test]
async fn a_compressed_answer_is_small_and_the_same_each_time() {
    let (port, _serving) = serving(Manner::Http).await;
    let answered = got(port, "/gzip/list").await;
    assert_eq!(header(&answered, "Content-Encoding"), Some("gzip"));
    assert!((1_900..2_200).contains(&answered.body.to_string().len()), "{}", answered.body);
    let length: usize = header(&answered, "Content-Length").unwrap().parse().unwrap();
    assert!(length < 200, "{length}");
    assert_eq!(got(port, "/gzip/list").await, answered);
}

#[tokio::test]
async fn a_large_answer_has_as_many_bytes_as_asked_for() {
    let (port, _serving) = serving(Manner::Http).await;
    assert_eq!(got(port, "/large/20").await.body, json!("0000000\n0000001\n0000"));
    let answered = got(port, "/large/1000001").await;
    assert_eq!(answered.body.as_str().unwrap().len(), 1_000_001);
    assert_eq!(got(port, "/large/1000000000000").await.status, 400);
}

#[tokio::test]
async fn a_cookie_is_set() {
    let (port, _serving) = serving(Manner::Http).await;
    let answered = got(port, "/cookie").await;
    assert_eq!(header(&answered, "Set-Cookie"), Some("session=s3cret; Path=/; HttpOnly"));
    assert_eq!(answered.body["path"], json!("/cookie"));
}

#[tokio::test]
async fn posts_are_counted_and_nothing_else_is() {
    let (port, _serving) = serving(Manner::Http).await;
    let mut counts = Vec::new();
    for (method, path) in [
        ("GET", "/count/posts"),
        ("POST", "/count/posts"),
        ("POST", "/count/posts/again?x=y"),
        ("PUT", "/count/posts"),
        ("POST", "/count/other-posts"),
        ("GET", "/count/posts"),
    ] {
        counts.push(asked(port, method, path, &[], None).await.body["count"].clone());
    }
    assert_eq!(Value::from(counts), json!([0, 1, 2, 2, 1, 2]));
}

#[tokio::test]
async fn head_is_answered_with_the_length_alone() {
    let (port, _serving) = serving(Manner::Http).await;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let url = format!("http://127.0.0.1:{port}/large/1000").parse().unwrap();
    let mut request = http::Request { method: "HEAD", url: &url, headers: &[], body: None, close: false };
    request.send(&mut stream).await.unwrap();
    (request.method, request.close) = ("GET", true);
    request.send(&mut stream).await.unwrap();
    let mut reader = BufReader::new(stream);
    let head = Head::read(&mut reader).await.unwrap().unwrap();
    assert_eq!(head.header("content-length"), Some("1000"));
    assert_eq!(http::read_last_answer(&mut reader, "GET").await.unwrap().1.len(), 1_000);
}

pub(crate) async fn http2_to(port: u16, tasks: &mut JoinSet<()>) -> SendRequest<Full<Bytes>> {
    let stream = TokioIo::new(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tasks.spawn(async { connection.await.unwrap() });
    sender
}

async fn echoed(sender: &mut SendRequest<Full<Bytes>>, port: u16, body: &'static str) -> Value {
    let request = hyper::Request::put(format!("http://127.0.0.1:{port}/a?b")).body(Full::from(body)).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/json");
    serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

#[tokio::test]
async fn what_is_no_grpc_is_answered_over_http2_as_over_http1() {
    let (two, _serving) = serving(Manner::Http2).await;
    let (one, _serving_too) = serving(Manner::Http).await;
    let mut tasks = JoinSet::new();
    let mut sender = http2_to(two, &mut tasks).await;
    let answered = asked(one, "PUT", "/a?b", &[], Some("body")).await;
    assert_eq!(echoed(&mut sender, two, "body").await, answered.body);
}

#[tokio::test]
async fn idle_connections_of_http2_end_with_the_service() {
    let (port, mut serving) = serving(Manner::Http2).await;
    let mut clients = JoinSet::new();
    let mut sender = http2_to(port, &mut clients).await;
    echoed(&mut sender, port, "").await;
    serving.stop.send(Stage::Closed).unwrap();
    let ended = async { while serving.tasks.join_next().await.is_some() {} };
    time::timeout(Duration::from_secs(10), ended).await.unwrap();
    clients.join_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn a_websocket_sends_back_bytes_answers_pings_and_closes_when_the_service_ends() {
    let talk = async {
        let (port, mut serving) = serving(Manner::WebSocket).await;
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (socket, _) =
            tokio_tungstenite::client_async(format!("ws://127.0.0.1:{port}/"), stream).await.unwrap();
        let mut socket = pin!(socket);
        socket.send(Message::binary(&b"\x00\xff"[..])).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::binary(&b"\x00\xff"[..]));
        socket.send(Message::Ping(Bytes::from_static(b"p"))).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong(Bytes::from_static(b"p")));
        serving.stop.send(Stage::Closed).unwrap();
        assert!(socket.next().await.unwrap().unwrap().is_close());
        assert!(socket.next().await.is_none());
        while serving.tasks.join_next().await.is_some() {}
    };
    time::timeout(Duration::from_secs(10), talk).await.unwrap();
}
