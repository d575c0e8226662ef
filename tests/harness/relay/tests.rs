use std::io;
use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time;

use super::connection::listen;
use super::*;

/// A server that says again what it hears, and a relay in front of it.
async fn echo() -> (Relay, JoinSet<()>) {
    let server = listen(0).unwrap();
    let relay = Relay::start(&server.local_addr().unwrap().to_string()).await;
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut client, _)) = server.accept().await {
            connections.spawn(async move {
                let (mut from, mut to) = client.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    (relay, task)
}

async fn connect(relay: &Relay) -> TcpStream {
    TcpStream::connect((Ipv4Addr::LOCALHOST, relay.port())).await.unwrap()
}

async fn ask(stream: &mut TcpStream) -> io::Result<[u8; 4]> {
    stream.write_all(b"ping").await?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

async fn is_silent(stream: &mut TcpStream) -> bool {
    time::timeout(Duration::from_millis(100), ask(stream)).await.is_err()
}

#[tokio::test]
async fn bytes_and_ends_go_through_and_are_counted() {
    let (relay, _server) = echo().await;
    let mut client = connect(&relay).await;
    assert_eq!(&ask(&mut client).await.unwrap(), b"ping");
    client.shutdown().await.unwrap();
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    assert_eq!((relay.connections(), relay.to_server(), relay.to_laptop()), (1, 4, 4));
}

#[tokio::test]
async fn a_cut_is_an_end_or_a_reset_and_new_connections_work() {
    let (relay, _server) = echo().await;
    let mut client = connect(&relay).await;
    ask(&mut client).await.unwrap();
    relay.cut(Cut::Fin);
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);

    let mut client = connect(&relay).await;
    ask(&mut client).await.unwrap();
    relay.cut(Cut::Rst);
    assert_eq!(client.read(&mut [0]).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    ask(&mut connect(&relay).await).await.unwrap();
}

#[tokio::test]
async fn a_silent_link_says_after_it_was_healed_what_it_kept() {
    let (relay, _server) = echo().await;
    let mut old = connect(&relay).await;
    ask(&mut old).await.unwrap();
    relay.swallow(Silent::New);
    ask(&mut old).await.unwrap();
    let mut new = connect(&relay).await;
    assert!(is_silent(&mut new).await);

    relay.heal();
    relay.swallow(Silent::Existing);
    assert!(is_silent(&mut old).await);
    ask(&mut connect(&relay).await).await.unwrap();
    relay.heal();
    let mut kept = [0; 4];
    old.read_exact(&mut kept).await.unwrap();
    assert_eq!(&kept, b"ping");
}

#[tokio::test]
async fn a_reset_is_swallowed_too() {
    let server = listen(0).unwrap();
    let relay = Relay::start(&server.local_addr().unwrap().to_string()).await;
    let client = connect(&relay).await;
    let (mut accepted, _) = server.accept().await.unwrap();
    relay.swallow(Silent::All);
    client.set_zero_linger().unwrap();
    drop(client);
    let read = time::timeout(Duration::from_millis(100), accepted.read(&mut [0])).await;
    assert!(read.is_err(), "{read:?}");
    relay.heal();
    assert!(accepted.read(&mut [0]).await.is_err());
}

#[tokio::test]
async fn refused_connections_meet_a_closed_port() {
    let (relay, _server) = echo().await;
    let mut old = connect(&relay).await;
    ask(&mut old).await.unwrap();
    relay.refuse();
    let address = (Ipv4Addr::LOCALHOST, relay.port());
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    ask(&mut old).await.unwrap();
    relay.heal();
    while TcpStream::connect(address).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_link_is_as_slow_and_narrow_as_asked() {
    let (relay, _server) = echo().await;
    let mut client = connect(&relay).await;
    relay.delay(Duration::from_millis(20));
    let began = Instant::now();
    ask(&mut client).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(40));

    relay.delay(Duration::ZERO);
    relay.limit(Some(1 << 20));
    let (mut from, mut to) = client.into_split();
    let began = Instant::now();
    let mut sent = JoinSet::new();
    sent.spawn(async move { to.write_all(&vec![7; 256 << 10]).await });
    from.read_exact(&mut vec![0; 256 << 10]).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());
}
