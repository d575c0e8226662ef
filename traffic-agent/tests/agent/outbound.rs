//! The laptop's questions to the pod: connections, names, environment.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
};
use tunnel::{
    Flow, Priority,
    message::{Env, MAX_MESSAGE, MAX_OPEN, Open, Refusal, Reply},
};

use crate::{
    laptop::{Laptop, Manner},
    rig::{GRACE, Rig},
    server::nobody,
    within,
};

async fn open(laptop: &Laptop, open: Open) -> Flow {
    laptop.connection.open(&open, Priority::Flow).await.unwrap()
}

async fn reply(flow: &mut Flow) -> Reply {
    within("reply", flow.recv.message(MAX_OPEN)).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_connection_of_the_laptop_is_dialled_from_the_pod() {
    let rig = Rig::start().await;
    let laptop = Laptop::connect(&rig, Manner::Mute).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut flow = open(&laptop, Open::Outbound { to: listener.local_addr().unwrap() }).await;
    flow.send.write_all(b"early").await.unwrap();
    flow.send.finish();
    let (mut server, _) = within("dial", listener.accept()).await.unwrap();
    assert_eq!(reply(&mut flow).await, Reply::Accepted);
    let mut early = String::new();
    within("early bytes", server.read_to_string(&mut early)).await.unwrap();
    server.write_all(&[b'x'; 300_000]).await.unwrap();
    drop(server);
    let mut got = Vec::new();
    within("answer", flow.recv.read_to_end(&mut got)).await.unwrap();
    assert_eq!((early.as_str(), got.len()), ("early", 300_000));
}

#[tokio::test]
async fn a_refused_connection_is_told_as_such() {
    let rig = Rig::start().await;
    let laptop = Laptop::connect(&rig, Manner::Mute).await;
    let mut flow = open(&laptop, Open::Outbound { to: nobody().await }).await;
    assert_eq!(reply(&mut flow).await, Reply::Refused(Refusal::NotListening));
    assert!(flow.recv.chunk(1).await.unwrap().is_none(), "the stream is finished");
}

#[tokio::test]
async fn a_question_is_answered_by_the_pod_s_nameserver() {
    let nameserver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr: SocketAddr = nameserver.local_addr().unwrap();
    // Answers everything with the question itself; nothing else is asked of it here.
    let echo = tokio::spawn(async move {
        let mut bytes = [0; 512];
        while let Ok((length, from)) = nameserver.recv_from(&mut bytes).await {
            nameserver.send_to(&bytes[..length], from).await.unwrap();
        }
    });
    let rig = Rig::start_with(vec![addr], GRACE).await;
    let laptop = Laptop::connect(&rig, Manner::Mute).await;
    let mut flow = open(&laptop, Open::Dns).await;
    let question = b"\x12\x34\x01\0\0\0\0\0\0\0\0\0";
    flow.send.write_u16(question.len() as u16).await.unwrap();
    flow.send.write_all(question).await.unwrap();
    let mut answer = vec![0; usize::from(within("answer", flow.recv.read_u16()).await.unwrap())];
    flow.recv.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, question);
    assert!(flow.recv.chunk(1).await.unwrap().is_none());
    echo.abort();
}

#[tokio::test]
async fn a_question_without_an_answer_is_reset() {
    let rig = Rig::start().await;
    let laptop = Laptop::connect(&rig, Manner::Mute).await;
    let mut flow = open(&laptop, Open::Dns).await;
    flow.send.write_u16(12).await.unwrap();
    flow.send.write_all(&[0; 12]).await.unwrap();
    let answer = within("reset", flow.recv.chunk(100)).await;
    assert!(matches!(answer, Err(tunnel::StreamError::Reset)), "{answer:?}");
}

#[tokio::test]
async fn the_environment_is_told() {
    let rig = Rig::start().await;
    let laptop = Laptop::connect(&rig, Manner::Mute).await;
    let mut flow = open(&laptop, Open::Env).await;
    let env: Env = within("env", flow.recv.message(MAX_MESSAGE)).await.unwrap().unwrap();
    assert!(env.variables.iter().any(|(name, _)| name == b"PATH"));
    assert_eq!(env.hosts, std::fs::read("/etc/hosts").unwrap_or_default());
}
