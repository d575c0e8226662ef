//! Asks an agent whether it is ready, as the kubelet does, but from elsewhere and more often.

use std::{io, pin::pin, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
    time::{self, Instant},
};

use super::objects::AgentPod;

/// Longest wait for an answer.
const DEADLINE: Duration = Duration::from_millis(900);
/// A connection that is not taken in this time counts as silence, for now. No path within a cluster takes half as long;
/// what is lost is sent again by the kernel after 1 s, and by another question before that.
const SILENT: Duration = Duration::from_millis(400);
/// For so long a connection may still be taken, and undo that silence: until all is decided, see
/// [`Answers::is_gone`](super::answers::Answers::is_gone).
const LATE: Duration = Duration::from_millis(2500);
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
    /// After a silence: there is somebody all the same.
    Late,
}

/// A pod's answer, or that there was none.
#[derive(Debug)]
pub(super) struct Told {
    /// The pod's.
    pub(super) uid: String,
    /// When it was asked.
    pub(super) asked: Instant,
    pub(super) answer: Answer,
}

/// Asks the agent in this pod, for [`LATE`] at most. Tells one answer, and [`Answer::Late`] after a silence that ends.
pub(super) async fn question(pod: AgentPod, answers: mpsc::Sender<Told>) {
    let connecting = TcpStream::connect((pod.ip, pod.port));
    ask(pod.uid, connecting, answers).await;
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    uid: String,
    connecting: impl Future<Output = io::Result<S>>,
    answers: mpsc::Sender<Told>,
) {
    let asked = Instant::now();
    let tell = async |answer| {
        // The keeper is ending if nobody takes it.
        let _ = answers.send(Told { uid: uid.clone(), asked, answer }).await;
    };
    let mut connecting = pin!(connecting);
    match time::timeout_at(asked + SILENT, &mut connecting).await {
        Ok(Ok(stream)) => match time::timeout_at(asked + DEADLINE, is_ready(stream)).await {
            Ok(Ok(true)) => tell(Answer::Ready).await,
            _ => tell(Answer::Unready).await,
        },
        Ok(Err(error)) if is_refusal(&error) => tell(Answer::Unready).await,
        Ok(Err(_)) => tell(Answer::Silence).await,
        Err(_) => {
            tell(Answer::Silence).await;
            match time::timeout_at(asked + LATE, connecting).await {
                Ok(Ok(_)) => tell(Answer::Late).await,
                Ok(Err(error)) if is_refusal(&error) => tell(Answer::Late).await,
                Ok(Err(_)) | Err(_) => {}
            }
        }
    }
}

/// Whether somebody is there who says no.
fn is_refusal(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionRefused
}

async fn is_ready(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<bool> {
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n").await?;
    let mut head = [0; READY.len()];
    stream.read_exact(&mut head).await?;
    Ok(head == READY)
}

#[cfg(test)]
mod tests {
    use std::{future, net::SocketAddr};

    use tokio::{io::DuplexStream, net::TcpListener};

    use super::*;

    fn pod(addr: SocketAddr) -> AgentPod {
        let (name, uid, agent) = ("n".into(), "u".into(), "a".into());
        AgentPod { name, uid, agent, ip: addr.ip(), port: addr.port() }
    }

    /// All that comes of a question, and after how many milliseconds.
    async fn told(asking: impl AsyncFnOnce(mpsc::Sender<Told>)) -> Vec<(Answer, u128)> {
        let (answers_tx, mut answers_rx) = mpsc::channel::<Told>(4);
        let begun = Instant::now();
        let hear = async {
            let mut all = Vec::new();
            while let Some(told) = answers_rx.recv().await {
                all.push((told.answer, begun.elapsed().as_millis()));
            }
            all
        };
        tokio::join!(asking(answers_tx), hear).1
    }

    async fn answers(pod: &AgentPod) -> Vec<Answer> {
        let all = told(async |answers| question(pod.clone(), answers).await).await;
        all.into_iter().map(|(answer, _)| answer).collect()
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
            let (answers, ()) = tokio::join!(answers(&pod), answering);
            assert_eq!(answers, [expected], "{answer}");
        }
    }

    #[tokio::test]
    async fn whoever_refuses_or_only_accepts_is_there() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pod = pod(listener.local_addr().unwrap());
        // The kernel accepts, nobody answers.
        assert_eq!(answers(&pod).await, [Answer::Unready]);
        drop(listener);
        assert_eq!(answers(&pod).await, [Answer::Unready]);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_told_at_once_and_undone_by_whoever_comes_late() {
        let after = |after: u64, refused: bool| {
            let connecting = async move {
                time::sleep(Duration::from_millis(after)).await;
                let refusal = || Err(io::ErrorKind::ConnectionRefused.into());
                if refused { refusal() } else { Ok(tokio::io::duplex(64).0) }
            };
            told(async |answers| ask("u".into(), connecting, answers).await)
        };
        for refused in [true, false] {
            assert_eq!(after(1_000, refused).await, [(Answer::Silence, 400), (Answer::Late, 1_000)]);
            assert_eq!(after(2_600, refused).await, [(Answer::Silence, 400)]);
        }
        assert_eq!(after(399, true).await, [(Answer::Unready, 399)]);
        let never = future::pending::<io::Result<DuplexStream>>();
        let never = told(async |answers| ask("u".into(), never, answers).await);
        assert_eq!(never.await, [(Answer::Silence, 400)]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_way_to_a_machine_is_silence() {
        let unreachable = async { Err::<DuplexStream, _>(io::ErrorKind::HostUnreachable.into()) };
        let told = told(async |answers| ask("u".into(), unreachable, answers).await);
        assert_eq!(told.await, [(Answer::Silence, 0)]);
    }
}
