//! Asks an agent whether it is ready, as the kubelet does, but from elsewhere and more often.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{self, Instant},
};

use super::objects::AgentPod;

/// Longest wait for an answer; below the second between two questions.
const DEADLINE: Duration = Duration::from_millis(900);
/// What the answer of an agent that is ready begins with.
const READY: &[u8] = b"HTTP/1.1 200 ";

/// What came of asking an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is ready.
    Ready,
    /// It is not, but its pod's kernel accepts or refuses connections: the kubelet there sees the same.
    Unready,
    /// Not even that: there is no such machine any more, or no way to it.
    Silence,
}

/// Asks the agent in this pod, for [`DEADLINE`] at most.
pub(super) async fn ready(pod: &AgentPod) -> Answer {
    let deadline = Instant::now() + DEADLINE;
    match time::timeout_at(deadline, TcpStream::connect((pod.ip, pod.port))).await {
        Ok(Ok(stream)) => match time::timeout_at(deadline, ask(stream)).await {
            Ok(Ok(true)) => Answer::Ready,
            _ => Answer::Unready,
        },
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Answer::Unready,
        Ok(Err(_)) | Err(_) => Answer::Silence,
    }
}

async fn ask(mut stream: TcpStream) -> io::Result<bool> {
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n").await?;
    let mut head = [0; READY.len()];
    stream.read_exact(&mut head).await?;
    Ok(head == READY)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::net::TcpListener;

    use super::*;

    fn pod(addr: SocketAddr) -> AgentPod {
        let (name, uid, agent) = ("n".into(), "u".into(), "a".into());
        AgentPod { name, uid, agent, ip: addr.ip(), port: addr.port() }
    }

    #[tokio::test]
    async fn only_the_answer_200_is_ready() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\n", Answer::Ready),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", Answer::Unready),
            ("", Answer::Unready),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let pod = pod(listener.local_addr().unwrap());
            let answering = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
                let _ = stream.shutdown().await;
                let _ = stream.read_to_end(&mut Vec::new()).await;
            };
            let (ready, ()) = tokio::join!(ready(&pod), answering);
            assert_eq!(ready, expected, "{answer}");
        }
    }

    #[tokio::test]
    async fn whoever_refuses_or_only_accepts_is_there() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pod = pod(listener.local_addr().unwrap());
        // The kernel accepts, nobody answers.
        assert_eq!(ready(&pod).await, Answer::Unready);
        drop(listener);
        assert_eq!(ready(&pod).await, Answer::Unready);
    }
}
