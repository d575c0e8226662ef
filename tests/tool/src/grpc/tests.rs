//! The call against the service in the same process.

use http_body_util::Full;
use hyper::body::Body as _;

use super::*;
use crate::serve::Manner;
use crate::serve::tests::{http2_to, serving};

async fn called(port: u16, path: &str, messages: u32, bytes: u32) -> io::Result<Called> {
    let url = format!("http://127.0.0.1:{port}{path}").parse().unwrap();
    let args = Args { url, messages, bytes, timeout_ms: 10_000 };
    crate::within(args.timeout_ms, call(&args)).await
}

#[tokio::test]
async fn all_messages_come_back_also_those_larger_than_a_window() {
    let (port, _serving) = serving(Manner::Http2).await;
    for (messages, bytes) in [(0, 0), (3, 0), (100, 17), (3, 300_000)] {
        let expected = Called {
            status: 200,
            grpc_status: Some(0),
            messages,
            bytes: u64::from(messages) * u64::from(bytes),
            ..Called::default()
        };
        assert_eq!(called(port, "/shop.Stock/Watch", messages, bytes).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_call_that_is_to_fail_fails_in_trailers_only() {
    let (port, _serving) = serving(Manner::Http2).await;
    let expected = Called {
        status: 200,
        grpc_status: Some(14),
        grpc_message: Some("told to fail".to_owned()),
        ..Called::default()
    };
    assert_eq!(called(port, "/fail/Watch", 3, 100_000).await.unwrap(), expected);

    let mut tasks = JoinSet::new();
    let request = Request::post(format!("http://127.0.0.1:{port}/fail/Watch"))
        .header(CONTENT_TYPE, "application/grpc+proto")
        .body(Full::default())
        .unwrap();
    let answer = http2_to(port, &mut tasks).await.send_request(request).await.unwrap();
    assert_eq!(answer.headers()["grpc-status"], "14");
    assert_eq!(answer.headers()[CONTENT_TYPE], "application/grpc+proto");
    assert!(answer.body().is_end_stream());
}

#[tokio::test]
async fn a_service_that_does_not_speak_http2_is_an_error() {
    let (port, _serving) = serving(Manner::Http).await;
    let error = called(port, "/shop.Stock/Watch", 1, 1).await.unwrap_err();
    assert_ne!(error.kind(), io::ErrorKind::TimedOut, "{error}");
}
