//! TCP connections through a session.

use std::{
    io,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use devbridge_tunnel::{
    Flow,
    splice::{End, Observer, Spliced, Way, splice, splice_observed},
};
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};

use crate::rig::{LONG, Rig};

/// A caller's TCP connection, spliced to the laptop's end of a flow, whose other end is spliced to a server's.
struct Path {
    caller: TcpStream,
    server: TcpStream,
    near: JoinHandle<Spliced>,
    far: JoinHandle<Spliced>,
}

impl Path {
    async fn new(rig: &Rig) -> Self {
        let (laptop, agent) = rig.flow().await;
        let (caller, near) = spliced(laptop).await;
        let (server, far) = spliced(agent).await;
        Self { caller, server, near, far }
    }
}

async fn spliced(flow: Flow) -> (TcpStream, JoinHandle<Spliced>) {
    let (ours, theirs) = connected().await;
    (ours, tokio::spawn(splice(theirs, flow)))
}

async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (ours, accepted) =
        tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    let theirs = accepted.unwrap().0;
    theirs.set_nodelay(true).unwrap();
    (ours.unwrap(), theirs)
}

/// What an observer saw: a hash of each way, and whether it has ended.
#[derive(Default)]
struct Seen {
    to_flow: Mutex<(Sha256, bool)>,
    to_tcp: Mutex<(Sha256, bool)>,
}

impl Seen {
    fn of(&self, way: Way) -> &Mutex<(Sha256, bool)> {
        if way == Way::ToFlow { &self.to_flow } else { &self.to_tcp }
    }

    fn hash(&self, way: Way) -> Vec<u8> {
        let (hash, ended) = self.of(way).lock().unwrap().clone();
        assert!(ended, "{way:?}");
        hash.finalize().to_vec()
    }
}

impl Observer for Seen {
    fn passed(&self, way: Way, bytes: Bytes) {
        let mut seen = self.of(way).lock().unwrap();
        assert!(!seen.1, "{way:?}: bytes after the end");
        seen.0.update(&bytes);
    }

    fn ended(&self, way: Way) {
        self.of(way).lock().unwrap().1 = true;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_byte_passes_and_both_ends_finish() {
    const SIZE: usize = 8 << 20;
    let rig = Rig::on_tcp().await;
    let (laptop, agent) = rig.flow().await;
    let seen = Arc::<Seen>::default();
    let observer = Arc::clone(&seen);
    let (caller, tcp) = connected().await;
    let near = tokio::spawn(async move { splice_observed(tcp, laptop, &*observer).await });
    let (server, far) = spliced(agent).await;
    let (mut from_caller, mut to_caller) = caller.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up: Vec<u8> = (0..SIZE).map(|i| (i / 7) as u8).collect();
    let down: Vec<u8> = (0..SIZE).map(|i| (i / 11) as u8).collect();
    let (sent, returned) = (Sha256::digest(&up), Sha256::digest(&down));
    tokio::spawn(async move {
        to_caller.write_all(&up).await.unwrap();
        to_caller.shutdown().await.unwrap();
    });
    tokio::spawn(async move {
        to_server.write_all(&down).await.unwrap();
        to_server.shutdown().await.unwrap();
    });
    let (mut at_server, mut at_caller) = (Vec::new(), Vec::new());
    let read = async {
        tokio::join!(from_server.read_to_end(&mut at_server), from_caller.read_to_end(&mut at_caller))
    };
    let (up, down) = timeout(LONG, read).await.unwrap();
    assert_eq!((up.unwrap(), down.unwrap()), (SIZE, SIZE));
    assert_eq!(Sha256::digest(&at_server), sent);
    assert_eq!(Sha256::digest(&at_caller), returned);

    let whole = Spliced { to_flow: SIZE as u64, to_tcp: SIZE as u64, end: End::Finished };
    assert_eq!(timeout(LONG, near).await.unwrap().unwrap(), whole);
    assert_eq!(timeout(LONG, far).await.unwrap().unwrap(), whole);
    assert_eq!((seen.hash(Way::ToFlow), seen.hash(Way::ToTcp)), (sent.to_vec(), returned.to_vec()));
}

#[tokio::test]
async fn a_half_close_passes_and_the_answer_still_comes() {
    let rig = Rig::in_memory().await;
    let Path { mut caller, mut server, near, far } = Path::new(&rig).await;
    caller.write_all(b"question").await.unwrap();
    caller.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut server).await.unwrap(), b"question");
    server.write_all(b"answer").await.unwrap();
    drop(server);
    assert_eq!(read_to_end(&mut caller).await.unwrap(), b"answer");
    assert_eq!(timeout(LONG, near).await.unwrap().unwrap().end, End::Finished);
    assert_eq!(timeout(LONG, far).await.unwrap().unwrap().end, End::Finished);
}

#[tokio::test]
async fn a_tcp_reset_arrives_as_a_tcp_reset() {
    let rig = Rig::in_memory().await;
    let Path { mut caller, mut server, near, far } = Path::new(&rig).await;
    caller.write_all(b"half of it").await.unwrap();
    let mut got = [0; 10];
    server.read_exact(&mut got).await.unwrap();
    caller.set_zero_linger().unwrap();
    drop(caller);
    assert_eq!(read_to_end(&mut server).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(timeout(LONG, near).await.unwrap().unwrap().end, End::TcpReset);
    assert_eq!(timeout(LONG, far).await.unwrap().unwrap().end, End::FlowReset);
}

#[tokio::test]
async fn a_reset_after_a_half_close_is_noticed_while_the_answer_is_awaited() {
    let rig = Rig::in_memory().await;
    let Path { mut caller, mut server, near, far } = Path::new(&rig).await;
    caller.write_all(b"question").await.unwrap();
    caller.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut server).await.unwrap(), b"question");
    caller.set_zero_linger().unwrap();
    drop(caller);
    assert_eq!(timeout(LONG, near).await.unwrap().unwrap().end, End::TcpReset);
    assert_eq!(timeout(LONG, far).await.unwrap().unwrap().end, End::FlowReset);
    let write = async { while server.write_all(&[0; 1000]).await.is_ok() {} };
    timeout(LONG, write).await.unwrap();
}

#[tokio::test]
async fn a_server_that_reads_no_more_resets_the_caller() {
    let rig = Rig::in_memory().await;
    let Path { mut caller, mut server, near, far } = Path::new(&rig).await;
    // The server has said all it wants to say, then goes away with bytes unread: TCP resets.
    server.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut caller).await.unwrap(), b"");
    server.set_zero_linger().unwrap();
    drop(server);
    let far = timeout(LONG, far).await.unwrap().unwrap().end;
    assert_eq!(far, End::TcpReset);
    // The caller is told without having written anything.
    assert_eq!(timeout(LONG, near).await.unwrap().unwrap().end, End::FlowReset);
    assert!(caller.write_all(b"x").await.is_err() || read_to_end(&mut caller).await.is_err());
}

#[tokio::test]
async fn a_splice_that_is_dropped_resets_both_sides() {
    let rig = Rig::in_memory().await;
    let Path { mut caller, mut server, near, far } = Path::new(&rig).await;
    caller.write_all(b"x").await.unwrap();
    server.read_exact(&mut [0]).await.unwrap();
    near.abort();
    assert_eq!(read_to_end(&mut caller).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(read_to_end(&mut server).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(timeout(LONG, far).await.unwrap().unwrap().end, End::FlowReset);
}

#[tokio::test]
async fn connections_are_reset_when_the_session_is_closed() {
    let rig = Rig::in_memory().await;
    let Path { mut caller, server: _server, near, far } = Path::new(&rig).await;
    rig.laptop.close("leaving");
    assert_eq!(read_to_end(&mut caller).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(timeout(LONG, near).await.unwrap().unwrap().end, End::ConnectionLost);
    assert_eq!(timeout(LONG, far).await.unwrap().unwrap().end, End::ConnectionLost);
}

async fn read_to_end(tcp: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    timeout(LONG, tcp.read_to_end(&mut bytes)).await.unwrap()?;
    Ok(bytes)
}
