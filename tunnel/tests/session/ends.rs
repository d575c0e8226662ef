//! How flows and sessions end.

use std::time::Duration;

use bytes::Bytes;
use devbridge_tunnel::{Closed, StreamError};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

use crate::rig::{LONG, Rig};

#[tokio::test]
async fn each_direction_ends_on_its_own() {
    let rig = Rig::in_memory().await;
    for agent_first in [false, true] {
        let (laptop, agent) = rig.flow().await;
        let (mut first, mut second) = if agent_first { (agent, laptop) } else { (laptop, agent) };
        first.send.write_all(b"question").await.unwrap();
        first.send.finish();
        let mut got = Vec::new();
        second.recv.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"question");

        second.send.write_all(b"answer").await.unwrap();
        second.send.finish();
        let mut got = Vec::new();
        first.recv.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"answer");
        first.send.stopped().await.unwrap();
        second.send.stopped().await.unwrap();
    }
}

#[tokio::test]
async fn a_reset_arrives_as_a_reset() {
    let rig = Rig::in_memory().await;
    let (mut laptop, mut agent) = rig.flow().await;
    laptop.send.write_all(b"half of it").await.unwrap();
    laptop.send.reset();
    assert!(matches!(drain(&mut agent.recv).await, Err(StreamError::Reset)));
    // The other direction goes on.
    agent.send.write_all(b"still here").await.unwrap();
    assert_eq!(laptop.recv.chunk(100).await.unwrap().unwrap(), Bytes::from_static(b"still here"));
}

#[tokio::test]
async fn a_sender_that_is_dropped_before_it_has_finished_resets() {
    let rig = Rig::in_memory().await;
    let (mut laptop, mut agent) = rig.flow().await;
    laptop.send.write_all(b"half of it").await.unwrap();
    drop(laptop.send);
    assert!(matches!(drain(&mut agent.recv).await, Err(StreamError::Reset)));
}

#[tokio::test]
async fn a_sender_learns_that_nobody_reads() {
    let rig = Rig::in_memory().await;
    let (mut laptop, mut agent) = rig.flow().await;
    agent.recv.stop();
    assert!(matches!(timeout(LONG, laptop.send.stopped()).await.unwrap(), Err(StreamError::Stopped)));
    assert!(matches!(laptop.send.chunk(Bytes::from_static(b"x")).await, Err(StreamError::Stopped)));

    let (laptop, agent) = rig.flow().await;
    drop(agent.recv);
    assert!(matches!(timeout(LONG, laptop.send.stopped()).await.unwrap(), Err(StreamError::Stopped)));
}

#[tokio::test]
async fn the_reason_of_a_close_reaches_the_other_end() {
    for by_laptop in [true, false] {
        let rig = Rig::in_memory().await;
        let (closer, other) = if by_laptop { (&rig.laptop, &rig.agent) } else { (&rig.agent, &rig.laptop) };
        closer.close("leaving");
        assert_eq!(timeout(LONG, closer.closed()).await.unwrap(), Closed::Here("leaving".into()));
        assert_eq!(timeout(LONG, other.closed()).await.unwrap(), Closed::Peer("leaving".into()));
        assert!(other.accept().await.is_none());
    }
}

#[tokio::test]
async fn a_close_is_sent_at_once_and_not_when_a_deadline_passes() {
    let rig = Rig::in_memory().await;
    let started = Instant::now();
    rig.laptop.close("leaving");
    rig.laptop.closed().await;
    rig.agent.closed().await;
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_session_is_closed_when_its_last_handle_is_dropped() {
    let Rig { laptop, agent, wire: _wire, acceptor: _acceptor } = Rig::in_memory().await;
    let clone = laptop.clone();
    drop(laptop);
    assert!(timeout(Duration::from_millis(50), agent.closed()).await.is_err());
    drop(clone);
    assert!(matches!(timeout(LONG, agent.closed()).await.unwrap(), Closed::Peer(_)));
}

#[tokio::test]
async fn flows_fail_when_the_session_is_closed() {
    let rig = Rig::in_memory().await;
    let (mut laptop, mut agent) = rig.flow().await;
    rig.laptop.close("leaving");
    assert!(matches!(laptop.recv.chunk(1).await, Err(StreamError::ConnectionLost)));
    assert!(matches!(drain(&mut agent.recv).await, Err(StreamError::ConnectionLost)));
    assert!(laptop.send.write_all(b"x").await.is_err());
}

async fn drain(half: &mut devbridge_tunnel::RecvHalf) -> Result<(), StreamError> {
    let read = async {
        while half.chunk(usize::MAX).await?.is_some() {}
        Ok(())
    };
    timeout(LONG, read).await.unwrap()
}
