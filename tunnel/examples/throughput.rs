//! What the tunnel costs: the same work over plain TCP and through a session whose carrier is TCP, in one run.
//!
//! `cargo run --release -p devbridge-tunnel --example throughput -- [rounds] [MiB] [way]`
//!
//! The two ends are two processes with one thread each, on loopback. Rounds are interleaved and medians are
//! shown, because the machine is rarely quiet; CPU seconds of both ends together say more than speed then. `up` is from the laptop to the agent; `requests` are 128 bytes
//! there and 1,024 back, 64 at a time, on kept flows and on a fresh flow each; `spliced` has a TCP connection at
//! each end of the flow, as the product has.

#![allow(clippy::print_stdout, reason = "it prints a table")]
#![allow(clippy::disallowed_methods, reason = "what is spawned ends with the process")]

use std::{
    env,
    error::Error,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use devbridge_tunnel::{
    Connection, Priority, Token,
    accept::Acceptor,
    carrier::{Carrier, Dial},
    connect::{Connect, connect},
    identity::KeyPair,
    message::Open,
    splice::splice,
};
use futures::{FutureExt, future::BoxFuture};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, join},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const BLOCK: usize = 64 << 10;
const AT_ONCE: usize = 64;
const REQUESTS: usize = 300;
const QUESTION: usize = 128;
const ANSWER: usize = 1024;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}
type Io = Box<dyn Stream>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    match arguments.next().as_deref() {
        Some("agent") => agent().await,
        rounds => {
            let rounds = rounds.unwrap_or("5").parse()?;
            let size = arguments.next().unwrap_or_else(|| "256".into()).parse::<u64>()? << 20;
            laptop(rounds, size, arguments.next()).await
        }
    }
}

// The agent's side: does what the first byte of a stream asks for.

async fn agent() -> Result<()> {
    let raw = TcpListener::bind("127.0.0.1:0").await?;
    let control = TcpListener::bind("127.0.0.1:0").await?;
    println!("{} {}", raw.local_addr()?, control.local_addr()?);
    let raw_addr = raw.local_addr()?;
    tokio::spawn(async move {
        while let Ok((tcp, _)) = raw.accept().await {
            let _ = tcp.set_nodelay(true);
            tokio::spawn(async move { serve(Box::new(tcp)).await });
        }
    });
    let laptop = KeyPair::from_seed([1; 32]).public();
    let mut acceptor = Acceptor::new(control, KeyPair::from_seed([2; 32]), laptop)?;
    loop {
        let connection = acceptor.accept().await?;
        tokio::spawn(async move {
            while let Some(incoming) = connection.accept().await {
                tokio::spawn(async move {
                    let (open, flow) = incoming.header().await?;
                    if matches!(open, Open::Outbound { .. }) {
                        let tcp = TcpStream::connect(raw_addr).await?;
                        tcp.set_nodelay(true)?;
                        splice(tcp, flow).await;
                        return Ok(());
                    }
                    serve(Box::new(join(flow.recv, flow.send))).await
                });
            }
        });
    }
}

async fn serve(mut io: Io) -> Result<()> {
    let mut block = vec![0; BLOCK];
    match io.read_u8().await? {
        b'U' => {
            let mut left = io.read_u64().await?;
            while left > 0 {
                left = left.saturating_sub(io.read(&mut block).await? as u64);
            }
            io.write_u8(1).await?;
        }
        b'D' => {
            for _ in 0..io.read_u64().await? / BLOCK as u64 {
                io.write_all(&block).await?;
            }
        }
        _ => loop {
            io.read_exact(&mut block[..QUESTION]).await?;
            io.write_all(&block[..ANSWER]).await?;
        },
    }
    io.shutdown().await?;
    while io.read(&mut block).await? > 0 {}
    Ok(())
}

// The laptop's side: measures.

/// The ways from here to there.
#[derive(Clone)]
enum Way {
    Raw(SocketAddr),
    Tunnel(Connection),
    Spliced(Connection),
}

impl Way {
    async fn open(&self) -> Result<Io> {
        Ok(match self {
            Self::Raw(addr) => {
                let tcp = TcpStream::connect(addr).await?;
                tcp.set_nodelay(true)?;
                Box::new(tcp)
            }
            Self::Tunnel(connection) => {
                let flow = connection.open(&Open::Dns, Priority::Flow).await?;
                Box::new(join(flow.recv, flow.send))
            }
            Self::Spliced(connection) => {
                let listener = TcpListener::bind("127.0.0.1:0").await?;
                let (ours, theirs) =
                    tokio::join!(TcpStream::connect(listener.local_addr()?), listener.accept());
                let (ours, theirs) = (ours?, theirs?.0);
                ours.set_nodelay(true)?;
                theirs.set_nodelay(true)?;
                let open = Open::Outbound { to: SocketAddr::from(([0, 0, 0, 0], 0)) };
                let flow = connection.open(&open, Priority::Flow).await?;
                tokio::spawn(splice(theirs, flow));
                Box::new(ours)
            }
        })
    }
}

struct Wire(SocketAddr);

impl Dial for Wire {
    fn dial(&self) -> BoxFuture<'_, std::io::Result<Carrier>> {
        async {
            let tcp = TcpStream::connect(self.0).await?;
            tcp.set_nodelay(true)?;
            Ok(Carrier::from_io(tcp))
        }
        .boxed()
    }
}

/// The other process; ends with this one.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn laptop(rounds: usize, size: u64, only: Option<String>) -> Result<()> {
    let mut agent = Agent(Command::new(env::current_exe()?).arg("agent").stdout(Stdio::piped()).spawn()?);
    let mut line = String::new();
    BufReader::new(agent.0.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let (raw, control) = line.trim().split_once(' ').ok_or("no addresses")?;
    let connection = connect(Connect {
        keys: KeyPair::from_seed([1; 32]),
        agent: KeyPair::from_seed([2; 32]).public(),
        token: Token::generate()?,
        dial: Arc::new(Wire(control.parse()?)),
        resume: Duration::from_secs(60),
    })
    .await?;
    let mut ways = vec![
        ("raw", Way::Raw(raw.parse()?)),
        ("tunnel", Way::Tunnel(connection.clone())),
        ("spliced", Way::Spliced(connection)),
    ];
    ways.retain(|(name, _)| only.as_ref().is_none_or(|only| only == name));
    let both = [std::process::id(), agent.0.id()];
    let gib = size as f64 / f64::from(1 << 30);
    let mut results = vec![[const { Vec::new() }; 6]; ways.len()];
    for _ in 0..rounds {
        for ((_, way), result) in ways.iter().zip(&mut results) {
            let before = cpu(both)?;
            result[0].push(upload(way, size).await?);
            let between = cpu(both)?;
            result[1].push(download(way, size).await?);
            let after = cpu(both)?;
            result[2].push((between - before) / gib);
            result[3].push((after - between) / gib);
            result[4].push(requests(way, false).await?);
            result[5].push(requests(way, true).await?);
        }
    }
    let titles = ["up MB/s", "down MB/s", "up s/GiB", "down s/GiB", "requests/s", "fresh flows/s"];
    println!("{:8} {}", "", titles.map(|title| format!("{title:>14}")).join(""));
    let raw = results[0].each_ref().map(|values| median(values));
    for ((name, _), result) in ways.iter().zip(&results) {
        let values = result.each_ref().map(|values| median(values));
        println!("{name:8} {}", values.map(|value| format!("{value:14.2}")).join(""));
        let ratios: Vec<String> =
            values.iter().zip(raw).map(|(v, raw)| format!("{:14.2}", v / raw)).collect();
        println!("{:8} {}", "  / raw", ratios.join(""));
    }
    Ok(())
}

/// CPU seconds that processes have used, in the kernel and out of it (`proc(5)`, fields 14 and 15).
fn cpu(processes: [u32; 2]) -> Result<f64> {
    let mut ticks = 0;
    for process in processes {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
        let fields = stat.rsplit_once(')').ok_or("no process state")?.1.split_whitespace();
        for field in fields.skip(11).take(2) {
            ticks += field.parse::<u64>()?;
        }
    }
    Ok(ticks as f64 / 100.0)
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn upload(way: &Way, size: u64) -> Result<f64> {
    let mut io = way.open().await?;
    let started = Instant::now();
    io.write_u8(b'U').await?;
    io.write_u64(size).await?;
    let block = vec![7; BLOCK];
    for _ in 0..size / BLOCK as u64 {
        io.write_all(&block).await?;
    }
    io.read_u8().await?;
    let speed = size as f64 / 1e6 / started.elapsed().as_secs_f64();
    io.shutdown().await?;
    Ok(speed)
}

async fn download(way: &Way, size: u64) -> Result<f64> {
    let mut io = way.open().await?;
    let started = Instant::now();
    io.write_u8(b'D').await?;
    io.write_u64(size).await?;
    io.shutdown().await?;
    let (mut block, mut got) = (vec![0; BLOCK], 0);
    loop {
        match io.read(&mut block).await? {
            0 => break,
            read => got += read as u64,
        }
    }
    if got != size {
        return Err(format!("{got} bytes of {size}").into());
    }
    Ok(size as f64 / 1e6 / started.elapsed().as_secs_f64())
}

async fn requests(way: &Way, fresh: bool) -> Result<f64> {
    let each = if fresh { REQUESTS / 3 } else { REQUESTS };
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..AT_ONCE {
        let way = way.clone();
        callers.spawn(async move {
            let mut io = way.open().await?;
            let mut answer = [0; ANSWER];
            for number in 0..each {
                if fresh && number > 0 {
                    io = way.open().await?;
                }
                if fresh || number == 0 {
                    io.write_u8(b'R').await?;
                }
                io.write_all(&[1; QUESTION]).await?;
                io.read_exact(&mut answer).await?;
            }
            Result::Ok(())
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller??;
    }
    Ok((AT_ONCE * each) as f64 / started.elapsed().as_secs_f64())
}
