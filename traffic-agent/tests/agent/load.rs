//! Changes of who serves, under load: no request may fail.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinSet;
use traffic_agent::Grace;
use tunnel::message::{ToAgent, ToLaptop, Unavailable};

use crate::{
    eventually,
    laptop::Laptop,
    rig::Rig,
    server::{Caller, Server},
    within,
};

/// Callers that ask all the time, on kept and on fresh connections.
struct Load {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
    callers: JoinSet<()>,
}

impl Load {
    fn start(addr: SocketAddr, kept: usize, fresh: usize, methods: &'static [&'static str]) -> Self {
        let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut callers = JoinSet::new();
        for number in 0..kept + fresh {
            let (stop, answers) = (Arc::clone(&stop), Arc::clone(&answers));
            let keeps = number < kept;
            callers.spawn(async move {
                let mut caller = Caller::connect(addr).await;
                for turn in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let body = format!("{number}-{turn}");
                    let method = methods[turn % methods.len()];
                    let answer = within("an answer", caller.try_ask(method, &body)).await;
                    let answer = answer.unwrap_or_else(|error| {
                        panic!("{method} {turn} of caller {number} (keeps: {keeps}) failed: {error}")
                    });
                    assert!(answer.ends_with(&format!("{method} {body}")), "{answer}");
                    answers.fetch_add(1, Ordering::Relaxed);
                    if !keeps || caller.told_to_leave {
                        caller = Caller::connect(addr).await;
                    }
                    tokio::task::yield_now().await;
                }
            });
        }
        Self { stop, answers, callers }
    }

    /// Waits for so many more answers.
    async fn more(&self, answers: usize) {
        let goal = self.answers.load(Ordering::Relaxed) + answers;
        eventually("more answers", || {
            assert!(!self.callers.is_empty());
            self.answers.load(Ordering::Relaxed) >= goal
        })
        .await;
    }

    async fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(caller) = self.callers.join_next().await {
            caller.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drain_loses_no_request() {
    let (rig, original, process) =
        (Rig::start().await, Server::start("original").await, Server::start("laptop").await);
    let mut laptop = Laptop::armed(&rig, process.addr, &[original.addr]).await;
    let load = Load::start(rig.callers, 20, 4, &["GET", "POST"]);
    load.more(200).await;
    assert_eq!(laptop.ask(ToAgent::Drain).await, ToLaptop::Drained);
    let served = process.answered();
    load.more(200).await;
    assert_eq!(process.answered(), served, "nothing after drained");
    // And back: new connections only, the kept ones stay where they are.
    assert_eq!(laptop.ask(ToAgent::Arm(Unavailable::Cluster)).await, ToLaptop::Armed);
    load.more(200).await;
    assert!(process.answered() > served);
    load.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_and_started_loses_no_idempotent_request() {
    let (rig, original, process) =
        (Rig::start().await, Server::start("original").await, Server::start("laptop").await);
    let _laptop = Laptop::armed(&rig, process.addr, &[original.addr]).await;
    let load = Load::start(rig.callers, 20, 4, &["GET", "PUT"]);
    let mut process = process;
    for _ in 0..3 {
        load.more(100).await;
        let addr = process.kill().await;
        load.more(100).await;
        process = Server::start_at(addr, "laptop", crate::server::Habits::default()).await;
    }
    eventually("the process serves again", || process.answered() > 0).await;
    load.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_laptop_that_is_gone_at_once_loses_no_idempotent_request() {
    let (rig, original, process) =
        (Rig::start().await, Server::start("original").await, Server::start("laptop").await);
    let laptop = Laptop::armed(&rig, process.addr, &[original.addr]).await;
    let load = Load::start(rig.callers, 20, 4, &["GET", "PUT"]);
    load.more(100).await;
    laptop.fall_silent();
    drop(laptop);
    load.more(500).await;
    assert!(original.answered() > 0);
    load.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ending_agent_loses_no_request_of_callers_that_heed_it() {
    // Callers are accepted for longer than the load lasts, as in a cluster.
    let accept = Duration::from_secs(4);
    let grace = Grace { accept, quiet: accept, flows: accept * 2 };
    let mut rig = Rig::start_with(Vec::new(), grace).await;
    let (original, process) = (Server::start("original").await, Server::start("laptop").await);
    let _laptop = Laptop::armed(&rig, process.addr, &[original.addr]).await;
    let load = Load::start(rig.callers, 20, 4, &["GET", "POST"]);
    load.more(200).await;
    rig.terminate();
    eventually("originals take over", || original.answered() > 50).await;
    load.stop().await;
    rig.ended().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_connections_are_served_at_once() {
    let (rig, original, process) =
        (Rig::start().await, Server::start("original").await, Server::start("laptop").await);
    let mut laptop = Laptop::armed(&rig, process.addr, &[original.addr]).await;
    let mut callers = Vec::new();
    for _ in 0..1000 {
        callers.push(Caller::connect(rig.callers).await);
    }
    for caller in &mut callers {
        assert_eq!(caller.get().await, "laptop GET ");
    }
    let counted = laptop.counters.wait_for(|counters| counters.open == 1000);
    within("a thousand open", counted).await.unwrap();
    let addr = process.kill().await;
    for caller in &mut callers {
        assert_eq!(caller.get().await, "original GET ");
    }
    let _ = addr;
}
