//! Who does not get in.

use std::{error::Error, sync::atomic::Ordering::Relaxed, time::Duration};

use bytes::Bytes;
use devbridge_tunnel::{carrier::Carrier, connect::ConnectError, identity::KeyPair, version::PROTOCOL};
use futures::{SinkExt, StreamExt};
use tokio::{
    io::duplex,
    time::{Instant, timeout},
};

use crate::rig::{LONG, Rig, Setup, Way, Wire};

#[tokio::test]
async fn an_agent_with_another_key_is_refused() {
    let setup = Setup::new();
    let (_acceptor, way) = setup.agent_in_memory();
    let wrong = Setup { agent: KeyPair::from_seed([9; 32]), ..setup };
    let refused = wrong.connect(&Wire::new(way)).await;
    assert!(matches!(refused, Err(ConnectError::WrongKey)), "{refused:?}");
}

#[tokio::test]
async fn a_laptop_with_another_key_is_refused() {
    let setup = Setup::new();
    let (mut acceptor, way) = setup.agent_in_memory();
    let wrong = Setup { laptop: KeyPair::from_seed([9; 32]), ..setup };
    let wire = Wire::new(way);
    let refused = wrong.connect(&wire).await;
    assert!(matches!(refused, Err(ConnectError::Refused)), "{refused:?}");
    assert!(timeout(Duration::from_millis(50), acceptor.accept()).await.is_err());
}

#[tokio::test]
async fn a_dial_that_fails_is_told_with_its_cause() {
    let setup = Setup::new();
    let (_acceptor, way) = setup.agent_in_memory();
    let wire = Wire::new(way);
    wire.refusing.store(true, Relaxed);
    let refused = setup.connect(&wire).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Dial(_)));
    assert!(refused.source().unwrap().to_string().contains("refused"));
    assert_eq!(wire.dials.load(Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_carrier_that_never_answers_is_given_up_after_five_seconds() {
    let (nowhere, _accepted) = tokio::sync::mpsc::unbounded_channel();
    let started = Instant::now();
    let refused = Setup::new().connect(&Wire::new(Way::Memory(nowhere))).await;
    assert!(matches!(refused, Err(ConnectError::Carrier(_))), "{refused:?}");
    assert_eq!(started.elapsed().as_secs(), 5);
}

#[tokio::test]
async fn something_else_at_the_other_end_is_told() {
    for (reply, protocol) in [(&b"HTTP/1.1 400 Bad Request\r\n"[..], None), (b"DVBR\x00\x07\x00", Some(7))] {
        let (carriers_tx, mut carriers_rx) = tokio::sync::mpsc::unbounded_channel::<Carrier>();
        let other = tokio::spawn(async move {
            let mut carrier = carriers_rx.recv().await.unwrap();
            carrier.outgoing.send(Bytes::from_static(reply)).await.unwrap();
            while carrier.incoming.next().await.is_some() {}
        });
        let refused = Setup::new().connect(&Wire::new(Way::Memory(carriers_tx))).await;
        match protocol {
            Some(number) => {
                assert!(matches!(refused, Err(ConnectError::Protocol { agent }) if agent == number))
            }
            None => assert!(matches!(refused, Err(ConnectError::Carrier(_))), "{refused:?}"),
        }
        timeout(LONG, other).await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn carriers_that_do_not_say_hello_are_dropped() {
    let rig = Rig::in_memory().await;
    let garbage: [&[u8]; 3] = [b"GET / HTTP/1.1\r\n", &[0; 100], b"DVBR"];
    for bytes in garbage {
        let mut carrier = raw(&rig).await;
        carrier.outgoing.send(Bytes::copy_from_slice(bytes)).await.unwrap();
        let started = Instant::now();
        assert!(carrier.incoming.next().await.is_none());
        assert!(started.elapsed() <= Duration::from_secs(5));
    }
    let mut silent = raw(&rig).await;
    let started = Instant::now();
    assert!(silent.incoming.next().await.is_none());
    assert_eq!(started.elapsed().as_secs(), 5);
}

/// What an agent says to a laptop's hello: its protocol, and no more.
fn answered() -> Vec<u8> {
    [&b"DVBR"[..], &PROTOCOL.to_be_bytes(), &[0]].concat()
}

#[tokio::test(start_paused = true)]
async fn another_protocol_is_answered_with_ours() {
    let rig = Rig::in_memory().await;
    let mut carrier = raw(&rig).await;
    carrier.outgoing.send(hello(9)).await.unwrap();
    let answer = carrier.incoming.next().await.unwrap().unwrap();
    assert_eq!(answer, answered());
    assert!(carrier.incoming.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn impossible_datagrams_end_the_carrier() {
    let rig = Rig::in_memory().await;
    for length in [0u16, 60_001, u16::MAX] {
        let mut carrier = raw(&rig).await;
        carrier.outgoing.send(hello(PROTOCOL)).await.unwrap();
        assert_eq!(carrier.incoming.next().await.unwrap().unwrap(), answered());
        carrier.outgoing.send(Bytes::copy_from_slice(&length.to_be_bytes())).await.unwrap();
        let started = Instant::now();
        assert!(carrier.incoming.next().await.is_none());
        assert!(started.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_come_is_waited_for_ten_seconds_and_only_sixteen_at_once() {
    let rig = Rig::in_memory().await;
    let started = Instant::now();
    let mut waiting = Vec::new();
    for number in 0..17u8 {
        let mut carrier = raw(&rig).await;
        let hello = [&b"DVBR"[..], &PROTOCOL.to_be_bytes(), &[number; 16]].concat();
        carrier.outgoing.send(hello.into()).await.unwrap();
        // One that is too many is dropped at once and without an answer.
        let answered = carrier.incoming.next().await.is_some();
        assert_eq!(answered, number < 16);
        if answered {
            waiting.push(carrier);
        }
    }
    assert!(started.elapsed() < Duration::from_secs(1));
    for mut carrier in waiting {
        assert!(carrier.incoming.next().await.is_none());
    }
    assert_eq!(started.elapsed().as_secs(), 10);
    // There is room again.
    assert!(Setup::new().connect(&rig.wire).await.is_ok());
}

/// A carrier to the agent, to be misused.
async fn raw(rig: &Rig) -> Carrier {
    let (ours, theirs) = duplex(64 << 10);
    rig.wire.give(Carrier::from_io(theirs));
    Carrier::from_io(ours)
}

fn hello(protocol: u16) -> Bytes {
    [&b"DVBR"[..], &protocol.to_be_bytes(), &[5; 16]].concat().into()
}
