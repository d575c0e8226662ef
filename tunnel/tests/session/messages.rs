//! Messages and headers: limits, deadlines, ends.

use std::time::Duration;

use devbridge_tunnel::{
    Priority, StreamError,
    message::{DecodeError, MAX_MESSAGE, MAX_OPEN, Open, Reply, ToAgent, Unavailable},
};
use tokio::{io::AsyncWriteExt, time::timeout};

use crate::rig::{Rig, incoming};

#[tokio::test]
async fn messages_and_bytes_after_them_arrive_apart() {
    let rig = Rig::in_memory().await;
    let mut agent = rig
        .agent
        .open(&Open::Request { port: 80, from: "[::1]:7".parse().unwrap(), waited: 0 }, Priority::Flow)
        .await
        .unwrap();
    let (open, mut laptop) = incoming(&rig.laptop).await.header().await.unwrap();
    assert!(matches!(open, Open::Request { port: 80, .. }));
    laptop.send.message(&Reply::Accepted, MAX_OPEN).await.unwrap();
    laptop.send.write_all(b"hello").await.unwrap();
    laptop.send.finish();
    assert_eq!(agent.recv.message(MAX_OPEN).await.unwrap(), Some(Reply::Accepted));
    assert_eq!(agent.recv.chunk(3).await.unwrap().unwrap(), &b"hel"[..]);
    assert_eq!(agent.recv.chunk(100).await.unwrap().unwrap(), &b"lo"[..]);
    assert!(agent.recv.chunk(100).await.unwrap().is_none());
}

#[tokio::test]
async fn a_clean_end_between_messages_is_none_and_within_one_an_error() {
    let rig = Rig::in_memory().await;
    let (mut laptop, mut agent) = rig.flow().await;
    laptop.send.message(&ToAgent::Arm(Unavailable::Cluster), MAX_MESSAGE).await.unwrap();
    laptop.send.finish();
    assert_eq!(agent.recv.message(MAX_MESSAGE).await.unwrap(), Some(ToAgent::Arm(Unavailable::Cluster)));
    assert_eq!(agent.recv.message::<ToAgent>(MAX_MESSAGE).await.unwrap(), None);

    for part in [&[0, 0][..], &[0, 0, 0, 9, 1][..]] {
        let (mut laptop, mut agent) = rig.flow().await;
        laptop.send.write_all(part).await.unwrap();
        laptop.send.finish();
        assert!(matches!(agent.recv.message::<ToAgent>(MAX_MESSAGE).await, Err(StreamError::Truncated)));
    }
}

#[tokio::test]
async fn a_length_above_the_limit_is_refused_before_the_message_comes() {
    let rig = Rig::in_memory().await;
    let (mut laptop, mut agent) = rig.flow().await;
    laptop.send.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
    let refused = agent.recv.message::<ToAgent>(MAX_MESSAGE).await;
    assert!(matches!(refused, Err(StreamError::Decode(DecodeError::TooLong(..)))));

    let long = ToAgent::Hello { protocol: 1, release: "x".repeat(MAX_OPEN) };
    assert!(matches!(laptop.send.message(&long, MAX_OPEN).await, Err(StreamError::Decode(_))));
}

#[tokio::test]
async fn something_else_in_place_of_a_message_is_refused() {
    let rig = Rig::in_memory().await;
    let (mut laptop, mut agent) = rig.flow().await;
    laptop.send.write_all(&[0, 0, 0, 3, 250, 1, 1]).await.unwrap();
    assert!(matches!(
        agent.recv.message::<ToAgent>(MAX_MESSAGE).await,
        Err(StreamError::Decode(DecodeError::Malformed))
    ));
}

#[tokio::test]
async fn a_message_that_was_waited_for_in_vain_is_not_lost() {
    let rig = Rig::in_memory().await;
    let (mut laptop, mut agent) = rig.flow().await;
    let bytes = devbridge_tunnel::message::encode(&ToAgent::Ping(7), MAX_MESSAGE).unwrap();
    for byte in &bytes[..bytes.len() - 1] {
        laptop.send.write_all(&[*byte]).await.unwrap();
        let early = timeout(Duration::from_millis(5), agent.recv.message::<ToAgent>(MAX_MESSAGE)).await;
        assert!(early.is_err());
    }
    laptop.send.write_all(&bytes[bytes.len() - 1..]).await.unwrap();
    assert_eq!(agent.recv.message(MAX_MESSAGE).await.unwrap(), Some(ToAgent::Ping(7)));
}
