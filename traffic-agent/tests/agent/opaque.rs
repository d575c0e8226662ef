//! Protocols that the agent does not know: bytes, half-closes and resets as they are.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{
    laptop::{Laptop, Manner},
    rig::Rig,
    server::nobody,
    within,
};

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

/// Both ends of a connection through the agent: to the laptop's process, or to an original.
async fn through(rig: &Rig, by_laptop: bool) -> (TcpStream, TcpStream, Laptop) {
    let (listener, addr) = listener().await;
    let process = if by_laptop { addr } else { nobody().await };
    let laptop = Laptop::armed(rig, process, &[addr]).await;
    let caller = TcpStream::connect(rig.callers).await.unwrap();
    let (server, _) = within("a connection", listener.accept()).await.unwrap();
    (caller, server, laptop)
}

#[tokio::test]
async fn a_server_may_speak_first() {
    for by_laptop in [true, false] {
        let rig = Rig::start().await;
        let (mut caller, mut server, _laptop) = through(&rig, by_laptop).await;
        server.write_all(b"220 ready\r\n").await.unwrap();
        let mut greeting = [0; 11];
        within("greeting", caller.read_exact(&mut greeting)).await.unwrap();
        assert_eq!(&greeting, b"220 ready\r\n");
    }
}

#[tokio::test]
async fn each_direction_ends_on_its_own() {
    for by_laptop in [true, false] {
        let rig = Rig::start().await;
        let (mut caller, mut server, _laptop) = through(&rig, by_laptop).await;
        caller.write_all(b"\0question").await.unwrap();
        caller.shutdown().await.unwrap();
        let mut question = Vec::new();
        within("question", server.read_to_end(&mut question)).await.unwrap();
        assert_eq!(question, b"\0question");
        server.write_all(b"answer").await.unwrap();
        server.shutdown().await.unwrap();
        let mut answer = Vec::new();
        within("answer", caller.read_to_end(&mut answer)).await.unwrap();
        assert_eq!(answer, b"answer");
    }
}

#[tokio::test]
async fn a_caller_may_go_on_after_the_server_s_end() {
    for by_laptop in [true, false] {
        let rig = Rig::start().await;
        let (mut caller, mut server, _laptop) = through(&rig, by_laptop).await;
        server.write_all(b"\0only this").await.unwrap();
        server.shutdown().await.unwrap();
        let mut answer = Vec::new();
        within("answer", caller.read_to_end(&mut answer)).await.unwrap();
        assert_eq!(answer, b"\0only this");
        caller.write_all(b"more").await.unwrap();
        caller.shutdown().await.unwrap();
        let mut more = Vec::new();
        within("more", server.read_to_end(&mut more)).await.unwrap();
        assert_eq!(more, b"more");
    }
}

#[tokio::test]
async fn a_reset_stays_a_reset_both_ways() {
    for by_laptop in [true, false] {
        let rig = Rig::start().await;
        let (mut caller, mut server, _laptop) = through(&rig, by_laptop).await;
        caller.write_all(b"\0").await.unwrap();
        within("byte", server.read_u8()).await.unwrap();
        server.set_zero_linger().unwrap();
        drop(server);
        let error = within("reset", caller.read_u8()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "server's, laptop: {by_laptop}");

        let rig = Rig::start().await;
        let (mut caller, mut server, _laptop) = through(&rig, by_laptop).await;
        caller.write_all(b"\0").await.unwrap();
        within("byte", server.read_u8()).await.unwrap();
        caller.set_zero_linger().unwrap();
        drop(caller);
        let error = within("reset", server.read_u8()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "caller's, laptop: {by_laptop}");
    }
}

#[tokio::test]
async fn megabytes_arrive_unchanged_both_ways_at_once() {
    const LENGTH: usize = 8 << 20;
    let bytes = |seed: usize| (0..LENGTH).map(|i| ((i * 31 + seed) >> 3) as u8).collect::<Vec<_>>();
    // Made first: the agent must not wait for it.
    let (question, answer) = (bytes(7), bytes(1_000_003));
    for by_laptop in [true, false] {
        let rig = Rig::start().await;
        let (caller, server, _laptop) = through(&rig, by_laptop).await;
        let exchange = |tcp: TcpStream, sends: Vec<u8>, expects: Vec<u8>| async move {
            let (mut read, mut write) = tcp.into_split();
            let writing = async {
                write.write_all(&sends).await.unwrap();
                write.shutdown().await.unwrap();
            };
            let reading = async {
                let mut got = Vec::new();
                read.read_to_end(&mut got).await.unwrap();
                assert!(got == expects, "changed bytes");
            };
            tokio::join!(writing, reading);
        };
        let both = async {
            tokio::join!(
                exchange(caller, question.clone(), answer.clone()),
                exchange(server, answer.clone(), question.clone())
            )
        };
        within("transfer", both).await;
    }
}

#[tokio::test]
async fn an_upgraded_connection_is_carried_as_it_is() {
    let rig = Rig::start().await;
    let (mut caller, mut server, _laptop) = through(&rig, true).await;
    let upgrade = b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    caller.write_all(upgrade).await.unwrap();
    let mut request = vec![0; upgrade.len()];
    within("upgrade", server.read_exact(&mut request)).await.unwrap();
    server.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\nframe").await.unwrap();
    server.shutdown().await.unwrap();
    let mut answer = Vec::new();
    within("frame", caller.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.ends_with(b"\r\n\r\nframe"));
    caller.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut frame = [0; 18];
    within("a frame that looks like a request", server.read_exact(&mut frame)).await.unwrap();
}

#[tokio::test]
async fn a_process_that_ends_before_any_byte_is_replaced_by_an_original() {
    let rig = Rig::start().await;
    let ((process, process_addr), (original, original_addr)) = (listener().await, listener().await);
    let laptop = Laptop::connect(&rig, Manner::Process(process_addr)).await;
    laptop.push(rig.port(), &[original_addr]).await;
    drop(laptop);
    let _laptop = Laptop::armed(&rig, process_addr, &[original_addr]).await;
    let mut caller = TcpStream::connect(rig.callers).await.unwrap();
    drop(within("the process", process.accept()).await.unwrap());
    let (mut server, _) = within("the original", original.accept()).await.unwrap();
    server.write_all(b"220 ready\r\n").await.unwrap();
    let mut greeting = [0; 11];
    within("greeting", caller.read_exact(&mut greeting)).await.unwrap();
}
