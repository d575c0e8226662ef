//! Asks at a steady rate, as many clients together would, and counts every answer that is missing or wrong.
//!
//! Two kinds of client, because a swap meets them differently: one makes a connection for each request, the other
//! keeps its connections. A kept connection that the server ends between two requests is opened again, as every
//! client does, and is no failure; a request that was sent and not answered is one, and is not sent again.

use std::convert::Infallible;
use std::io::{self, Read as _};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::{self, Instant, MissedTickBehavior};

use crate::bytes::{self, Pattern};
use crate::http::{self, Url};

mod tally;

pub use tally::{Asked, Failure, Summary, Tally};

/// Requests that are waited for at the same time by clients of the first kind.
const MAX_OPEN: usize = 2_000;

/// Options of `load`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where to ask
    pub url: Url,
    /// Requests a second on fresh connections
    #[arg(long, default_value_t = 0)]
    pub fresh: u32,
    /// Requests a second on kept connections, all together
    #[arg(long, default_value_t = 0)]
    pub kept: u32,
    /// How many connections are kept
    #[arg(long, default_value_t = 20)]
    pub connections: u32,
    /// Every other request is a POST with so many bytes; 0 for GET only
    #[arg(long, default_value_t = 1_000)]
    pub body: usize,
    /// End after so many seconds, or when standard input ends or says anything
    #[arg(long)]
    pub seconds: Option<u64>,
    /// An answer that takes longer has failed
    #[arg(long, default_value_t = 10_000)]
    pub timeout_ms: u64,
}

/// Prints a [`Summary`] each second and one at the end. True when nothing failed.
pub async fn run(args: Args) -> bool {
    let tally = Tally::new();
    let until = async {
        match args.seconds {
            Some(seconds) => time::sleep(Duration::from_secs(seconds)).await,
            None => told_to_end().await,
        }
    };
    let summary = tokio::select! {
        summary = ask(&args, Arc::clone(&tally), until) => summary,
        never = tell(&tally) => match never {},
    };
    crate::say(&summary);
    summary.failed == 0
}

/// Waits until standard input ends or says anything. Not through the runtime, which would wait for the read to return
/// before it ends.
async fn told_to_end() {
    let (told, heard) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = io::stdin().read(&mut [0; 16]);
        let _ = told.send(());
    });
    let _ = heard.await;
}

async fn tell(tally: &Tally) -> Infallible {
    let mut second = time::interval(Duration::from_secs(1));
    loop {
        second.tick().await;
        crate::say(&tally.summary(false));
    }
}

/// Asks until `until` ends; gives what was counted, after open requests ended too.
pub async fn ask(args: &Args, tally: Arc<Tally>, until: impl Future<Output = ()>) -> Summary {
    let mut clients = JoinSet::new();
    if args.fresh > 0 {
        clients.spawn(ask_fresh(args.clone(), Arc::clone(&tally)));
    }
    let connections = args.connections.clamp(1, args.kept.max(1));
    for number in 0..if args.kept > 0 { connections } else { 0 } {
        clients.spawn(ask_kept(args.clone(), number, connections, Arc::clone(&tally)));
    }
    until.await;
    tally.stop();
    while clients.join_next().await.is_some() {}
    tally.finish(Duration::from_millis(args.timeout_ms)).await
}

fn ticks(a_second: f64) -> time::Interval {
    let mut ticks = time::interval(Duration::from_secs_f64(1.0 / a_second));
    // A machine that was busy catches up, so that the number of requests does not depend on it.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    ticks
}

async fn ask_fresh(args: Args, tally: Arc<Tally>) {
    let open = Arc::new(Semaphore::new(MAX_OPEN));
    let mut ticks = ticks(f64::from(args.fresh));
    let mut requests = JoinSet::new();
    let mut number = 0_u64;
    while !tally.stopped() {
        ticks.tick().await;
        while requests.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&open).acquire_owned().await else { return };
        number += 1;
        let (args, tally) = (args.clone(), Arc::clone(&tally));
        requests.spawn(async move {
            let _permit = permit;
            let mut client = Client { url: &args.url, kept: None, close: true };
            once(&mut client, &args, number, &tally, "fresh").await;
        });
    }
    while requests.join_next().await.is_some() {}
}

async fn ask_kept(args: Args, client_number: u32, clients: u32, tally: Arc<Tally>) {
    let mut client = Client { url: &args.url, kept: None, close: false };
    let each = f64::from(args.kept) / f64::from(clients);
    // Spread over the period, so that the clients do not ask all at once.
    time::sleep(Duration::from_secs_f64(f64::from(client_number) / f64::from(args.kept))).await;
    let mut ticks = ticks(each);
    let mut number = u64::from(client_number) << 32;
    while !tally.stopped() {
        ticks.tick().await;
        number += 1;
        once(&mut client, &args, number, &tally, "kept").await;
    }
}

/// Sends one request and counts what came of it.
async fn once(client: &mut Client<'_>, args: &Args, number: u64, tally: &Tally, kind: &'static str) {
    let body = if number.is_multiple_of(2) { Pattern::new(number).take(args.body) } else { Vec::new() };
    let sent = tally.sent();
    let started = Instant::now();
    let result = match time::timeout(Duration::from_millis(args.timeout_ms), client.ask(&body)).await {
        Ok(result) => result,
        Err(_) => Err(Problem::new("wait", "no answer in time")),
    };
    if result.is_err() {
        client.kept = None;
    }
    let method = if body.is_empty() { "GET" } else { "POST" };
    sent.ended(kind, method, started.elapsed(), result);
}

/// What went wrong, and at which step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `connect`, `send`, `wait`, `check`.
    pub step: &'static str,
    /// For people.
    pub why: String,
}

impl Problem {
    fn new(step: &'static str, why: impl ToString) -> Self {
        Self { step, why: why.to_string() }
    }
}

struct Client<'a> {
    url: &'a Url,
    kept: Option<BufReader<TcpStream>>,
    close: bool,
}

impl Client<'_> {
    /// Gives who answered.
    async fn ask(&mut self, body: &[u8]) -> Result<String, Problem> {
        let mut stream = match self.kept.take().filter(is_open) {
            Some(stream) => stream,
            None => {
                let stream =
                    TcpStream::connect(self.url.address()).await.map_err(|e| Problem::new("connect", e))?;
                stream.set_nodelay(true).map_err(|e| Problem::new("connect", e))?;
                BufReader::new(stream)
            }
        };
        http::send_request(stream.get_mut(), self.url, body, self.close)
            .await
            .map_err(|e| Problem::new("send", e))?;
        let (head, answer) = http::read_answer(&mut stream).await.map_err(|e| Problem::new("wait", e))?;
        let by = check(&head, &answer, body)?;
        if !head.closes() && !self.close {
            self.kept = Some(stream);
        }
        Ok(by)
    }
}

/// Whether a kept connection can take another request: the server has neither ended it nor said anything unasked.
fn is_open(stream: &BufReader<TcpStream>) -> bool {
    let mut byte = [0; 1];
    stream.buffer().is_empty()
        && matches!(stream.get_ref().try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

fn check(head: &http::Head, answer: &[u8], body: &[u8]) -> Result<String, Problem> {
    let status = head.status().map_err(|e| Problem::new("check", e))?;
    if status != 200 {
        return Err(Problem::new("check", format!("status {status}: {}", String::from_utf8_lossy(answer))));
    }
    let answer: Value = serde_json::from_slice(answer)
        .map_err(|e| Problem::new("check", format!("answer is not JSON: {e}")))?;
    // A service that hashes is held to the hash.
    if let Some(hash) = answer.get("sha256").and_then(Value::as_str)
        && hash != bytes::sha256(body)
    {
        return Err(Problem::new("check", "the service got other bytes than were sent"));
    }
    Ok(answer.get("by").and_then(Value::as_str).unwrap_or("?").to_owned())
}

#[cfg(test)]
#[path = "load/tests.rs"]
mod tests;
