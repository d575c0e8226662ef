//! What callers get while the laptop does not serve, by the session's choice.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::Instant,
};
use tunnel::message::Unavailable;

use crate::{
    laptop::{Laptop, Manner},
    rig::Rig,
    server::{Caller, Habits, Server, get, nobody},
    within,
};

const HOLD: Unavailable = Unavailable::Hold { millis: 3000 };
/// For who must not wait until it is over.
const LONG: Unavailable = Unavailable::Hold { millis: 60_000 };

async fn start_later(addr: SocketAddr) -> Server {
    tokio::time::sleep(Duration::from_millis(700)).await;
    Server::start_at(addr, "laptop", Habits::default()).await
}

#[tokio::test]
async fn a_held_request_is_answered_by_the_process_that_starts_meanwhile() {
    let (rig, original, process) = (Rig::start().await, Server::start("original").await, nobody().await);
    let _laptop = Laptop::armed_with(&rig, process, &[original.addr], LONG).await;
    let (mut first, mut second) = (Caller::connect(rig.callers).await, Caller::connect(rig.callers).await);
    let body = "x".repeat(200_000);
    let (_server, small, large) =
        tokio::join!(start_later(process), first.ask("POST", "1"), second.ask("POST", &body));
    assert_eq!(small, "laptop POST 1");
    assert_eq!(large, format!("laptop POST {body}"));
    assert_eq!(original.answered(), 0);
}

#[tokio::test]
async fn a_held_request_goes_to_an_original_when_its_time_is_over() {
    let (rig, original) = (Rig::start().await, Server::start("original").await);
    let _laptop = Laptop::armed_with(&rig, nobody().await, &[original.addr], HOLD).await;
    let started = Instant::now();
    let mut caller = Caller::connect(rig.callers).await;
    assert_eq!(caller.ask("POST", "1").await, "original POST 1");
    assert!((3000..4500).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_kept_connection_waits_for_a_process_that_restarts() {
    let (rig, original, process) =
        (Rig::start().await, Server::start("original").await, Server::start("laptop").await);
    let _laptop = Laptop::armed_with(&rig, process.addr, &[original.addr], LONG).await;
    let mut kept = Caller::connect(rig.callers).await;
    assert_eq!(kept.get().await, "laptop GET ");
    let addr = process.kill().await;
    let (_server, answer) = tokio::join!(start_later(addr), kept.get());
    assert_eq!(answer, "laptop GET ");
    assert_eq!(original.answered(), 0);
}

#[tokio::test]
async fn a_connection_that_has_asked_nothing_yet_waits_for_a_process_that_restarts() {
    let (rig, original, process) =
        (Rig::start().await, Server::start("original").await, Server::start("laptop").await);
    let laptop = Laptop::armed_with(&rig, process.addr, &[original.addr], LONG).await;
    let mut early = Caller::connect(rig.callers).await;
    let mut counters = laptop.counters.clone();
    within("it is open", counters.wait_for(|counters| counters.open == 1)).await.unwrap();
    let addr = process.kill().await;
    within("it is not", counters.wait_for(|counters| counters.open == 0)).await.unwrap();
    let (_server, answer) = tokio::join!(start_later(addr), early.ask("POST", "1"));
    assert_eq!(answer, "laptop POST 1");
    assert_eq!(original.answered(), 0);
}

#[tokio::test]
async fn a_held_request_is_answered_by_the_laptop_that_is_heard_again() {
    let (rig, original, process) =
        (Rig::start().await, Server::start("original").await, Server::start("laptop").await);
    let laptop = Laptop::armed_with(&rig, process.addr, &[original.addr], LONG).await;
    laptop.fall_silent();
    let again = async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        laptop.speak_again(Manner::Process(process.addr));
    };
    let mut caller = Caller::connect(rig.callers).await;
    let ((), answer) = tokio::join!(again, caller.ask("POST", "1"));
    assert_eq!(answer, "laptop POST 1");
    assert_eq!(original.answered(), 0);
}

#[tokio::test]
async fn a_bounded_number_of_callers_is_held() {
    let (rig, original) = (Rig::start().await, Server::start("original").await);
    let _laptop = Laptop::armed_with(&rig, nobody().await, &[original.addr], LONG).await;
    let mut held = Vec::new();
    for _ in 0..256 {
        let mut caller = Caller::connect(rig.callers).await;
        caller.send(b"GET / HTTP/1.1\r\n\r\n").await;
        held.push(caller);
    }
    // Whoever comes too early takes a place, and is not answered.
    let answered = async {
        loop {
            let mut more = Caller::connect(rig.callers).await;
            if let Ok(answer) = tokio::time::timeout(Duration::from_millis(500), more.get()).await {
                return answer;
            }
        }
    };
    assert_eq!(within("one that is not held", answered).await, "original GET ");
}

#[tokio::test]
async fn a_held_caller_that_leaves_gives_its_place_back() {
    let (rig, process) = (Rig::start().await, nobody().await);
    let mut laptop = Laptop::armed_with(&rig, process, &[], LONG).await;
    for _ in 0..300 {
        let tcp = TcpStream::connect(rig.callers).await.unwrap();
        tcp.set_zero_linger().unwrap();
    }
    let mut caller = Caller::connect(rig.callers).await;
    let (_server, answer) = tokio::join!(start_later(process), caller.get());
    assert_eq!(answer, "laptop GET ");
    let counted = laptop.counters.wait_for(|counters| counters.laptop == 1 && counters.failed < 100);
    within("counters", counted).await.unwrap();
}

#[tokio::test]
async fn with_error_http_gets_a_503_that_says_why() {
    let (rig, original) = (Rig::start().await, Server::start("original").await);
    let _laptop = Laptop::armed_with(&rig, nobody().await, &[original.addr], Unavailable::Error).await;
    let mut caller = Caller::connect(rig.callers).await;
    caller.send(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc").await;
    let answer = caller.rest().await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("--unavailable error"), "{answer}");
    assert_eq!(original.answered(), 0);
}

#[tokio::test]
async fn with_error_a_kept_connection_is_refused_when_the_process_ends() {
    let (rig, original, process) =
        (Rig::start().await, Server::start("original").await, Server::start("laptop").await);
    let laptop = Laptop::armed_with(&rig, process.addr, &[original.addr], Unavailable::Error).await;
    let mut kept = Caller::connect(rig.callers).await;
    assert_eq!(kept.get().await, "laptop GET ");
    process.kill().await;
    let answer = kept.get().await;
    assert!(answer.contains("--unavailable error"), "{answer}");
    // Without the laptop there is nobody who wants errors.
    laptop.connection.close("bye");
    within("originals", async { while get(rig.callers).await != "original GET " {} }).await;
}

#[tokio::test]
async fn with_error_other_protocols_get_a_reset() {
    let (rig, original) = (Rig::start().await, Server::start("original").await);
    let _laptop = Laptop::armed_with(&rig, nobody().await, &[original.addr], Unavailable::Error).await;
    for greeting in [&b"\0question"[..], b""] {
        let mut caller = TcpStream::connect(rig.callers).await.unwrap();
        caller.write_all(greeting).await.unwrap();
        let error = within("a reset", caller.read_u8()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
