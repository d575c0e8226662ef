//! Who serves a request, and what a caller notices when that changes: nothing.

use std::time::Duration;

use tunnel::message::ToAgent;

use crate::{
    eventually,
    laptop::{Laptop, Manner, Network, Weather},
    rig::Rig,
    server::{Caller, Habits, Server, get, nobody},
    within,
};

#[tokio::test]
async fn an_armed_laptop_takes_the_requests() {
    let (rig, original, process) =
        (Rig::start().await, Server::start("original").await, Server::start("laptop").await);
    let laptop = Laptop::connect(&rig, Manner::Process(process.addr)).await;
    laptop.push(rig.port(), &[original.addr]).await;
    eventually_from(&rig, "original GET ").await;
    drop(laptop);

    let mut laptop = Laptop::armed(&rig, process.addr, &[original.addr]).await;
    assert_eq!(get(rig.callers).await, "laptop GET ");
    assert_eq!(Caller::connect(rig.callers).await.ask("POST", "data").await, "laptop POST data");
    let counted = laptop.counters.wait_for(|counters| counters.laptop == 2);
    within("counters", counted).await.unwrap();
}

/// Until originals are known, callers are reset.
async fn eventually_from(rig: &Rig, answer: &str) {
    within("an original's answer", async {
        while Caller::connect(rig.callers).await.try_ask("GET", "").await.ok().as_deref() != Some(answer) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_nobody_takes_is_reset_and_counted() {
    let rig = Rig::start().await;
    let mut laptop = Laptop::armed(&rig, nobody().await, &[nobody().await]).await;
    let error = Caller::connect(rig.callers).await.try_ask("GET", "").await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let counted = laptop.counters.wait_for(|counters| counters.failed == 1);
    within("counters", counted).await.unwrap();
}

#[tokio::test]
async fn an_original_gets_the_same_bytes_when_the_process_does_not_listen() {
    let (rig, original) = (Rig::start().await, Server::start("original").await);
    let _laptop = Laptop::armed(&rig, nobody().await, &[original.addr]).await;
    let body = "x".repeat(20_000);
    let mut caller = Caller::connect(rig.callers).await;
    assert_eq!(caller.ask("POST", &body).await, format!("original POST {body}"));
}

#[tokio::test]
async fn a_body_that_is_longer_than_what_is_kept_arrives_whole_at_an_original() {
    let (rig, original) = (Rig::start().await, Server::start("original").await);
    let _laptop = Laptop::armed(&rig, nobody().await, &[original.addr]).await;
    let body = "x".repeat(1_000_000);
    let mut caller = Caller::connect(rig.callers).await;
    assert_eq!(caller.ask("POST", &body).await, format!("original POST {body}"));
}

#[tokio::test]
async fn a_laptop_that_does_not_reply_is_given_up_after_two_seconds() {
    let (rig, original) = (Rig::start().await, Server::start("original").await);
    let laptop = Laptop::armed(&rig, nobody().await, &[original.addr]).await;
    laptop.set(Manner::Mute);
    let body = "x".repeat(100_000);
    assert_eq!(Caller::connect(rig.callers).await.ask("POST", &body).await, format!("original POST {body}"));
}

#[tokio::test]
async fn a_silent_laptop_s_requests_go_to_originals_at_once_and_come_back() {
    let (mut rig, original, process) =
        (Rig::start().await, Server::start("original").await, Server::start("laptop").await);
    let network = Network::start(rig.control).await;
    rig.control = network.addr;
    let _laptop = Laptop::armed(&rig, process.addr, &[original.addr]).await;
    let mut kept = Caller::connect(rig.callers).await;
    assert_eq!(kept.get().await, "laptop GET ");
    network.set(Weather::Still);
    within("originals", async { while get(rig.callers).await != "original GET " {} }).await;
    assert_eq!(kept.ask("POST", "kept").await, "original POST kept");
    network.set(Weather::Fine);
    within("the laptop", async { while get(rig.callers).await != "laptop GET " {} }).await;
    within("the kept connection", async { while kept.get().await != "laptop GET " {} }).await;
}

#[tokio::test]
async fn a_kept_connection_moves_to_an_original_when_the_process_ends_and_back() {
    let (rig, original, process) =
        (Rig::start().await, Server::start("original").await, Server::start("laptop").await);
    let _laptop = Laptop::armed(&rig, process.addr, &[original.addr]).await;
    let mut kept = Caller::connect(rig.callers).await;
    assert_eq!(kept.ask("POST", "1").await, "laptop POST 1");
    let addr = process.kill().await;
    // A POST may only move once the agent has learnt of the end; a GET is given again in any case.
    assert_eq!(kept.get().await, "original GET ");
    assert_eq!(kept.ask("POST", "2").await, "original POST 2");
    let _again = Server::start_at(addr, "again", Habits::default()).await;
    within("the process", async { while kept.get().await != "again GET " {} }).await;
    assert_eq!(kept.ask("POST", "3").await, "again POST 3");
}

#[tokio::test]
async fn an_idle_connection_outlives_its_server_for_a_post_too() {
    let habits = Habits { answers: Some(1), ..Habits::default() };
    let (rig, original) = (Rig::start().await, Server::start("original").await);
    let process = Server::start_with("laptop", habits).await;
    let mut laptop = Laptop::armed(&rig, process.addr, &[original.addr]).await;
    let mut kept = Caller::connect(rig.callers).await;
    assert_eq!(kept.ask("POST", "1").await, "laptop POST 1");
    let idle = laptop.counters.wait_for(|counters| counters.laptop == 1 && counters.open == 0);
    within("the end of the idle connection", idle).await.unwrap();
    assert_eq!(kept.ask("POST", "2").await, "laptop POST 2");
}

#[tokio::test]
async fn an_original_that_ends_idle_connections_is_replaced_by_another() {
    let habits = Habits { answers: Some(1), ..Habits::default() };
    let rig = Rig::start().await;
    let (first, second) = (Server::start_with("a", habits).await, Server::start_with("a", habits).await);
    let laptop = Laptop::connect(&rig, Manner::Mute).await;
    laptop.push(rig.port(), &[first.addr, second.addr]).await;
    eventually_from(&rig, "a GET ").await;
    let mut kept = Caller::connect(rig.callers).await;
    for _ in 0..4 {
        assert_eq!(kept.get().await, "a GET ");
    }
}

#[tokio::test]
async fn a_request_that_breaks_its_server_is_given_to_an_original_only_if_idempotent() {
    let habits = Habits { breaks: true, ..Habits::default() };
    let (rig, original) = (Rig::start().await, Server::start("original").await);
    let process = Server::start_with("laptop", habits).await;
    let _laptop = Laptop::armed(&rig, process.addr, &[original.addr]).await;
    assert_eq!(Caller::connect(rig.callers).await.ask("PUT", "1").await, "original PUT 1");
    let error = Caller::connect(rig.callers).await.try_ask("POST", "2").await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(original.answered(), 1);
}

#[tokio::test]
async fn a_request_does_not_break_one_original_after_the_other() {
    let habits = Habits { breaks: true, ..Habits::default() };
    let rig = Rig::start().await;
    let (first, second) = (Server::start_with("a", habits).await, Server::start_with("b", habits).await);
    let third = Server::start("c").await;
    let laptop = Laptop::connect(&rig, Manner::Mute).await;
    laptop.push(rig.port(), &[first.addr, second.addr]).await;
    within("list", async {
        while Caller::connect(rig.callers).await.try_ask("GET", "").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(third.answered(), 0);
}

#[tokio::test]
async fn drain_moves_idle_connections_and_finishes_what_is_under_way() {
    let habits = Habits { delay: Duration::from_millis(300), ..Habits::default() };
    let (rig, original) = (Rig::start().await, Server::start("original").await);
    let process = Server::start_with("laptop", habits).await;
    let mut laptop = Laptop::armed(&rig, process.addr, &[original.addr]).await;
    let mut idle = Caller::connect(rig.callers).await;
    assert_eq!(idle.get().await, "laptop GET ");
    let mut busy = Caller::connect(rig.callers).await;
    busy.send(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab").await;
    let open = laptop.counters.wait_for(|counters| counters.open == 2);
    within("both connections", open).await.unwrap();

    assert_eq!(laptop.ask(ToAgent::Drain).await, tunnel::message::ToLaptop::Drained);
    assert_eq!(process.answered(), 2, "drained after what was under way");
    assert_eq!(idle.ask("POST", "x").await, "original POST x");
}

#[tokio::test]
async fn a_laptop_that_closes_its_session_leaves_requests_to_originals() {
    let (rig, original, process) =
        (Rig::start().await, Server::start("original").await, Server::start("laptop").await);
    let laptop = Laptop::armed(&rig, process.addr, &[original.addr]).await;
    let mut kept = Caller::connect(rig.callers).await;
    assert_eq!(kept.get().await, "laptop GET ");
    laptop.connection.close("bye");
    assert_eq!(kept.get().await, "original GET ");
    assert_eq!(kept.ask("POST", "1").await, "original POST 1");
    assert_eq!(get(rig.callers).await, "original GET ");
}

#[tokio::test]
async fn a_closing_answer_ends_the_caller_s_connection() {
    let (rig, process) = (Rig::start().await, Server::start("laptop").await);
    let _laptop = Laptop::armed(&rig, process.addr, &[process.addr]).await;
    let mut caller = Caller::connect(rig.callers).await;
    caller.send(b"GET / HTTP/1.0\r\n\r\n").await;
    // This server keeps connections whatever they ask for; its end is the caller's end then.
    eventually("answer", || process.answered() == 1).await;
    process.kill().await;
    let rest = caller.rest().await.unwrap();
    assert!(rest.ends_with("laptop GET "), "{rest}");
}

#[tokio::test]
async fn a_laptop_that_is_cut_off_loses_no_new_request_of_any_method() {
    let (mut rig, original, process) =
        (Rig::start().await, Server::start("original").await, Server::start("laptop").await);
    let network = Network::start(rig.control).await;
    rig.control = network.addr;
    let _laptop = Laptop::armed(&rig, process.addr, &[original.addr]).await;
    let (mut posts, mut puts) = (Caller::connect(rig.callers).await, Caller::connect(rig.callers).await);
    assert_eq!(posts.ask("POST", "1").await, "laptop POST 1");
    assert_eq!(puts.ask("PUT", "1").await, "laptop PUT 1");
    network.set(Weather::Away);
    // Perhaps before the agent knows of it: then the request is given again.
    assert_eq!(puts.ask("PUT", "2").await, "original PUT 2");
    assert_eq!(posts.ask("POST", "2").await, "original POST 2");
    assert_eq!(Caller::connect(rig.callers).await.ask("POST", "3").await, "original POST 3");
}
