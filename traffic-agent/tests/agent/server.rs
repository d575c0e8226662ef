//! Servers and callers that speak just enough HTTP/1.1.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use crate::within;

/// An HTTP/1.1 server that answers each request with its own name and the request's body.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    pub(crate) answered: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

/// What a server does besides answering.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Habits {
    /// Time between a request and its answer.
    pub(crate) delay: Duration,
    /// Ends the connection after so many answers, without having said so.
    pub(crate) answers: Option<usize>,
    /// Reads a request, then breaks the connection without an answer.
    pub(crate) breaks: bool,
}

impl Server {
    pub(crate) async fn start(name: &'static str) -> Self {
        Self::start_with(name, Habits::default()).await
    }

    pub(crate) async fn start_with(name: &'static str, habits: Habits) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), name, habits).await
    }

    pub(crate) async fn start_at(addr: SocketAddr, name: &'static str, habits: Habits) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(addr).unwrap();
        let listener = socket.listen(1024).unwrap();
        let addr = listener.local_addr().unwrap();
        let answered = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&answered);
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let count = Arc::clone(&count);
                connections.spawn(async move { drop(serve(tcp, name, habits, &count).await) });
            }
        });
        Self { addr, answered, accepting }
    }

    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    /// What the kernel does when the process is killed: nobody listens, every connection ends.
    pub(crate) async fn kill(self) -> SocketAddr {
        self.accepting.abort();
        let _ = self.accepting.await;
        self.addr
    }
}

async fn serve(tcp: TcpStream, name: &str, habits: Habits, count: &AtomicUsize) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let mut tcp = BufReader::new(tcp);
    let mut answers = 0;
    while let Some((head, body)) = message(&mut tcp).await? {
        if habits.breaks {
            tcp.get_ref().set_zero_linger()?;
            return Ok(());
        }
        if !habits.delay.is_zero() {
            tokio::time::sleep(habits.delay).await;
        }
        let method = head.split(' ').next().unwrap_or_default();
        let body = format!("{name} {method} {body}");
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        tcp.get_mut().write_all(answer.as_bytes()).await?;
        count.fetch_add(1, Ordering::SeqCst);
        answers += 1;
        if habits.answers == Some(answers) {
            return Ok(());
        }
    }
    Ok(())
}

/// The next message with a `Content-Length`, or none: head and body.
async fn message(tcp: &mut BufReader<TcpStream>) -> io::Result<Option<(String, String)>> {
    let mut head = String::new();
    loop {
        let before = head.len();
        if tcp.read_line(&mut head).await? == 0 {
            return if before == 0 { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        if head.ends_with("\r\n\r\n") {
            break;
        }
    }
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:").map(|n| n.trim().parse()))
        .unwrap_or(Ok(0))
        .map_err(io::Error::other)?;
    let mut body = vec![0; length];
    tcp.read_exact(&mut body).await?;
    Ok(Some((head, String::from_utf8(body).map_err(io::Error::other)?)))
}

/// A caller with one connection that it keeps alive.
pub(crate) struct Caller {
    tcp: BufReader<TcpStream>,
    /// The last answer said that the connection ends.
    pub(crate) told_to_leave: bool,
}

impl Caller {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let tcp = TcpStream::connect(addr).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        Self { tcp: BufReader::new(tcp), told_to_leave: false }
    }

    pub(crate) async fn try_ask(&mut self, method: &str, body: &str) -> io::Result<String> {
        let request =
            format!("{method} / HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        self.tcp.get_mut().write_all(request.as_bytes()).await?;
        let (head, body) = message(&mut self.tcp).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.told_to_leave = head.to_ascii_lowercase().contains("connection: close");
        Ok(body)
    }

    pub(crate) async fn ask(&mut self, method: &str, body: &str) -> String {
        within("an answer", self.try_ask(method, body)).await.unwrap()
    }

    pub(crate) async fn get(&mut self) -> String {
        self.ask("GET", "").await
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.tcp.get_mut().write_all(bytes).await.unwrap();
    }

    /// Everything up to the end.
    pub(crate) async fn rest(&mut self) -> io::Result<String> {
        let mut rest = String::new();
        within("the end", self.tcp.read_to_string(&mut rest)).await.map(|_| rest)
    }
}

/// One request on a connection of its own.
pub(crate) async fn get(addr: SocketAddr) -> String {
    Caller::connect(addr).await.get().await
}

/// An address where nobody listens.
pub(crate) async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}
