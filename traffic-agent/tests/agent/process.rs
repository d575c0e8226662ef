//! The program itself: sockets inherited from a parent, settings from variables, end by a signal.

use std::{net::TcpListener, os::fd::OwnedFd, process::Stdio};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::AsyncReadExt as _,
    net::TcpStream,
    process::{Child, Command},
};
use traffic_agent::config;
use tunnel::identity::KeyPair;

use crate::{eventually, within};

/// The program with `listener` as its first inherited socket; the shell gives it the number that a bootstrap
/// would.
fn start(listener: TcpListener, keys: &std::path::Path, port: u16) -> Child {
    let health = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let control = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    Command::new("/bin/sh")
        .args(["-c", "exec \"$0\" 3<&0 </dev/null", env!("CARGO_BIN_EXE_traffic-agent")])
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .env(config::LISTEN, port.to_string())
        .env(config::CONTROL_PORT, control.to_string())
        .env(config::HEALTH_PORT, health.to_string())
        .env(config::POD_IP, "127.0.0.1")
        .env(config::NAMESPACE, "shop")
        .env(config::KEYS, keys)
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

fn keys() -> tempfile::TempDir {
    let keys = tempfile::tempdir().unwrap();
    std::fs::write(keys.path().join("agent.seed"), KeyPair::generate().unwrap().seed()).unwrap();
    std::fs::write(keys.path().join("laptop.pub"), KeyPair::generate().unwrap().public().as_der()).unwrap();
    keys
}

#[tokio::test]
async fn the_program_serves_inherited_sockets_until_it_is_asked_to_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let keys = keys();
    let mut agent = start(listener, keys.path(), addr.port());
    // It knows no original, so it resets: somebody must have accepted for that.
    let mut caller = within("connection", TcpStream::connect(addr)).await.unwrap();
    let error = within("reset", caller.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let pid = Pid::from_raw(agent.id().unwrap().try_into().unwrap());
    kill(pid, Signal::SIGTERM).unwrap();
    let status = within("the end", agent.wait()).await.unwrap();
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn the_program_says_what_is_wrong_with_its_settings() {
    let keys = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut agent = start(listener, keys.path(), port);
    let mut said = String::new();
    within("words", agent.stderr.take().unwrap().read_to_string(&mut said)).await.unwrap();
    assert!(said.contains("agent.seed") && said.contains("No such file"), "{said}");
    let mut status = None;
    eventually("the end", || {
        status = agent.try_wait().unwrap();
        status.is_some()
    })
    .await;
    assert_eq!(status.unwrap().code(), Some(1));
}
