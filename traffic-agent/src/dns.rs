//! The dns path: a question of the laptop's process, put to the pod's nameservers.
//!
//! Bytes in, the same bytes out: whatever record types and options the process uses work, because nobody here
//! reads them. Each question has a socket of its own, so that nobody who does not see it can answer it.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
    time,
};
use tracing::debug;
use tunnel::message::MAX_DNS;

/// How long one nameserver may take.
const TRY: Duration = Duration::from_secs(2);
/// How often each nameserver is asked.
const ROUNDS: usize = 2;
/// A header: nothing shorter is a DNS message.
const HEADER: usize = 12;
/// Bit of the header's third byte: the answer did not fit.
const TRUNCATED: u8 = 0x02;

/// The first answer to `question`, unchanged; `None` when no nameserver answered. A truncated one is asked for
/// again over TCP, as the stream to the laptop has room for it.
pub(crate) async fn ask(nameservers: &[SocketAddr], question: &[u8]) -> Option<Vec<u8>> {
    if question.len() < HEADER {
        return None;
    }
    for _ in 0..ROUNDS {
        for server in nameservers {
            match time::timeout(TRY, by_udp(*server, question)).await {
                Ok(Ok(answer)) if truncated(&answer) => {
                    return match time::timeout(TRY, by_tcp(*server, question)).await {
                        Ok(Ok(whole)) => Some(whole),
                        _ => Some(answer),
                    };
                }
                Ok(Ok(answer)) => return Some(answer),
                Ok(Err(error)) => debug!(%server, %error, "nameserver failed"),
                Err(_) => debug!(%server, "nameserver did not answer in time"),
            }
        }
    }
    None
}

async fn by_udp(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    // Connected: the kernel drops what others send.
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut answer = vec![0; MAX_DNS];
    loop {
        let length = socket.recv(&mut answer).await?;
        let got = answer.get(..length).unwrap_or_default();
        if length >= HEADER && got.get(..2) == question.get(..2) {
            return Ok(got.to_vec());
        }
    }
}

async fn by_tcp(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    stream.write_all(&[&length.to_be_bytes()[..], question].concat()).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    if answer.len() >= HEADER && answer.get(..2) == question.get(..2) {
        Ok(answer)
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}

fn truncated(answer: &[u8]) -> bool {
    answer.get(2).is_some_and(|flags| flags & TRUNCATED != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    const QUESTION: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00question";

    async fn nameserver() -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        (socket, addr)
    }

    /// The same, with its port for TCP, too; one that is free for the one may be taken for the other.
    async fn nameserver_with_tcp() -> (UdpSocket, TcpListener, SocketAddr) {
        for _ in 0..100 {
            let (socket, addr) = nameserver().await;
            if let Ok(listener) = TcpListener::bind(addr).await {
                return (socket, listener, addr);
            }
        }
        panic!("no port is free for both");
    }

    async fn answer_udp(socket: &UdpSocket, answers: &[&[u8]]) {
        let mut question = [0; 512];
        let (length, from) = socket.recv_from(&mut question).await.unwrap();
        assert_eq!(&question[..length], QUESTION);
        for answer in answers {
            socket.send_to(answer, from).await.unwrap();
        }
    }

    #[tokio::test]
    async fn an_answer_comes_back_unchanged_and_another_one_s_does_not() {
        let (socket, addr) = nameserver().await;
        let good = b"\x12\x34\x81\x80\x00\x00\x00\x00\x00\x00\x00\x00anything";
        let other = b"\x12\x35\x81\x80\x00\x00\x00\x00\x00\x00\x00\x00anything";
        let (servers, answers) = ([addr], [&b"short"[..], other, good]);
        let (answer, ()) = tokio::join!(ask(&servers, QUESTION), answer_udp(&socket, &answers));
        assert_eq!(answer.as_deref(), Some(&good[..]));
    }

    #[tokio::test]
    async fn a_truncated_answer_is_fetched_over_tcp() {
        let (socket, listener, addr) = nameserver_with_tcp().await;
        let short = b"\x12\x34\x83\x80\x00\x00\x00\x00\x00\x00\x00\x00";
        let whole = [&b"\x12\x34\x81\x80\x00\x00\x00\x00\x00\x00\x00\x00"[..], &[7; 4000]].concat();
        let by_tcp = async {
            answer_udp(&socket, &[short]).await;
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut question = vec![0; usize::from(stream.read_u16().await.unwrap())];
            stream.read_exact(&mut question).await.unwrap();
            assert_eq!(question, QUESTION);
            stream.write_u16(whole.len() as u16).await.unwrap();
            stream.write_all(&whole).await.unwrap();
        };
        let servers = [addr];
        let (answer, ()) = tokio::join!(ask(&servers, QUESTION), by_tcp);
        assert_eq!(answer.as_ref(), Some(&whole));
    }

    #[tokio::test]
    async fn the_next_nameserver_is_asked_when_one_refuses() {
        // It hears one other address only; to everybody else ICMP says at once that nobody listens.
        let (deaf, refusing) = nameserver().await;
        deaf.connect("127.0.0.1:9").await.unwrap();
        let (socket, addr) = nameserver().await;
        let good = b"\x12\x34\x81\x80\x00\x00\x00\x00\x00\x00\x00\x00";
        let (servers, answers) = ([refusing, addr], [&good[..]]);
        let (answer, ()) = tokio::join!(ask(&servers, QUESTION), answer_udp(&socket, &answers));
        assert_eq!(answer.as_deref(), Some(&good[..]));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_after_two_rounds() {
        let (_socket, addr) = nameserver().await;
        let before = time::Instant::now();
        assert_eq!(ask(&[addr], QUESTION).await, None);
        assert_eq!(before.elapsed(), TRY * 2);
        assert_eq!(ask(&[addr], b"short").await, None);
    }
}
