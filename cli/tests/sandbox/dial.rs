//! Connections from outside to servers inside.

use std::process::Command;
use std::time::Instant;

use devbridge::sandbox::{Exit, Sandbox};
use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{INSIDE, case, script, within};

async fn server(at: &str) -> Sandbox {
    case("dial::serve", at).await
}

/// Not a test of its own: a server in a sandbox that tells each client its address.
#[tokio::test]
async fn serve() {
    let Ok(at) = std::env::var(INSIDE) else { return };
    let listener = tokio::net::TcpListener::bind(at).await.unwrap();
    loop {
        let (mut stream, peer) = listener.accept().await.unwrap();
        stream.write_all(peer.ip().to_string().as_bytes()).await.unwrap();
    }
}

async fn listens(sandbox: &Sandbox, ports: &[u16]) {
    let mut listening = sandbox.process.listening();
    within(listening.wait_for(|now| now == ports)).await.expect("sandbox runs");
}

#[tokio::test]
async fn dial_reaches_a_server_on_either_loopback_address() {
    for (at, peer) in [("127.0.0.1:8080", "127.0.0.1"), ("[::1]:8080", "::1"), ("0.0.0.0:8080", "127.0.0.1")]
    {
        let sandbox = server(at).await;
        listens(&sandbox, &[8080]).await;
        let mut stream = within(sandbox.dialer.dial(8080)).await.unwrap();
        let mut text = String::new();
        within(stream.read_to_string(&mut text)).await.unwrap();
        assert_eq!(text, peer);
    }
}

#[tokio::test]
async fn dial_is_refused_where_nobody_listens_and_after_the_end() {
    let sandbox = script("exec sleep 60").await;
    let refused = within(sandbox.dialer.dial(8080)).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let Sandbox { process, dialer, .. } = sandbox;
    assert_eq!(within(process.end()).await, Exit::Signal(15));
    let ended = within(dialer.dial(8080)).await.unwrap_err();
    assert_eq!(ended.kind(), std::io::ErrorKind::NotConnected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_dials_at_once_than_sockets_in_stock_all_succeed() {
    let sandbox = server("127.0.0.1:8080").await;
    listens(&sandbox, &[8080]).await;
    let started = Instant::now();
    let mut dials = tokio::task::JoinSet::new();
    for _ in 0..300 {
        let dialer = sandbox.dialer.clone();
        dials.spawn(async move {
            let mut text = String::new();
            dialer.dial(8080).await?.read_to_string(&mut text).await
        });
    }
    let results = within(dials.join_all()).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    println!("300 dials at once: {:?}", started.elapsed());
}

#[tokio::test]
async fn a_privileged_port_may_be_used_as_in_a_pod() {
    let sandbox = server("127.0.0.1:80").await;
    listens(&sandbox, &[80]).await;
}

#[tokio::test]
async fn the_list_of_listening_ports_follows_the_process() {
    let sandbox = server("127.0.0.1:8080").await;
    listens(&sandbox, &[8080]).await;
    sandbox.process.signal(Signal::SIGKILL).await;
    listens(&sandbox, &[]).await;
}

#[tokio::test]
async fn with_no_descriptor_free_a_dial_waits_until_there_is_one() {
    let Some(_) = std::env::var_os(FEW) else { return few_descriptors() };
    let sandbox = script("exec sleep 60").await;
    // The stock has taken what there was; a dial takes one of it and gives it back.
    for _ in 0..100 {
        let refused = within(sandbox.dialer.dial(1)).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    }
}

/// Set for the process that may open few descriptors.
const FEW: &str = "SANDBOX_TEST_FEW";

fn few_descriptors() {
    let mut command = Command::new("bash");
    command.args(["-c", "ulimit -n 40; exec \"$@\"", "bash"]).arg(std::env::current_exe().unwrap());
    let case = "dial::with_no_descriptor_free_a_dial_waits_until_there_is_one";
    let output = command.args(["--exact", case]).env(FEW, "1").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
