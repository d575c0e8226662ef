//! The load against services in the same process: it has to see each failure, and nothing that is none.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time;

use super::{Args, Summary, Tally, ask};
use crate::http::{self, Answer, Head};
use crate::serve::{self, Manner, Stage};

fn args(port: u16, fresh: u32, kept: u32) -> Args {
    Args {
        url: format!("http://127.0.0.1:{port}/").parse().unwrap(),
        fresh,
        kept,
        connections: 20,
        body: 1_000,
        seconds: None,
        timeout_ms: 5_000,
    }
}

async fn load(args: &Args, requests: u64) -> Summary {
    let tally = Tally::new();
    let enough = {
        let tally = Arc::clone(&tally);
        async move {
            let counted = || {
                let summary = tally.summary(true);
                summary.ok + summary.failed
            };
            while counted() < requests {
                time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    time::timeout(Duration::from_secs(20), ask(args, tally, enough)).await.expect("the load ends")
}

/// Serves for as long as the set is kept.
async fn serve_with<F, A>(answer: A) -> (u16, JoinSet<()>)
where
    F: Future<Output = io::Result<()>> + Send + 'static,
    A: Fn(TcpStream) -> F + Send + Sync + Copy + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(answer(stream));
        }
    });
    (port, serving)
}

#[tokio::test]
async fn all_requests_of_both_kinds_are_answered_by_a_service_that_works() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (_stop, stopping) = watch::channel(Stage::Serving);
    let mut serving = JoinSet::new();
    serving.spawn(serve::accept(listener, Manner::Http, "one".to_owned(), stopping));
    let summary = load(&args(port, 200, 200), 200).await;
    assert_eq!((summary.failed, summary.failures.len()), (0, 0), "{summary:?}");
    assert_eq!(summary.by.get("one"), Some(&summary.ok));
    assert!(summary.kinds.len() == 2, "{summary:?}");
}

#[tokio::test]
async fn connections_that_end_between_requests_are_no_failure() {
    async fn one_answer_each(mut stream: TcpStream) -> io::Result<()> {
        let (reader, mut writer) = stream.split();
        let mut reader = BufReader::new(reader);
        let Some(head) = Head::read(&mut reader).await? else { return Ok(()) };
        head.body(&mut reader).await?;
        http::send_answer(&mut writer, "GET", &Answer::json(200, &json!({ "by": "x" })), true).await
    }
    let (port, _serving) = serve_with(one_answer_each).await;
    let summary = load(&args(port, 0, 200), 50).await;
    assert_eq!(summary.failed, 0, "{summary:?}");
}

#[tokio::test]
async fn an_answer_that_is_cut_or_refused_is_a_failure_and_is_not_asked_again() {
    async fn cut(mut stream: TcpStream) -> io::Result<()> {
        let _ = stream.read(&mut [0; 4096]).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{").await
    }
    let (port, _serving) = serve_with(cut).await;
    let summary = load(&args(port, 100, 100), 20).await;
    assert_eq!(summary.ok, 0);
    assert!(summary.failures.iter().all(|failure| failure.step == "wait"), "{summary:?}");

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let summary = load(&args(nobody, 100, 0), 5).await;
    assert_eq!(summary.ok, 0);
    assert!(summary.failures.iter().all(|failure| failure.step == "connect"), "{summary:?}");
}

#[tokio::test]
async fn wrong_bytes_are_a_failure() {
    async fn wrong(mut stream: TcpStream) -> io::Result<()> {
        let (reader, mut writer) = stream.split();
        let mut reader = BufReader::new(reader);
        while let Some(head) = Head::read(&mut reader).await? {
            head.body(&mut reader).await?;
            let answer = Answer::json(200, &json!({ "by": "x", "sha256": "00" }));
            http::send_answer(&mut writer, "GET", &answer, false).await?;
        }
        Ok(())
    }
    let (port, _serving) = serve_with(wrong).await;
    let summary = load(&args(port, 0, 100), 10).await;
    assert_eq!(summary.ok, 0);
    assert!(summary.failures.iter().all(|failure| failure.step == "check"), "{summary:?}");
}

#[tokio::test]
async fn each_request_is_told_once_with_its_time_and_who_answered() {
    let tally = Tally::new();
    let (answered, failed) = (tally.sent(), tally.sent());
    answered.ended("fresh", "GET", Duration::from_millis(250), Ok("web".to_owned()));
    failed.ended("kept", "POST", Duration::from_secs(3), Err(super::Problem::new("wait", "cut")));
    let each = tally.summary(false).each;
    let took = |by: &str| each[by].iter().map(|asked| asked.1).collect::<Vec<_>>();
    assert_eq!((took("web"), took("")), (vec![250], vec![3_000]), "{each:?}");
    assert!(tally.summary(true).each.is_empty());
}
