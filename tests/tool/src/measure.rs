//! How fast a way to `serve --raw-port` is: bytes each way, and exchanges of 128 bytes, for benchmarks.
//!
//! A closed loop: the next exchange begins when the last one has ended, so a slow way is asked less often.

mod http;

use std::io;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time;

/// Bytes of one exchange in either direction.
const EXCHANGE: usize = 128;
const PIECE: usize = 256 * 1024;
/// No single measurement takes longer on a way that works at all.
const PATIENCE: Duration = Duration::from_secs(120);

/// Options of `measure`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Of `serve --raw-port`, or with --http of `serve --port`
    address: String,
    /// Speak HTTP/1.1
    #[arg(long)]
    http: bool,
    /// Bytes each way
    #[arg(long, default_value_t = 128 << 20)]
    bytes: u64,
    /// Milliseconds for each kind of exchange
    #[arg(long, default_value_t = 2_000)]
    milliseconds: u64,
}

/// Prints one JSON line with all figures: `up` and `down` in MB/s, `serial`, `kept` (64 connections at a time) and
/// `fresh` (a connection per exchange, 16 at a time) with exchanges per second, and p50 and p99 in µs.
///
/// # Errors
///
/// When the way does not carry what it should.
pub async fn run(args: Args) -> io::Result<()> {
    let limit = Duration::from_millis(args.milliseconds);
    let address = args.address.as_str();
    let http = args.http;
    let told = json!({
        "up": patiently(up(address, args.bytes, http)).await?,
        "down": patiently(down(address, args.bytes, http)).await?,
        "serial": patiently(exchanges(address, 1, limit, false, http)).await?,
        "kept": patiently(exchanges(address, 64, limit, false, http)).await?,
        "fresh": patiently(exchanges(address, 16, limit, true, http)).await?,
    });
    crate::say(&told);
    Ok(())
}

async fn patiently<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    time::timeout(PATIENCE, work).await.unwrap_or_else(|late| Err(late.into()))
}

async fn open(address: &str, manner: &str) -> io::Result<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(format!("{manner}\n").as_bytes()).await?;
    Ok(BufReader::with_capacity(PIECE, stream))
}

/// MB/s, until the service has told what it got.
async fn up(address: &str, bytes: u64, http: bool) -> io::Result<f64> {
    if http {
        let mut kept = http::Kept::open(address).await?;
        let started = Instant::now();
        kept.up(bytes).await?;
        return Ok(rate(bytes, started));
    }
    let mut stream = open(address, &format!("take {bytes}")).await?;
    let piece = vec![7; PIECE];
    let started = Instant::now();
    let mut left = bytes;
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        stream.get_mut().write_all(piece.get(..length).unwrap_or_default()).await?;
        left -= length as u64;
    }
    let mut answer = String::new();
    stream.read_line(&mut answer).await?;
    if answer.trim_end() != bytes.to_string() {
        return Err(io::Error::other(format!("{bytes} bytes sent, the service tells: {answer}")));
    }
    Ok(rate(bytes, started))
}

/// MB/s, until all is there.
async fn down(address: &str, bytes: u64, http: bool) -> io::Result<f64> {
    if http {
        let mut kept = http::Kept::open(address).await?;
        let started = Instant::now();
        kept.down(bytes).await?;
        return Ok(rate(bytes, started));
    }
    let mut stream = open(address, &format!("source {bytes} 1")).await?;
    let started = Instant::now();
    let mut piece = vec![0; PIECE];
    let mut got = 0;
    while got < bytes {
        match stream.read(&mut piece).await? {
            0 => return Err(io::Error::other(format!("{got} of {bytes} bytes came"))),
            length => got += length as u64,
        }
    }
    Ok(rate(bytes, started))
}

#[allow(clippy::cast_precision_loss, reason = "a figure for people")]
fn rate(bytes: u64, started: Instant) -> f64 {
    bytes as f64 / started.elapsed().as_secs_f64() / 1e6
}

async fn exchanges(
    address: &str,
    callers: usize,
    limit: Duration,
    fresh: bool,
    http: bool,
) -> io::Result<Value> {
    let started = Instant::now();
    let end = started + limit;
    let mut running = JoinSet::new();
    for _ in 0..callers {
        let address = address.to_owned();
        running.spawn(async move {
            if http { asker(address, end, fresh).await } else { caller(address, end, fresh).await }
        });
    }
    let mut took = Vec::new();
    while let Some(caller) = running.join_next().await {
        took.extend(caller.map_err(io::Error::other)??);
    }
    let seconds = started.elapsed().as_secs_f64();
    took.sort_unstable();
    let part = |percent: usize| took.get(took.len() * percent / 100).map_or(0, Duration::as_micros);
    Ok(json!({
        "per_second": (took.len() as f64 / seconds).round(), "p50_us": part(50), "p99_us": part(99),
    }))
}

async fn caller(address: String, end: Instant, fresh: bool) -> io::Result<Vec<Duration>> {
    let mut took = Vec::new();
    let mut kept = if fresh { None } else { Some(open(&address, "echo").await?) };
    let mut answer = [0; EXCHANGE];
    while Instant::now() < end {
        let started = Instant::now();
        let mut one;
        let stream = match &mut kept {
            Some(kept) => kept,
            None => {
                one = open(&address, "echo").await?;
                &mut one
            }
        };
        stream.get_mut().write_all(&[7; EXCHANGE]).await?;
        stream.read_exact(&mut answer).await?;
        took.push(started.elapsed());
    }
    Ok(took)
}

async fn asker(address: String, end: Instant, fresh: bool) -> io::Result<Vec<Duration>> {
    let mut took = Vec::new();
    let mut kept = if fresh { None } else { Some(http::Kept::open(&address).await?) };
    while Instant::now() < end {
        let started = Instant::now();
        match &mut kept {
            Some(kept) => kept.exchange().await?,
            None => http::Kept::open(&address).await?.exchange().await?,
        }
        took.push(started.elapsed());
    }
    Ok(took)
}
