//! Raw connections to `serve`: what TCP promises, checked byte by byte.

use std::io;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time;

use crate::bytes::{self, Pattern};

const PIECE: usize = 256 * 1024;
/// No step of any of these checks takes longer on a machine that works at all.
const PATIENCE: Duration = Duration::from_secs(240);

/// Options of `raw`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub check: Check,
}

/// What can be done with raw connections.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Check {
    /// Opens many connections, and talks on all of them while all are open
    Many {
        /// Of `serve --raw-port`
        address: String,
        /// How many connections
        #[arg(long, default_value_t = 1_000)]
        count: usize,
    },
    /// Sends many bytes; the service tells what it got
    Up {
        /// Of `serve --raw-port`
        address: String,
        /// How many
        #[arg(long)]
        bytes: u64,
    },
    /// Has many bytes sent
    Down {
        /// Of `serve --raw-port`
        address: String,
        /// How many
        #[arg(long)]
        bytes: u64,
    },
    /// Ends its own direction first, then reads; and the other way round
    HalfClose {
        /// Of `serve --raw-port`
        address: String,
    },
    /// Has the service reset the connection
    Reset {
        /// Of `serve --raw-port`
        address: String,
    },
    /// Waits for the service to speak first
    Greeting {
        /// Of `serve --greeting-port`
        address: String,
    },
}

/// Prints one JSON line with what happened.
///
/// # Errors
///
/// When something did not happen as TCP promises; the text says what.
pub async fn run(args: Args) -> io::Result<()> {
    let started = Instant::now();
    let mut told = time::timeout(PATIENCE, check(args.check))
        .await
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "not done in time")))?;
    if let Some(told) = told.as_object_mut() {
        told.insert("seconds".to_owned(), json!(started.elapsed().as_secs_f64()));
    }
    crate::say(&told);
    Ok(())
}

async fn check(check: Check) -> io::Result<Value> {
    match check {
        Check::Many { address, count } => many(&address, count).await,
        Check::Up { address, bytes } => up(&address, bytes).await,
        Check::Down { address, bytes } => down(&address, bytes).await,
        Check::HalfClose { address } => half_close(&address).await,
        Check::Reset { address } => reset(&address).await,
        Check::Greeting { address } => greeting(&address).await,
    }
}

async fn open(address: &str, manner: &str) -> io::Result<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(format!("{manner}\n").as_bytes()).await?;
    Ok(BufReader::with_capacity(64 * 1024, stream))
}

async fn many(address: &str, count: usize) -> io::Result<Value> {
    let mut opening = JoinSet::new();
    for number in 0..count {
        let address = address.to_owned();
        opening.spawn(async move {
            let mut stream = open(&address, "echo").await?;
            talk(&mut stream, number as u64).await?;
            io::Result::Ok((number, stream))
        });
    }
    let mut flows = Vec::new();
    while let Some(opened) = opening.join_next().await {
        flows.push(opened.map_err(io::Error::other)??);
    }
    // All are open now; each must still be itself.
    let mut talking = JoinSet::new();
    for (number, mut stream) in flows {
        talking.spawn(async move {
            talk(&mut stream, (number + count) as u64).await?;
            stream.get_mut().shutdown().await?;
            match stream.read_to_end(&mut Vec::new()).await? {
                0 => io::Result::Ok(()),
                more => Err(io::Error::other(format!("{more} bytes after the end"))),
            }
        });
    }
    while let Some(talked) = talking.join_next().await {
        talked.map_err(io::Error::other)??;
    }
    Ok(json!({ "flows": count }))
}

async fn talk(stream: &mut BufReader<TcpStream>, seed: u64) -> io::Result<()> {
    let said = Pattern::new(seed).take(1024);
    stream.get_mut().write_all(&said).await?;
    let mut heard = vec![0; said.len()];
    stream.read_exact(&mut heard).await?;
    if heard == said { Ok(()) } else { Err(io::Error::other("other bytes came back")) }
}

async fn up(address: &str, count: u64) -> io::Result<Value> {
    let mut stream = open(address, "sink").await?;
    let mut hash = Sha256::new();
    let mut pattern = Pattern::new(1);
    let mut piece = vec![0; PIECE];
    let mut left = count;
    while left > 0 {
        pattern.fill(&mut piece);
        let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let piece = piece.get(..length).unwrap_or_default();
        hash.update(piece);
        stream.get_mut().write_all(piece).await?;
        left -= length as u64;
    }
    stream.get_mut().shutdown().await?;
    let mut told = String::new();
    stream.read_line(&mut told).await?;
    let sha256 = bytes::hex(hash.finalize().as_slice());
    if told.trim_end() != format!("{count} {sha256}") {
        return Err(io::Error::other(format!("sent {count} {sha256}, arrived {}", told.trim_end())));
    }
    Ok(json!({ "bytes": count, "sha256": sha256 }))
}

async fn down(address: &str, count: u64) -> io::Result<Value> {
    let mut stream = open(address, &format!("source {count} 2")).await?;
    let (mut sent, mut arrived) = (Sha256::new(), Sha256::new());
    let mut pattern = Pattern::new(2);
    let (mut expected, mut piece) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut left = count;
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(PIECE).min(piece.len());
        stream.read_exact(piece.get_mut(..length).unwrap_or_default()).await?;
        pattern.fill(&mut expected);
        sent.update(expected.get(..length).unwrap_or_default());
        arrived.update(piece.get(..length).unwrap_or_default());
        left -= length as u64;
    }
    if stream.read(&mut [0; 1]).await? != 0 {
        return Err(io::Error::other("bytes after the end"));
    }
    let (sent, arrived) = (bytes::hex(sent.finalize().as_slice()), bytes::hex(arrived.finalize().as_slice()));
    if sent != arrived {
        return Err(io::Error::other(format!("sent {sent}, arrived {arrived}")));
    }
    Ok(json!({ "bytes": count, "sha256": arrived }))
}

async fn half_close(address: &str) -> io::Result<Value> {
    // Ours first: the answer comes only after our end was seen.
    up(address, 100_000).await?;
    // The service's first: what we send after that must still arrive.
    let key = format!("{}-{:?}", std::process::id(), Instant::now());
    let key = key.replace(' ', "");
    let mut stream = open(address, &format!("first {key}")).await?;
    if stream.read(&mut [0; 1]).await? != 0 {
        return Err(io::Error::other("bytes from a direction that ended"));
    }
    stream.get_mut().write_all(&Pattern::new(3).take(50_000)).await?;
    stream.get_mut().shutdown().await?;
    let mut tries = time::interval(Duration::from_millis(50));
    loop {
        tries.tick().await;
        let mut asked = open(address, &format!("heard {key}")).await?;
        let mut heard = String::new();
        asked.read_line(&mut heard).await?;
        match heard.trim_end() {
            "nothing" => {}
            "50000" => return Ok(json!({ "half": "closed" })),
            other => {
                return Err(io::Error::other(format!("sent 50000 after the half-close, arrived {other}")));
            }
        }
    }
}

async fn reset(address: &str) -> io::Result<Value> {
    let mut stream = open(address, "reset").await?;
    match stream.read(&mut [0; 1]).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(json!({ "reset": true })),
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::other("a clean end where the service reset the connection")),
    }
}

async fn greeting(address: &str) -> io::Result<Value> {
    let mut stream = BufReader::new(TcpStream::connect(address).await?);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let by =
        line.trim_end().strip_prefix("220 ").ok_or_else(|| io::Error::other(format!("heard {line:?}")))?;
    Ok(json!({ "by": by }))
}
