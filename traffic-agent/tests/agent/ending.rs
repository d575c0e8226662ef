//! What happens to callers when the agent ends.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use traffic_agent::Grace;

use crate::{
    laptop::Laptop,
    rig::Rig,
    server::{Caller, Server, get, nobody},
    within,
};

async fn health(rig: &Rig, path: &str) -> String {
    let mut tcp = TcpStream::connect(rig.health).await.unwrap();
    tcp.write_all(format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("health", tcp.read_to_string(&mut answer)).await.unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn ready_from_armed_to_terminated_and_not_only_while_the_laptop_lives() {
    let (mut rig, original) = (Rig::start().await, Server::start("original").await);
    assert_eq!((health(&rig, "/livez").await, health(&rig, "/readyz").await), ("200".into(), "503".into()));
    let laptop = Laptop::armed(&rig, nobody().await, &[original.addr]).await;
    assert_eq!(health(&rig, "/readyz").await, "200");
    laptop.connection.close("bye");
    assert_eq!(get(rig.callers).await, "original GET ");
    assert_eq!(health(&rig, "/readyz").await, "200");
    rig.terminate();
    within("not ready", async { while health(&rig, "/readyz").await != "503" {} }).await;
    assert_eq!(health(&rig, "/livez").await, "200");
    rig.ended().await;
}

#[tokio::test]
async fn an_ending_agent_asks_callers_to_connect_again() {
    let (mut rig, original, process) =
        (Rig::start().await, Server::start("original").await, Server::start("laptop").await);
    let _laptop = Laptop::armed(&rig, process.addr, &[original.addr]).await;
    let mut kept = Caller::connect(rig.callers).await;
    assert_eq!(kept.get().await, "laptop GET ");
    assert!(!kept.told_to_leave);
    rig.terminate();
    within("not ready", async { while health(&rig, "/readyz").await != "503" {} }).await;
    assert_eq!(kept.ask("POST", "x").await, "original POST x");
    assert!(kept.told_to_leave);
    assert_eq!(kept.rest().await.unwrap(), "");
    rig.ended().await;
}

#[tokio::test]
async fn an_agent_to_which_callers_still_come_stays_for_them_and_not_longer() {
    let quiet = Duration::from_secs(2);
    let grace = Grace { accept: quiet * 60, quiet, flows: quiet * 60 };
    let (mut rig, original) = (Rig::start_with(Vec::new(), grace).await, Server::start("original").await);
    let _laptop = Laptop::armed(&rig, nobody().await, &[original.addr]).await;
    rig.terminate();
    let before = Instant::now();
    let mut last = before;
    while before.elapsed() < quiet * 2 {
        assert_eq!(get(rig.callers).await, "original GET ");
        last = Instant::now();
    }
    rig.ended().await;
    let took = last.elapsed();
    assert!(took < quiet * 6, "{took:?}");
}

#[tokio::test]
async fn an_agent_without_connections_ends_after_the_time_for_new_ones() {
    let (mut rig, original) = (Rig::start().await, Server::start("original").await);
    let laptop = Laptop::armed(&rig, nobody().await, &[original.addr]).await;
    laptop.connection.close("bye");
    let before = Instant::now();
    rig.terminate();
    rig.ended().await;
    let took = before.elapsed();
    assert!(took >= crate::rig::GRACE.accept && took < crate::rig::GRACE.flows, "{took:?}");
}

#[tokio::test]
async fn an_agent_to_which_no_service_ever_led_ends_at_once() {
    let grace =
        Grace { accept: Duration::from_secs(600), quiet: Duration::from_secs(300), flows: Duration::ZERO };
    let mut rig = Rig::start_with(Vec::new(), grace).await;
    rig.terminate();
    within("the end", rig.ended()).await;
}
