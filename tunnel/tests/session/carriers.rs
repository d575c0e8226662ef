//! Carriers come and go; the session stays.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use devbridge_tunnel::{Closed, LinkState};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep, timeout},
};

use crate::{
    bytes::both_ways,
    rig::{LONG, Rig, Setup, wait_for_link},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_cuts_in_mid_transfer_lose_no_byte() {
    let rig = Rig::on_tcp().await;
    let cutting = async {
        for cut in 1..=10 {
            sleep(Duration::from_millis(50)).await;
            rig.wire.cut();
            let dialled = async {
                while rig.wire.dials.load(Relaxed) <= cut {
                    sleep(Duration::from_millis(1)).await;
                }
            };
            timeout(LONG, dialled).await.unwrap();
            wait_for_link(&rig.laptop, |state| state == LinkState::Up).await;
        }
    };
    let transfers = async {
        // At least as long as the cuts.
        loop {
            both_ways(&rig, 16 << 20).await;
            if rig.wire.dials.load(Relaxed) > 10 {
                return;
            }
        }
    };
    tokio::join!(cutting, transfers);
    assert_eq!(rig.wire.dials.load(Relaxed), 11);
}

#[tokio::test(start_paused = true)]
async fn a_flow_goes_on_after_a_long_outage() {
    let rig = Rig::in_memory().await;
    let (mut laptop, mut agent) = rig.flow().await;
    rig.wire.refusing.store(true, Relaxed);
    rig.wire.cut();
    wait_for_link(&rig.laptop, |state| state != LinkState::Up).await;
    wait_for_link(&rig.agent, |state| state != LinkState::Up).await;
    laptop.send.write_all(b"written while away").await.unwrap();
    sleep(Duration::from_secs(50)).await;
    let dials = rig.wire.dials.load(Relaxed);
    assert!((10..30).contains(&dials), "{dials} dials");

    rig.wire.refusing.store(false, Relaxed);
    wait_for_link(&rig.laptop, |state| state == LinkState::Up).await;
    let up = Instant::now();
    let mut got = [0; 18];
    timeout(LONG, agent.recv.read_exact(&mut got)).await.unwrap().unwrap();
    assert_eq!(&got, b"written while away");
    // Three times what is aimed at.
    assert!(up.elapsed() < Duration::from_millis(900), "{:?}", up.elapsed());
    assert_eq!(*rig.laptop.link().borrow(), LinkState::Up);
    assert_eq!(*rig.agent.link().borrow(), LinkState::Up);
}

#[tokio::test(start_paused = true)]
async fn whoever_knows_that_the_way_is_back_need_not_wait_for_the_next_dial() {
    let rig = Rig::in_memory().await;
    rig.laptop.dial_now();
    rig.wire.refusing.store(true, Relaxed);
    rig.wire.cut();
    wait_for_link(&rig.laptop, |state| state != LinkState::Up).await;
    sleep(Duration::from_secs(30)).await;
    rig.wire.refusing.store(false, Relaxed);
    let back = Instant::now();
    rig.laptop.dial_now();
    wait_for_link(&rig.laptop, |state| state == LinkState::Up).await;
    assert!(back.elapsed() < Duration::from_millis(100), "{:?}", back.elapsed());
}

#[tokio::test]
async fn the_answer_comes_soon_after_a_new_carrier() {
    let rig = Rig::in_memory().await;
    let (mut laptop, mut agent) = rig.flow().await;
    for _ in 0..5 {
        rig.wire.cut();
        wait_for_link(&rig.agent, |state| state == LinkState::Up).await;
        let started = Instant::now();
        laptop.send.write_all(b"x").await.unwrap();
        let mut got = [0; 1];
        timeout(LONG, agent.recv.read_exact(&mut got)).await.unwrap().unwrap();
        // Three times what is aimed at.
        assert!(started.elapsed() < Duration::from_millis(900), "{:?}", started.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_carrier_that_falls_silent_is_replaced_by_another() {
    let rig = Rig::in_memory().await;
    let (mut laptop, mut agent) = rig.flow().await;
    let frozen = Instant::now();
    rig.wire.freeze();
    laptop.send.write_all(b"lost").await.unwrap();
    let mut got = [0; 4];
    timeout(LONG, agent.recv.read_exact(&mut got)).await.unwrap().unwrap();
    assert!((2..=3).contains(&frozen.elapsed().as_secs()), "{:?}", frozen.elapsed());
    assert_eq!(rig.wire.dials.load(Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn an_idle_session_keeps_its_carrier() {
    let rig = Rig::in_memory().await;
    sleep(Duration::from_secs(600)).await;
    assert_eq!(rig.wire.dials.load(Relaxed), 1);
    assert_eq!(*rig.agent.link().borrow(), LinkState::Up);
}

#[tokio::test(start_paused = true)]
async fn both_ends_give_up_when_no_carrier_comes_for_the_resume_time() {
    let rig = Rig::in_memory().await;
    let (mut laptop, _agent) = rig.flow().await;
    rig.wire.refusing.store(true, Relaxed);
    rig.wire.cut();
    let cut = Instant::now();
    let gone = Closed::NoCarrier(Duration::from_secs(60));
    assert_eq!(rig.laptop.closed().await, gone);
    assert_eq!(rig.agent.closed().await, gone);
    assert!((59..=61).contains(&cut.elapsed().as_secs()), "{:?}", cut.elapsed());
    assert!(laptop.recv.chunk(1).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_at_once_when_the_agent_was_restarted() {
    let setup = Setup::new();
    let (acceptor, way) = setup.agent_in_memory();
    let rig = Rig::new(&setup, acceptor, way).await;
    let (_restarted, way) = setup.agent_in_memory();
    rig.wire.lead_to(way);
    rig.wire.cut();
    let started = Instant::now();
    assert_eq!(rig.laptop.closed().await, Closed::Forgotten);
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn carriers_that_lead_nowhere_do_not_prolong_a_session() {
    let setup = Setup::new();
    let (acceptor, way) = setup.agent_in_memory();
    let rig = Rig::new(&setup, acceptor, way).await;
    // Carriers are accepted and never answered.
    let (nowhere, _accepted) = tokio::sync::mpsc::unbounded_channel();
    rig.wire.lead_to(crate::rig::Way::Memory(nowhere));
    rig.wire.cut();
    let cut = Instant::now();
    assert_eq!(rig.laptop.closed().await, Closed::NoCarrier(Duration::from_secs(60)));
    assert!((59..=61).contains(&cut.elapsed().as_secs()), "{:?}", cut.elapsed());
    assert!(rig.wire.dials.load(Relaxed) > 5);
}

#[tokio::test]
async fn a_session_goes_on_when_its_carrier_is_replaced() {
    let rig = Rig::on_tcp().await;
    // Only the laptop notices, so the agent still has the old carrier when the new one comes.
    let (mut laptop, mut agent) = rig.flow().await;
    for round in 0..20u8 {
        rig.wire.cut();
        laptop.send.write_all(&[round]).await.unwrap();
        let mut got = [0; 1];
        timeout(LONG, agent.recv.read_exact(&mut got)).await.unwrap().unwrap();
        assert_eq!(got, [round]);
    }
}
