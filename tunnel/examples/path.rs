//! How the tunnel behaves on a path with a delay, a limit and a buffer: what a saturating transfer gets, how long an
//! exchange waits beside it, and how soon it is answered when the carrier was replaced.
//!
//! `cargo run --release -p devbridge-tunnel --example path -- [MB/s] [round trip in ms] [buffer in KiB] [cuts]`
//!
//! Both ends and the path are in one process. The buffer is what lies between the ends and holds back its writer when it
//! is full, as TCP connections in a row do.

#![allow(clippy::print_stdout, reason = "it prints a table")]
#![allow(clippy::disallowed_methods, reason = "what is spawned ends with the process")]

use std::{
    env,
    error::Error,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use devbridge_tunnel::{
    Connection, LinkState, Priority, Token,
    accept::Acceptor,
    carrier::{Carrier, Dial},
    connect::{Connect, connect},
    identity::KeyPair,
    message::Open,
};
use futures::{FutureExt, future::BoxFuture};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const MEASURE: Duration = Duration::from_secs(5);
/// Lost, or silent, for so long before the next carrier.
const OUTAGE: Duration = Duration::from_secs(2);

/// The way to the agent.
struct Path {
    agent: std::net::SocketAddr,
    rate: f64,
    delay: Duration,
    buffer: usize,
    away: AtomicBool,
    carriers: Mutex<JoinSet<()>>,
    /// Of the newest carrier.
    frozen: Mutex<Arc<AtomicBool>>,
}

impl Dial for Path {
    fn dial(&self) -> BoxFuture<'_, io::Result<Carrier>> {
        async {
            if self.away.load(Relaxed) {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let tcp = TcpStream::connect(self.agent).await?;
            tcp.set_nodelay(true)?;
            let (ours, theirs) = duplex(64 << 10);
            let (from_agent, to_agent) = tcp.into_split();
            let (from_laptop, to_laptop) = tokio::io::split(theirs);
            let mut carriers = self.carriers.lock().map_err(|_| io::ErrorKind::Other)?;
            let frozen = Arc::new(AtomicBool::new(false));
            *self.frozen.lock().map_err(|_| io::ErrorKind::Other)? = frozen.clone();
            let (rate, delay, buffer) = (self.rate, self.delay, self.buffer);
            carriers.spawn(carry(from_laptop, to_agent, rate, delay, buffer, frozen.clone()));
            carriers.spawn(carry(from_agent, to_laptop, rate, delay, buffer, frozen));
            Ok(Carrier::from_io(ours))
        }
        .boxed()
    }
}

/// One direction: bytes wait in the buffer, leave it at the limit's pace, and arrive after the delay.
async fn carry<R, W>(
    mut from: R,
    mut to: W,
    rate: f64,
    delay: Duration,
    buffer: usize,
    frozen: Arc<AtomicBool>,
) where
    R: tokio::io::AsyncRead + Unpin,
    W: tokio::io::AsyncWrite + Unpin,
{
    let room = Arc::new(Semaphore::new(buffer));
    let (queue, mut leaving) = mpsc::unbounded_channel::<(Vec<u8>, Instant)>();
    let (sent, mut arriving) = mpsc::unbounded_channel::<(Vec<u8>, Instant)>();
    let fill = async {
        let mut block = vec![0; 16 << 10];
        while let Ok(length @ 1..) = from.read(&mut block).await {
            let Ok(permit) = room.acquire_many(length as u32).await else { return };
            permit.forget();
            let _ = queue.send((block[..length].to_vec(), Instant::now()));
        }
    };
    let pace = async {
        let mut free = Instant::now();
        while let Some((bytes, came)) = leaving.recv().await {
            free = free.max(came) + Duration::from_secs_f64(bytes.len() as f64 / rate);
            sleep_until(free).await;
            if frozen.load(Relaxed) {
                return std::future::pending().await;
            }
            room.add_permits(bytes.len());
            let _ = sent.send((bytes, free + delay));
        }
    };
    let arrive = async {
        while let Some((bytes, at)) = arriving.recv().await {
            sleep_until(at).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::select! { () = fill => {}, () = pace => {}, () = arrive => {} }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let mut number = |default: f64| arguments.next().map_or(Ok(default), |text| text.parse::<f64>());
    let (rate, trip, buffer, cuts) = (number(25.0)?, number(40.0)?, number(4096.0)?, number(10.0)?);

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let path = Arc::new(Path {
        agent: listener.local_addr()?,
        rate: rate * 1e6,
        delay: Duration::from_secs_f64(trip / 2e3),
        buffer: (buffer * 1024.0) as usize,
        away: AtomicBool::new(false),
        carriers: Mutex::default(),
        frozen: Mutex::default(),
    });
    let (laptop, agent) = (KeyPair::from_seed([1; 32]), KeyPair::from_seed([2; 32]));
    let mut acceptor = Acceptor::new(listener, agent.clone(), laptop.public())?;
    let connecting = connect(Connect {
        keys: laptop,
        agent: agent.public(),
        token: Token::generate()?,
        dial: path.clone(),
        resume: Duration::from_secs(60),
    });
    let (connection, at_agent) = tokio::join!(connecting, acceptor.accept());
    let (connection, at_agent) = (connection?, at_agent?);
    tokio::spawn(serve(at_agent.clone()));

    let idle = exchanges(&connection, MEASURE / 2).await?;
    println!("{rate} MB/s, {trip} ms, {buffer} KiB; idle: {}", show(idle));
    let passed = Arc::new(AtomicU64::new(0));
    for (name, open) in [("up", Open::Env), ("down", Open::Control)] {
        let transfer = tokio::spawn(transfer(connection.clone(), open, passed.clone()));
        sleep(Duration::from_secs(2)).await;
        let before = passed.load(Relaxed);
        let beside = exchanges(&connection, MEASURE).await?;
        let speed = (passed.load(Relaxed) - before) as f64 / MEASURE.as_secs_f64() / 1e6;
        println!("{name} {speed:.1} MB/s; exchanges beside it: {}", show(beside));
        for silent in [false, true] {
            let mut waits = Vec::new();
            for _ in 0..cuts as usize {
                waits.push(cut(&path, &connection, silent).await?);
                sleep(Duration::from_millis(1500)).await;
            }
            println!("  after a {} carrier: {}", if silent { "silent" } else { "broken" }, show(waits));
        }
        transfer.abort();
        let _ = transfer.await;
        sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// From the new carrier to the answer to a question that is asked then.
async fn cut(path: &Path, connection: &Connection, silent: bool) -> Result<Duration> {
    let mut kept = Vec::new();
    let mut flow = connection.open(&Open::Dns, Priority::Flow).await?;
    path.away.store(true, Relaxed);
    let old = std::mem::take(&mut *path.carriers.lock().map_err(|_| "poisoned")?);
    if silent {
        // Nothing moves, and nobody learns that it is over until the laptop gives it up.
        path.frozen.lock().map_err(|_| "poisoned")?.store(true, Relaxed);
        kept.push(old);
    } else {
        drop(old);
    }
    let mut link = connection.link();
    link.wait_for(|state| *state != LinkState::Up).await?;
    sleep(OUTAGE).await;
    path.away.store(false, Relaxed);
    link.wait_for(|state| *state == LinkState::Up).await?;
    let since = Instant::now();
    flow.send.write_all(b"?").await?;
    flow.recv.read_u8().await?;
    Ok(since.elapsed())
}

async fn exchanges(connection: &Connection, time: Duration) -> Result<Vec<Duration>> {
    let until = Instant::now() + time;
    let mut waits = Vec::new();
    let mut flow = connection.open(&Open::Dns, Priority::Flow).await?;
    while Instant::now() < until {
        let since = Instant::now();
        flow.send.write_all(b"?").await?;
        flow.recv.read_u8().await?;
        waits.push(since.elapsed());
        sleep(Duration::from_millis(5)).await;
    }
    Ok(waits)
}

async fn transfer(connection: Connection, open: Open, passed: Arc<AtomicU64>) -> Result<()> {
    let mut flow = connection.open(&open, Priority::Flow).await?;
    if open == Open::Env {
        let counting = async {
            while let Ok(length) = flow.recv.read_u64().await {
                passed.fetch_add(length, Relaxed);
            }
        };
        let block = vec![0; 64 << 10];
        let sending = async { while flow.send.write_all(&block).await.is_ok() {} };
        tokio::join!(counting, sending);
    } else {
        while let Ok(Some(chunk)) = flow.recv.chunk(64 << 10).await {
            passed.fetch_add(chunk.len() as u64, Relaxed);
        }
    }
    Ok(())
}

async fn serve(connection: Connection) {
    while let Some(incoming) = connection.accept().await {
        tokio::spawn(async move {
            let (open, mut flow) = incoming.header().await?;
            match open {
                Open::Env => {
                    while let Some(chunk) = flow.recv.chunk(1 << 20).await? {
                        flow.send.write_u64(chunk.len() as u64).await?;
                    }
                }
                Open::Control => {
                    let block = vec![0; 64 << 10];
                    loop {
                        flow.send.write_all(&block).await?;
                    }
                }
                _ => {
                    while let Ok(byte) = flow.recv.read_u8().await {
                        flow.send.write_u8(byte).await?;
                    }
                }
            }
            Result::Ok(())
        });
    }
}

fn show(mut waits: Vec<Duration>) -> String {
    waits.sort_unstable();
    let at = |share: f64| {
        waits.get(((waits.len() as f64 - 1.0) * share).round() as usize).copied().unwrap_or_default()
    };
    format!("p50 {:.1} ms, p95 {:.1}, most {:.1}", ms(at(0.5)), ms(at(0.95)), ms(at(1.0)))
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
