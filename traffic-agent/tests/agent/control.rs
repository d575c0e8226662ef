//! Sessions: who may arm, and what the agent reports.

use tunnel::message::{MAX_MESSAGE, Probed, Refusal, ToAgent, ToLaptop, Unavailable};

use crate::{
    laptop::{self, Laptop, Manner},
    rig::Rig,
    server::{Server, get, nobody},
    within,
};

#[tokio::test]
async fn a_laptop_of_another_protocol_is_told_so() {
    let rig = Rig::start().await;
    let (connection, mut flow) = laptop::dial(&rig).await;
    let hello = ToAgent::Hello { protocol: 999, release: "9.9.9".to_owned() };
    flow.send.message(&hello, MAX_MESSAGE).await.unwrap();
    let welcome = within("welcome", flow.recv.message(MAX_MESSAGE)).await.unwrap();
    assert!(matches!(welcome, Some(ToLaptop::Welcome { .. })));
    let why = within("close", connection.closed()).await.to_string();
    assert!(why.contains("999") && why.contains("9.9.9"), "{why}");
}

#[tokio::test]
async fn a_session_without_a_greeting_is_closed() {
    let rig = Rig::start().await;
    let (connection, mut flow) = laptop::dial(&rig).await;
    flow.send.message(&ToAgent::Arm(Unavailable::Cluster), MAX_MESSAGE).await.unwrap();
    let why = within("close", connection.closed()).await.to_string();
    assert!(why.contains("greeting"), "{why}");
}

#[tokio::test]
async fn a_second_laptop_is_refused_while_the_first_lives_and_follows_it() {
    let (rig, original) = (Rig::start().await, Server::start("original").await);
    let (first, second) = (Server::start("first").await, Server::start("second").await);
    let holder = Laptop::armed(&rig, first.addr, &[original.addr]).await;
    let mut other = Laptop::connect(&rig, Manner::Process(second.addr)).await;
    assert_eq!(other.ask(ToAgent::Arm(Unavailable::Cluster)).await, ToLaptop::ArmFailed("held".to_owned()));
    assert_eq!(get(rig.callers).await, "first GET ");
    holder.connection.close("bye");
    within("the end of the first", async {
        while other.ask(ToAgent::Arm(Unavailable::Cluster)).await != ToLaptop::Armed {}
    })
    .await;
    assert_eq!(get(rig.callers).await, "second GET ");
}

#[tokio::test]
async fn arming_fails_when_the_probe_is_not_answered() {
    let rig = Rig::start().await;
    let mut laptop = Laptop::connect(&rig, Manner::Mute).await;
    let ToLaptop::ArmFailed(why) = laptop.ask(ToAgent::Arm(Unavailable::Cluster)).await else {
        panic!("armed")
    };
    assert!(why.contains("in time"), "{why}");
}

#[tokio::test]
async fn each_original_is_probed() {
    let (rig, original) = (Rig::start().await, Server::start("original").await);
    let nobody = nobody().await;
    let mut laptop = Laptop::connect(&rig, Manner::Mute).await;
    laptop.push(rig.port(), &[original.addr, nobody]).await;
    let ToLaptop::OriginalsProbed(mut probed) = laptop.ask(ToAgent::ProbeOriginals).await else {
        panic!("no probes")
    };
    probed.sort_by_key(|probed| probed.refusal.is_some());
    let result = |probed: &Probed| (probed.original.addr, probed.refusal);
    assert_eq!(
        probed.iter().map(result).collect::<Vec<_>>(),
        [(original.addr, None), (nobody, Some(Refusal::NotListening))]
    );
}

#[tokio::test]
async fn draining_without_being_armed_is_done_at_once() {
    let rig = Rig::start().await;
    let mut laptop = Laptop::connect(&rig, Manner::Mute).await;
    assert_eq!(laptop.ask(ToAgent::Drain).await, ToLaptop::Drained);
}
