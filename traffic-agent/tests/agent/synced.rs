//! The developer's process in the pod, as the laptop's stream starts, follows and ends it.

use std::{path::Path, time::Duration};

use tokio::time;
use tunnel::{
    Flow, Priority, StreamError,
    message::{Open, ToAgent, Unavailable},
    sync::{Command, FromProcess, MAX_PROCESS, ToProcess},
};

use crate::{
    eventually,
    laptop::{Laptop, Manner},
    rig::Rig,
    server::{Caller, Server},
    within,
};

const LONG: u32 = 15_000;
const HOLD: Unavailable = Unavailable::Hold { millis: 60_000 };

/// The program of `examples/listens.rs`, which `cargo test` builds, unless it is asked for less than everything.
fn listens() -> Vec<u8> {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join("examples/listens");
    assert!(program.exists(), "not built: cargo build -p devbridge-traffic-agent --example listens");
    program.into_os_string().into_encoded_bytes()
}

/// A line for the shell, in which `$LISTENS` is the program.
fn shell(line: &str) -> Command {
    Command {
        command: ["sh", "-c", line].map(|word| word.as_bytes().to_vec()).into(),
        variables: vec![(b"LISTENS".to_vec(), listens())],
        grace: LONG,
        listen: LONG,
    }
}

fn server(rig: &Rig) -> Command {
    shell(&format!("exec \"$LISTENS\" 0.0.0.0:{}", rig.port()))
}

async fn open(laptop: &Laptop) -> Flow {
    laptop.connection.open(&Open::Process, Priority::Control).await.unwrap()
}

async fn ask(flow: &mut Flow, question: &ToProcess) {
    flow.send.message(question, MAX_PROCESS).await.unwrap();
}

async fn told(flow: &mut Flow) -> FromProcess {
    within("an answer", flow.recv.message(MAX_PROCESS)).await.unwrap().expect("the stream is over")
}

/// Starts something; its process id.
async fn start(flow: &mut Flow, command: Command) -> u32 {
    ask(flow, &ToProcess::Start(command)).await;
    match told(flow).await {
        FromProcess::Started { pid } => pid,
        other => panic!("{other:?}"),
    }
}

async fn start_server(flow: &mut Flow, rig: &Rig) -> u32 {
    let pid = start(flow, server(rig)).await;
    assert_eq!(told(flow).await, FromProcess::Listens { ports: vec![rig.port()] });
    pid
}

/// Whether it runs; what is dead and waits for its parent does not.
fn runs(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" Z")))
}

#[tokio::test]
async fn a_process_is_started_started_anew_and_stopped() {
    let rig = Rig::start().await;
    let laptop = Laptop::connect(&rig, Manner::Mute).await;
    let mut flow = open(&laptop).await;
    ask(&mut flow, &ToProcess::Stop).await;
    let first = start_server(&mut flow, &rig).await;
    let second = start_server(&mut flow, &rig).await;
    assert!(!runs(first) && runs(second));
    ask(&mut flow, &ToProcess::Stop).await;
    assert_eq!(told(&mut flow).await, FromProcess::Ended { code: 128 + 15 });
    assert!(!runs(second));
    let third = start_server(&mut flow, &rig).await;
    flow.send.finish();
    assert_eq!(within("end", flow.recv.message::<FromProcess>(MAX_PROCESS)).await.unwrap(), None);
    assert!(!runs(third));
}

#[tokio::test]
async fn what_became_of_a_process_is_told() {
    let rig = Rig::start().await;
    let laptop = Laptop::connect(&rig, Manner::Mute).await;
    let mut flow = open(&laptop).await;
    start(&mut flow, shell("exit 7")).await;
    assert_eq!(told(&mut flow).await, FromProcess::Ended { code: 7 });
    start(&mut flow, shell("kill -9 $$")).await;
    assert_eq!(told(&mut flow).await, FromProcess::Ended { code: 128 + 9 });
    let command = Command { command: vec![b"/nonexistent/web".to_vec()], ..shell("") };
    ask(&mut flow, &ToProcess::Start(command)).await;
    let why = "/nonexistent/web: No such file or directory (os error 2)".to_owned();
    assert_eq!(told(&mut flow).await, FromProcess::NotStarted { why });
    // The stream goes on.
    start_server(&mut flow, &rig).await;
}

#[tokio::test]
async fn a_process_ends_with_its_session() {
    let rig = Rig::start().await;
    let laptop = Laptop::connect(&rig, Manner::Mute).await;
    let mut flow = open(&laptop).await;
    let pid = start_server(&mut flow, &rig).await;
    laptop.connection.close("bye");
    eventually("the end of the process", || !runs(pid)).await;
}

#[tokio::test]
async fn a_process_ends_with_its_agent() {
    let mut rig = Rig::start().await;
    let laptop = Laptop::connect(&rig, Manner::Mute).await;
    let mut flow = open(&laptop).await;
    let pid = start(&mut flow, shell("trap 'sleep 0.3; exit' TERM; while :; do sleep 0.02; done")).await;
    rig.terminate();
    rig.ended().await;
    assert!(!runs(pid));
}

#[tokio::test]
async fn the_newest_stream_has_the_process() {
    let rig = Rig::start().await;
    let laptop = Laptop::connect(&rig, Manner::Mute).await;
    let mut old = open(&laptop).await;
    let before = start_server(&mut old, &rig).await;
    let other = Laptop::connect(&rig, Manner::Mute).await;
    let mut new = open(&other).await;
    ask(&mut new, &ToProcess::Start(server(&rig))).await;
    let ended = within("the old one's end", old.recv.message::<FromProcess>(MAX_PROCESS)).await;
    assert!(matches!(ended, Err(StreamError::Reset)), "{ended:?}");
    let FromProcess::Started { pid } = told(&mut new).await else { panic!("not started") };
    assert!(!runs(before));
    assert_eq!(told(&mut new).await, FromProcess::Listens { ports: vec![rig.port()] });
    assert!(runs(pid));
}

#[tokio::test]
async fn requests_are_held_until_the_next_process_listens() {
    let (rig, original, process) =
        (Rig::start().await, Server::start("original").await, Server::start("process").await);
    let laptop = Laptop::armed_with(&rig, process.addr, &[original.addr], HOLD).await;
    let mut flow = open(&laptop).await;
    let first = start_server(&mut flow, &rig).await;
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let line = format!(
        "while [ ! -e {} ]; do sleep 0.02; done; exec \"$LISTENS\" 0.0.0.0:{}",
        go.display(),
        rig.port()
    );
    start(&mut flow, shell(&line)).await;
    assert!(!runs(first));
    let mut caller = Caller::connect(rig.callers).await;
    let asking = caller.ask("POST", "1");
    tokio::pin!(asking);
    assert!(time::timeout(Duration::from_millis(300), &mut asking).await.is_err());
    std::fs::write(go, "").unwrap();
    assert_eq!(told(&mut flow).await, FromProcess::Listens { ports: vec![rig.port()] });
    assert_eq!(within("answer", asking).await, "process POST 1");
    assert_eq!(original.answered(), 0);
}

#[tokio::test]
async fn requests_are_not_held_for_a_process_that_does_not_listen_in_time_or_ends() {
    let (rig, original, process) =
        (Rig::start().await, Server::start("original").await, Server::start("process").await);
    let mut laptop = Laptop::armed_with(&rig, process.addr, &[original.addr], HOLD).await;
    let mut flow = open(&laptop).await;
    for line in ["sleep 1000", "sleep 0.3; exit 3"] {
        start_server(&mut flow, &rig).await;
        let listen = if line.contains("exit") { LONG } else { 300 };
        start(&mut flow, Command { listen, ..shell(line) }).await;
        let mut caller = Caller::connect(rig.callers).await;
        // In this test a laptop answers; that it does says that it is not paused any more.
        assert_eq!(caller.ask("POST", "1").await, "process POST 1");
    }
    assert_eq!(told(&mut flow).await, FromProcess::Ended { code: 3 });
    assert_eq!(laptop.ask(ToAgent::Drain).await, tunnel::message::ToLaptop::Drained);
}
