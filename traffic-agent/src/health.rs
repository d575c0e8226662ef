//! `/livez` and `/readyz` for the kubelet and the keeper.
//!
//! Live: the process answers. Ready: the agent was armed and has not been asked to end. It stays ready when its
//! laptop falls silent, because then it serves the originals itself: turning unready would cut the Service off
//! instead of falling back.
//!
//! A few lines of HTTP/1.1 rather than a server: one answer per connection, bounded in bytes, time and number.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time,
};
use tracing::debug;
use tunnel::tasks::Tasks;

use crate::ready::Watch;

/// Longest request head.
const REQUEST_LIMIT: usize = 2 << 10;
/// Longest time for one question and its answer.
const DEADLINE: Duration = Duration::from_secs(2);
/// Most questions at a time; more wait in the listener's backlog.
const CONCURRENT: usize = 32;
/// Pause after a failed accept (out of descriptors), which would otherwise fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Answers on `listener` until cancelled.
pub(crate) async fn serve(listener: TcpListener, ready: Watch) {
    let tasks = Tasks::default();
    let permits = Arc::new(Semaphore::new(CONCURRENT));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                debug!(%error, "cannot accept a health question");
                time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let ready = ready.clone();
        tasks.spawn(async move {
            if time::timeout(DEADLINE, answer(stream, &ready)).await.is_err() {
                debug_slow(from);
            }
            drop(permit);
        });
    }
}

fn debug_slow(from: SocketAddr) {
    debug!(%from, "health question took too long");
}

async fn answer(mut stream: TcpStream, ready: &Watch) {
    let mut head = Vec::with_capacity(256);
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        if head.len() >= REQUEST_LIMIT {
            return;
        }
        match stream.read_buf(&mut head).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
    let answer = reply(&head, ready.ready());
    if stream.write_all(answer.as_bytes()).await.is_ok() {
        let _ = stream.shutdown().await;
        // Wait for the other end, so that closing does not cut off what was sent.
        let mut rest = [0; 64];
        while matches!(stream.read(&mut rest).await, Ok(1..)) {}
    }
}

fn reply(head: &[u8], ready: bool) -> String {
    let mut words = head.split(|byte| *byte == b' ');
    let method = words.next().unwrap_or_default();
    let path = words.next().unwrap_or_default();
    let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
    let (status, body) = match (method, path) {
        (b"GET" | b"HEAD", b"/livez") => ("200 OK", "alive\n"),
        (b"GET" | b"HEAD", b"/readyz") if ready => ("200 OK", "ready\n"),
        (b"GET" | b"HEAD", b"/readyz") => ("503 Service Unavailable", "not armed\n"),
        _ => ("404 Not Found", "no such page\n"),
    };
    let shown = if method == b"HEAD" { "" } else { body };
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{shown}"
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::ready::Ready;

    #[test]
    fn ready_is_told_on_readyz_and_only_there() {
        let status = |path: &str, ready| {
            let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
            reply(head.as_bytes(), ready).split(' ').nth(1).unwrap().to_owned()
        };
        assert_eq!(status("/readyz", false), "503");
        assert_eq!(status("/readyz?verbose", true), "200");
        assert_eq!(status("/livez", false), "200");
        assert_eq!(status("/", true), "404");
    }

    #[tokio::test]
    async fn a_silent_question_is_dropped_and_others_are_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let ready = Ready::new(Path::new("/nonexistent"));
        ready.arm();
        let tasks = Tasks::default();
        tasks.spawn(serve(listener, ready.watch()));
        let _silent = TcpStream::connect(addr).await.unwrap();
        let mut asking = TcpStream::connect(addr).await.unwrap();
        asking.write_all(b"GET /readyz HTTP/1.1\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        asking.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
}
