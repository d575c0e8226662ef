//! Many flows, and flows that nobody reads.

use devbridge_tunnel::{Flow, Priority, message::Open};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
    time::timeout,
};

use crate::rig::{LONG, Rig, incoming};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_flows_at_once_each_get_their_own_answer() {
    let rig = Rig::on_tcp().await;
    let agent = rig.agent.clone();
    let server = tokio::spawn(async move {
        let mut flows = JoinSet::new();
        for _ in 0..1000 {
            let stream = incoming(&agent).await;
            flows.spawn(async move { echo(stream.header().await.unwrap().1).await });
        }
        flows.join_all().await;
    });
    let mut callers = JoinSet::new();
    for number in 0..1000u32 {
        let laptop = rig.laptop.clone();
        callers.spawn(async move {
            let mut flow = laptop.open(&Open::Env, Priority::Flow).await.unwrap();
            let question = number.to_be_bytes().repeat(500);
            flow.send.write_all(&question).await.unwrap();
            flow.send.finish();
            let mut answer = Vec::new();
            flow.recv.read_to_end(&mut answer).await.unwrap();
            assert_eq!(answer, question);
        });
    }
    timeout(LONG, callers.join_all()).await.unwrap();
    timeout(LONG, server).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_readers_hold_up_nobody_else() {
    let rig = Rig::in_memory().await;
    let mut stalled = Vec::new();
    for _ in 0..20 {
        let (laptop, agent) = rig.flow().await;
        stalled.push((fill(laptop).await, agent));
    }
    let (mut laptop, agent) = rig.flow().await;
    tokio::spawn(echo(agent));
    laptop.send.write_all(b"are you there").await.unwrap();
    let mut answer = [0; 13];
    timeout(LONG, laptop.recv.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"are you there");
}

/// Writes until nothing more goes in: all of the stream's window but what the header took.
async fn fill(mut flow: Flow) -> Flow {
    let window = vec![0; (4 << 20) - 100];
    timeout(LONG, flow.send.write_all(&window)).await.unwrap().unwrap();
    flow
}

async fn echo(mut flow: Flow) {
    while let Some(chunk) = flow.recv.chunk(usize::MAX).await.unwrap() {
        flow.send.chunk(chunk).await.unwrap();
    }
    flow.send.finish();
}
