use super::*;
use tokio::net::{TcpListener, TcpSocket};

const PORT: u16 = 8080;

fn originals() -> Originals {
    Originals::new(Own { ips: vec!["10.0.0.7".parse().unwrap()], ports: vec![PORT] }, None)
}

fn list(addrs: &[SocketAddr]) -> Vec<Original> {
    addrs.iter().map(|addr| Original { port: PORT, addr: *addr }).collect()
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

/// Where nobody listens, as long as the socket is there: a free port might be another test's a moment later.
fn refusing() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = socket.local_addr().unwrap();
    (socket, addr)
}

#[tokio::test]
async fn the_next_original_is_dialled_when_one_refuses_and_the_refusing_one_goes_last() {
    let originals = originals();
    let (_socket, refusing) = refusing();
    let (_listener, addr) = listener().await;
    originals.push(1, list(&[refusing, addr]));
    for _ in 0..4 {
        assert_eq!(originals.dial(PORT).await.unwrap().peer_addr().unwrap(), addr);
    }
    assert_eq!(originals.candidates(PORT), [addr, refusing]);
}

#[tokio::test]
async fn connections_are_spread() {
    let originals = originals();
    let ((_a, first), (_b, second)) = (listener().await, listener().await);
    originals.push(1, list(&[first, second]));
    let mut dialled = HashSet::new();
    for _ in 0..2 {
        dialled.insert(originals.dial(PORT).await.unwrap().peer_addr().unwrap());
    }
    assert_eq!(dialled.len(), 2);
}

#[tokio::test]
async fn nobody_is_dialled_for_a_port_without_originals() {
    let originals = originals();
    let (_socket, refusing) = refusing();
    originals.push(1, list(&[refusing]));
    assert!(originals.dial(PORT).await.is_none(), "nobody listens");
    assert!(originals.dial(PORT + 1).await.is_none());
}

#[test]
fn this_pod_and_other_agents_are_never_candidates() {
    let originals = originals();
    originals.lists().agents.insert("10.0.0.8".parse().unwrap());
    let addrs = [
        "10.0.0.7:1",
        "10.0.0.8:8080",
        "127.0.0.1:8080",
        "[::1]:8080",
        "[::ffff:10.0.0.7]:1",
        "0.0.0.0:8080",
    ];
    originals.push(1, list(&addrs.map(|addr| addr.parse().unwrap())));
    assert!(originals.candidates(PORT).is_empty());
}

#[test]
fn a_list_outlives_its_session_and_goes_first_until_names_must_have_a_newer_one() {
    let (pushed, found) = ("10.0.0.1:1".parse().unwrap(), "10.0.0.2:1".parse().unwrap());
    let originals = originals();
    originals.push(1, list(&[pushed]));
    originals.abandon(2);
    assert_eq!(originals.lists().pusher, Some(1), "another session's end is nothing");
    originals.abandon(1);
    assert_eq!(originals.candidates(PORT), [pushed]);
    originals.lists().resolved.insert(PORT, vec![found]);
    for _ in 0..2 {
        assert_eq!(originals.candidates(PORT), [pushed, found], "the answer may come from a cache");
    }
    originals.lists().abandoned = Some(Instant::now() - DNS_AGE);
    assert_eq!(originals.candidates(PORT), [found], "the other may be another pod's by now");
    originals.push(2, list(&[pushed]));
    assert_eq!(originals.candidates(PORT).len(), 2, "what was resolved is a last resort");
}
