//! The laptop's process is started anew, and the laptop says so before: no caller notices, whatever its request is.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time,
};
use tunnel::{
    Flow, Priority,
    message::{MAX_OPEN, Open, Reply, ToAgent, ToLaptop, Unavailable},
};

use crate::{
    laptop::{Laptop, Manner},
    rig::Rig,
    server::{Caller, Habits, Server, get},
    within,
};

const LONG: Unavailable = Unavailable::Hold { millis: 60_000 };

/// Asks for a pause; returns when the agent says that nothing is under way.
async fn pause(laptop: &Laptop) -> Flow {
    let mut flow = laptop.connection.open(&Open::Pause, Priority::Control).await.unwrap();
    let reply = within("nothing is under way", flow.recv.message(MAX_OPEN)).await.unwrap();
    assert_eq!(reply, Some(Reply::Accepted));
    flow
}

#[tokio::test]
async fn kept_and_new_connections_wait_and_are_served_by_the_next_process() {
    let (rig, original, process) =
        (Rig::start().await, Server::start("original").await, Server::start("old").await);
    let laptop = Laptop::armed_with(&rig, process.addr, &[original.addr], LONG).await;
    let (mut kept, fresh) = (Caller::connect(rig.callers).await, Caller::connect(rig.callers).await);
    let mut idle = fresh;
    assert_eq!(kept.ask("POST", "1").await, "old POST 1");
    let paused = pause(&laptop).await;
    let mut other = Laptop::connect(&rig, Manner::Mute).await;
    let refused = other.ask(ToAgent::Arm(LONG)).await;
    assert_eq!(refused, ToLaptop::ArmFailed("held".to_owned()), "the laptop is there");
    // Held, although the old process would still answer.
    let mut new = Caller::connect(rig.callers).await;
    let asking = async { tokio::join!(kept.ask("POST", "2"), new.ask("POST", "3"), idle.ask("POST", "4")) };
    tokio::pin!(asking);
    assert!(time::timeout(Duration::from_millis(300), &mut asking).await.is_err());
    let addr = process.kill().await;
    let _next = Server::start_at(addr, "new", Habits::default()).await;
    drop(paused);
    let answers = within("answers", asking).await;
    assert_eq!(answers, ("new POST 2".into(), "new POST 3".into(), "new POST 4".into()));
    assert_eq!(original.answered(), 0);
}

#[tokio::test]
async fn a_request_under_way_is_waited_for_and_what_is_no_http_is_not() {
    let slow = Habits { delay: Duration::from_millis(500), ..Habits::default() };
    let (rig, original, process) =
        (Rig::start().await, Server::start("original").await, Server::start_with("old", slow).await);
    let laptop = Laptop::armed_with(&rig, process.addr, &[original.addr], LONG).await;
    let mut opaque = TcpStream::connect(rig.callers).await.unwrap();
    opaque.write_all(&[0x16, 3, 1, 0]).await.unwrap();
    let mut caller = Caller::connect(rig.callers).await;
    caller.send(b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n").await;
    let mut counters = laptop.counters.clone();
    within("both are open", counters.wait_for(|counters| counters.open == 2)).await.unwrap();
    let _paused = pause(&laptop).await;
    assert_eq!(process.answered(), 1);
}

#[tokio::test]
async fn a_connection_without_a_request_waits_through_any_number_of_pauses() {
    let (rig, original, process) =
        (Rig::start().await, Server::start("original").await, Server::start("laptop").await);
    let laptop = Laptop::armed_with(&rig, process.addr, &[original.addr], LONG).await;
    let mut silent = Caller::connect(rig.callers).await;
    let mut counters = laptop.counters.clone();
    for _ in 0..3 {
        within("it is there", counters.wait_for(|counters| counters.open == 1)).await.unwrap();
        let paused = pause(&laptop).await;
        within("it is gone", counters.wait_for(|counters| counters.open == 0)).await.unwrap();
        drop(paused);
    }
    within("it is there", counters.wait_for(|counters| counters.open == 1)).await.unwrap();
    assert_eq!(silent.ask("POST", "1").await, "laptop POST 1");
    assert_eq!(original.answered(), 0);
}

#[tokio::test]
async fn an_idle_connection_of_a_process_that_hangs_is_not_waited_for() {
    let process = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (rig, original) = (Rig::start().await, Server::start("original").await);
    let addr = process.local_addr().unwrap();
    let laptop = Laptop::armed_with(&rig, addr, &[original.addr], LONG).await;
    let mut caller = Caller::connect(rig.callers).await;
    let hangs = async {
        let (mut tcp, _) = process.accept().await.unwrap();
        let mut request = [0; 1 << 10];
        assert_ne!(tcp.read(&mut request).await.unwrap(), 0);
        tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirst").await.unwrap();
        // Neither reads nor ends from now on.
        tcp
    };
    let (answer, _process) = tokio::join!(caller.ask("POST", "1"), hangs);
    assert_eq!(answer, "first");
    let asked = time::Instant::now();
    let _paused = pause(&laptop).await;
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_request_that_lasts_is_not_waited_for() {
    let hangs = Habits { delay: Duration::from_secs(3600), ..Habits::default() };
    let (rig, original, process) =
        (Rig::start().await, Server::start("original").await, Server::start_with("old", hangs).await);
    let laptop = Laptop::armed_with(&rig, process.addr, &[original.addr], LONG).await;
    let mut caller = Caller::connect(rig.callers).await;
    caller.send(b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n").await;
    let mut counters = laptop.counters.clone();
    within("it is open", counters.wait_for(|counters| counters.open == 1)).await.unwrap();
    drop(pause(&laptop).await);
    // As old as it is by now, the next one does not wait at all.
    let asked = time::Instant::now();
    let _paused = pause(&laptop).await;
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!(process.answered(), 0);
}

#[tokio::test]
async fn without_holding_originals_serve_meanwhile_and_the_laptop_afterwards() {
    let (rig, original, process) =
        (Rig::start().await, Server::start("original").await, Server::start("laptop").await);
    let laptop = Laptop::armed(&rig, process.addr, &[original.addr]).await;
    assert_eq!(get(rig.callers).await, "laptop GET ");
    let paused = pause(&laptop).await;
    assert_eq!(get(rig.callers).await, "original GET ");
    drop(paused);
    within("the laptop again", async { while get(rig.callers).await != "laptop GET " {} }).await;
}

#[tokio::test]
async fn a_pause_ends_with_its_session() {
    let (rig, original, process) =
        (Rig::start().await, Server::start("original").await, Server::start("laptop").await);
    let laptop = Laptop::armed_with(&rig, process.addr, &[original.addr], LONG).await;
    let _paused = pause(&laptop).await;
    let mut caller = Caller::connect(rig.callers).await;
    let (answer, ()) = tokio::join!(caller.ask("POST", "1"), async {
        time::sleep(Duration::from_millis(200)).await;
        laptop.connection.close("bye");
    });
    assert_eq!(answer, "original POST 1");
}
