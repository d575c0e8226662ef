//! The service: tells who answered and what arrived, in HTTP, gRPC, WebSocket and raw bytes.

use std::io;
use std::net::Ipv6Addr;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time;

use crate::http::{self, Head};

mod answer;
mod count;
mod http2;
mod raw;
#[cfg(test)]
pub(crate) mod tests;
mod websocket;

/// Options of `serve`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Answer HTTP here; may be given several times
    #[arg(long = "port", default_values_t = [8080])]
    pub ports: Vec<u16>,
    /// Answer HTTP/2 with prior knowledge here, and gRPC: each message comes back, /fail/… fails
    #[arg(long)]
    pub http2_port: Option<u16>,
    /// Send back WebSocket messages here
    #[arg(long)]
    pub websocket_port: Option<u16>,
    /// Answer raw bytes here, in the manner that the first line asks for
    #[arg(long)]
    pub raw_port: Option<u16>,
    /// Speak first here, then echo
    #[arg(long)]
    pub greeting_port: Option<u16>,
    /// Who answers; the host's name unless given
    #[arg(long)]
    pub name: Option<String>,
    /// Listen only after so many milliseconds
    #[arg(long, default_value_t = 0)]
    pub listen_after_ms: u64,
    /// Go on accepting for so many milliseconds after SIGTERM
    #[arg(long, default_value_t = 2_000)]
    pub grace_ms: u64,
    /// Print a counted line every so many milliseconds
    #[arg(long)]
    pub talk_ms: Option<u64>,
}

/// Answers until SIGTERM or SIGINT, and ends politely.
///
/// # Errors
///
/// When a port cannot be listened on.
pub async fn run(args: Args) -> io::Result<()> {
    time::sleep(Duration::from_millis(args.listen_after_ms)).await;
    let by = args.name.clone().unwrap_or_else(hostname);
    let (stop, stopping) = watch::channel(Stage::Serving);
    let mut listeners = Vec::new();
    for port in &args.ports {
        listeners.push((listen(*port).await?, Manner::Http));
    }
    for (port, manner) in [
        (args.raw_port, Manner::Raw),
        (args.greeting_port, Manner::Greeting),
        (args.http2_port, Manner::Http2),
        (args.websocket_port, Manner::WebSocket),
    ] {
        if let Some(port) = port {
            listeners.push((listen(port).await?, manner));
        }
    }
    let mut tasks = tokio::task::JoinSet::new();
    for (listener, manner) in listeners {
        crate::say(&json!({ "listening": listener.local_addr()?.port() }));
        tasks.spawn(accept(listener, manner, by.clone(), stopping.clone()));
    }
    let mut talk = tokio::task::JoinSet::new();
    if let Some(every) = args.talk_ms {
        talk.spawn(talking(Duration::from_millis(every), by));
    }
    asked_to_end().await?;
    let _ = stop.send(Stage::Polite);
    time::sleep(Duration::from_millis(args.grace_ms)).await;
    let _ = stop.send(Stage::Closed);
    let _ = time::timeout(FINISH, async { while tasks.join_next().await.is_some() {} }).await;
    Ok(())
}

/// One more line after each pause, for ever.
async fn talking(every: Duration, by: String) {
    let mut count = 0_u64;
    loop {
        count += 1;
        crate::say(&json!({ "says": count, "by": by }));
        time::sleep(every).await;
    }
}

/// Waits for SIGTERM or SIGINT.
///
/// # Errors
///
/// When signals cannot be taken.
pub async fn asked_to_end() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// For how long requests that were taken may go on after the last one was accepted.
const FINISH: Duration = Duration::from_secs(10);

/// How near the end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Far.
    Serving,
    /// Answers tell clients to come back on another connection.
    Polite,
    /// Nothing is accepted any more; idle connections end.
    Closed,
}

/// What is spoken on a port.
#[derive(Debug, Clone, Copy)]
pub enum Manner {
    /// HTTP/1.1.
    Http,
    /// The first line says what happens.
    Raw,
    /// The server speaks first.
    Greeting,
    /// HTTP/2 without TLS, from the first byte on; gRPC is one way to use it.
    Http2,
    /// Messages come back.
    WebSocket,
}

/// Listens on all addresses of both families, or of IPv4 where there is no other.
///
/// # Errors
///
/// When the port is taken.
pub async fn listen(port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind(("0.0.0.0", port)).await,
    }
}

/// Serves one port until the last [`Stage`], and finishes what it has taken; dropped, it cuts all connections.
pub async fn accept(listener: TcpListener, manner: Manner, by: String, stopping: watch::Receiver<Stage>) {
    let mut connections = tokio::task::JoinSet::new();
    let serve = |stream: TcpStream, connections: &mut tokio::task::JoinSet<()>| {
        let _ = stream.set_nodelay(true);
        let (by, stopping) = (by.clone(), stopping.clone());
        connections.spawn(async move {
            // Whoever breaks a connection off notices it at the other end.
            let _ = match manner {
                Manner::Http => answer_all(stream, &by, stopping).await,
                Manner::Raw => raw::talk(stream).await,
                Manner::Greeting => raw::greet(stream, &by).await,
                Manner::Http2 => http2::answer_all(stream, &by, stopping).await,
                Manner::WebSocket => websocket::echo(stream, stopping).await,
            };
        });
    };
    let closed = closed(stopping.clone());
    tokio::pin!(closed);
    loop {
        tokio::select! {
            // Accepting first: what has arrived is taken before the end is noticed.
            biased;
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => serve(stream, &mut connections),
                // Out of descriptors, most likely: they come back when connections end.
                Err(_) => time::sleep(Duration::from_millis(10)).await,
            },
            () = &mut closed => break,
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn answer_all(mut stream: TcpStream, by: &str, stopping: watch::Receiver<Stage>) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader);
    loop {
        tokio::select! {
            // Requests first: one that has arrived is answered also while ending.
            biased;
            begun = reader.fill_buf() => if begun?.is_empty() { return Ok(()) },
            () = closed(stopping.clone()) => return Ok(()),
        }
        let Some(head) = Head::read(&mut reader).await? else { return Ok(()) };
        let body = head.body(&mut reader).await?;
        let answer = answer::answer(&head, &body, by).await;
        let close = head.closes() || *stopping.borrow() != Stage::Serving;
        http::send_answer(&mut writer, head.method(), &answer, close).await?;
        if close {
            return Ok(());
        }
    }
}

/// Waits for the last stage.
async fn closed(mut stopping: watch::Receiver<Stage>) {
    // Without a sender nobody ends anything politely.
    if stopping.wait_for(|stage| *stage == Stage::Closed).await.is_err() {
        std::future::pending().await
    }
}

fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}
