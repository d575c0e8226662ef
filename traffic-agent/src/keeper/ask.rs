//! Asks an agent whether it is ready, as the kubelet does, but from elsewhere and more often.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time,
};

use super::objects::AgentPod;

/// Longest wait for an answer; below the second between two questions.
const DEADLINE: Duration = Duration::from_millis(900);
/// What the answer of an agent that is ready begins with.
const READY: &[u8] = b"HTTP/1.1 200 ";

/// Whether the agent in this pod says that it is ready, within [`DEADLINE`].
pub(super) async fn ready(pod: &AgentPod) -> bool {
    time::timeout(DEADLINE, ask(SocketAddr::new(pod.ip, pod.port)))
        .await
        .is_ok_and(|ready| ready.unwrap_or(false))
}

async fn ask(addr: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n").await?;
    let mut head = [0; READY.len()];
    stream.read_exact(&mut head).await?;
    Ok(head == READY)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn only_the_answer_200_is_ready() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", false),
            ("", false),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            let pod = AgentPod { uid: "u".into(), agent: "a".into(), ip: addr.ip(), port: addr.port() };
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
}
