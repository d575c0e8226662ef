//! What leaves the sandbox: TCP with the address that was meant, DNS, nothing else.

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use devbridge::sandbox::{Exit, Sandbox, check_by};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use crate::{INSIDE, case, executable, script, status_of, within};

#[tokio::test]
async fn a_sandbox_starts_and_a_connection_comes_out_of_it() {
    let works = check_by(&executable()).await.expect("a sandbox");
    println!("sandbox started in {:?}", works.start);
    assert!(works.start < Duration::from_secs(2));
}

#[tokio::test]
async fn tcp_comes_out_with_the_address_that_was_meant() {
    for (host, destination) in [("10.1.2.3", "10.1.2.3:80"), ("2001:db8::7", "[2001:db8::7]:80")] {
        let sandbox = script(&format!(
            "exec 3<>/dev/tcp/{host}/80; echo hello >&3; read -r answer <&3; [ $answer = there ]"
        ))
        .await;
        let (mut stream, to) = within(sandbox.tcp.accept()).await.unwrap();
        assert_eq!(to, destination.parse::<SocketAddr>().unwrap());
        let mut hello = [0; 6];
        within(stream.read_exact(&mut hello)).await.unwrap();
        assert_eq!(&hello, b"hello\n");
        stream.write_all(b"there\n").await.unwrap();
        assert_eq!(within(sandbox.process.wait()).await, Exit::Code(0));
    }
}

#[tokio::test]
async fn a_dns_answer_comes_from_the_server_that_was_asked() {
    // A connected UDP socket takes packets of its peer only.
    for server in ["10.96.0.10", "fd00:10:96::a"] {
        let sandbox = script(&format!(
            "exec 3<>/dev/udp/{server}/53; printf query >&3; [ $(timeout 9 head -c 6 <&3) = answer ]"
        ))
        .await;
        let (query, asker) = within(sandbox.dns.recv()).await.unwrap();
        assert_eq!(query, b"query");
        sandbox.dns.reply(asker, b"answer").await.unwrap();
        assert_eq!(within(sandbox.process.wait()).await, Exit::Code(0));
    }
}

#[tokio::test]
async fn other_udp_fails_at_once() {
    for host in ["10.1.2.3", "2001:db8::7"] {
        let started = Instant::now();
        // The first or, by the ICMP error, the second packet is refused.
        let text = format!("exec 3<>/dev/udp/{host}/4242; printf a >&3 && printf b >&3");
        assert_ne!(status_of(&format!("({text}) 2>/dev/null")).await, 0);
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn connections_from_one_port_to_two_addresses_are_kept_apart() {
    let sandbox = case("outbound::connect_twice_from_one_port", "").await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        streams.push(within(sandbox.tcp.accept()).await.unwrap());
    }
    for (stream, to) in &mut streams {
        stream.write_all(to.to_string().as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    }
    assert_eq!(within(sandbox.process.wait()).await, Exit::Code(0));
}

/// Not a test of its own: run in the sandbox by the one above.
#[tokio::test]
async fn connect_twice_from_one_port() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    let mut streams = Vec::new();
    for host in ["10.1.2.3:80", "10.1.2.4:80"] {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind("0.0.0.0:5555".parse().unwrap()).unwrap();
        streams.push((host, within(socket.connect(host.parse().unwrap())).await.unwrap()));
    }
    for (host, mut stream) in streams {
        let mut text = String::new();
        within(stream.read_to_string(&mut text)).await.unwrap();
        assert_eq!(text, host);
    }
}

#[tokio::test]
async fn a_connection_that_nobody_serves_any_more_is_refused_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let go = directory.path().join("go");
    let text = format!("until [ -e {} ]; do sleep 0.01; done; exec 3<>/dev/tcp/10.1.2.3/80", go.display());
    let Sandbox { process, tcp, .. } = script(&text).await;
    drop(tcp);
    let started = Instant::now();
    fs::write(go, "").unwrap();
    assert_eq!(within(process.wait()).await, Exit::Code(1));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn the_processs_own_loopback_is_its_own() {
    let outside = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = outside.local_addr().unwrap().port();
    let sandbox = script(&format!("exec 3<>/dev/tcp/127.0.0.1/{port}")).await;
    tokio::select! {
        exit = within(sandbox.process.wait()) => assert_ne!(exit, Exit::Code(0)),
        _ = sandbox.tcp.accept() => panic!("a connection to 127.0.0.1 came out"),
    }
}
