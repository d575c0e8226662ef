//! The program under strain: memory stays within its bounds, and those who do nothing wrong notice nothing.

use std::{
    net::{SocketAddr, TcpListener as StdListener},
    os::fd::OwnedFd,
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    sync::{Mutex, MutexGuard},
    task::JoinSet,
    time::{Instant, sleep},
};
use traffic_agent::config;
use tunnel::{Priority, identity::KeyPair, message::Open};

use crate::{
    eventually,
    laptop::{Laptop, Manner},
    rig::Rig,
    server::{Server, get},
    within,
};

const MIB: usize = 1 << 20;
/// The agent's own, with a session.
const IDLE: usize = 32 * MIB;
/// What the agent may hold for stalled flows.
const BUDGET: usize = 48 * MIB;

/// Held by the test that runs.
static TURN: Mutex<()> = Mutex::const_new(());

/// The agent in a process of its own.
struct Program {
    _turn: MutexGuard<'static, ()>,
    rig: Rig,
    child: Child,
    _keys: tempfile::TempDir,
}

impl Program {
    async fn start() -> Self {
        let turn = TURN.lock().await;
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        let callers = listener.local_addr().unwrap();
        let free = || StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (control, health) = (free(), free());
        let keys = tempfile::tempdir().unwrap();
        let (agent_keys, laptop_keys) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        std::fs::write(keys.path().join("agent.seed"), agent_keys.seed()).unwrap();
        std::fs::write(keys.path().join("laptop.pub"), laptop_keys.public().as_der()).unwrap();
        let child = Command::new("/bin/sh")
            .args(["-c", "exec \"$0\" 3<&0 </dev/null", env!("CARGO_BIN_EXE_traffic-agent")])
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .env(config::LISTEN, callers.port().to_string())
            .env(config::CONTROL_PORT, control.port().to_string())
            .env(config::HEALTH_PORT, health.port().to_string())
            // Originals are on 127.0.0.1, and an agent never dials its own pod.
            .env(config::POD_IP, "127.0.0.2")
            .env(config::NAMESPACE, "shop")
            .env(config::KEYS, keys.path())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let rig = Rig::beside(callers, control, laptop_keys, agent_keys.public());
        within("the control port", async {
            while TcpStream::connect(control).await.is_err() {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        Self { _turn: turn, rig, child, _keys: keys }
    }

    /// A line of the process's status, in bytes.
    fn memory(&self, line: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let value = status.lines().find_map(|found| found.strip_prefix(line)).unwrap();
        value.trim_start_matches(':').trim_end_matches("kB").trim().parse::<usize>().unwrap() << 10
    }

    fn resident(&self) -> usize {
        self.memory("VmRSS")
    }

    /// The most that was ever resident.
    fn peak(&self) -> usize {
        self.memory("VmHWM")
    }
}

/// A server that answers everybody with bytes without end.
async fn fountain() -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut flows = JoinSet::new();
        let bytes = Arc::new(vec![7; 64 << 10]);
        while let Ok((mut tcp, _)) = listener.accept().await {
            let bytes = Arc::clone(&bytes);
            flows.spawn(async move { while tcp.write_all(&bytes).await.is_ok() {} });
        }
    });
    (addr, tasks)
}

/// Forty callers of the fountain at `addr` that never read.
async fn stalled_readers(addr: SocketAddr) -> Vec<TcpStream> {
    let mut readers = Vec::new();
    for _ in 0..40 {
        let mut reader = TcpStream::connect(addr).await.unwrap();
        // Fails for one that is reset already.
        let _ = reader.write_all(b"\0").await;
        readers.push(reader);
    }
    readers
}

/// The longest of many exchanges, while others strain the agent.
async fn slowest(addr: SocketAddr, expects: &str, exchanges: usize) -> Duration {
    let mut slowest = Duration::ZERO;
    for _ in 0..exchanges {
        let since = Instant::now();
        assert_eq!(get(addr).await, expects);
        slowest = slowest.max(since.elapsed());
        sleep(Duration::from_millis(10)).await;
    }
    slowest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forty_stalled_readers_of_the_laptop_take_no_more_than_the_budget() {
    let program = Program::start().await;
    let (process, _flows) = fountain().await;
    let mut laptop = Laptop::armed(&program.rig, process, &[]).await;
    let readers = stalled_readers(program.rig.callers).await;
    // Connections that began before go on where they are.
    // There is no original for those that the laptop does not take in time, on a machine that is busy with all of this.
    let taken = laptop.counters.wait_for(|counters| counters.laptop + counters.failed >= 40);
    assert!(within("forty flows", taken).await.unwrap().laptop > 30);
    let server = Server::start("laptop").await;
    laptop.set(Manner::Process(server.addr));

    let others = slowest(program.rig.callers, "laptop GET ", 300).await;
    let counted = within("resets", laptop.counters.wait_for(|counters| counters.stalled > 20)).await.unwrap();
    let stalled = counted.stalled;
    drop(counted);
    let peak = program.peak();
    println!("stalled readers: peak {} MiB, {stalled} reset, others waited {others:?} at most", peak / MIB);
    assert!(peak < IDLE + 2 * BUDGET, "{} MiB", peak / MIB);
    // Those that are left hold what the budget allows.
    assert!((20..40).contains(&stalled), "{stalled}");
    assert!(others < Duration::from_secs(3), "{others:?}");
    drop(readers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forty_stalled_servers_of_the_laptop_s_process_take_no_more_than_the_budget() {
    let program = Program::start().await;
    let process = Server::start("laptop").await;
    let mut laptop = Laptop::armed(&program.rig, process.addr, &[]).await;
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = server.local_addr().unwrap();
    let mut flows = JoinSet::new();
    let mut stalled = Vec::new();
    for _ in 0..40 {
        let connection = laptop.connection.clone();
        flows.spawn(async move {
            let mut flow = connection.open(&Open::Outbound { to }, Priority::Flow).await.unwrap();
            let bytes = vec![7; 64 << 10];
            while flow.send.write_all(&bytes).await.is_ok() {}
        });
        stalled.push(within("a connection", server.accept()).await.unwrap());
    }
    let others = slowest(program.rig.callers, "laptop GET ", 300).await;
    drop(within("resets", laptop.counters.wait_for(|counters| counters.stalled > 20)).await.unwrap());
    let peak = program.peak();
    println!("stalled servers: peak {} MiB, others waited {others:?} at most", peak / MIB);
    assert!(peak < IDLE + 2 * BUDGET, "{} MiB", peak / MIB);
    assert!(others < Duration::from_secs(3), "{others:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forty_slow_readers_lose_nothing() {
    // Within the budget together, so none may be reset however slow this machine is.
    const LENGTH: usize = MIB / 2;
    let program = Program::start().await;
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut tasks = JoinSet::new();
    let process = server.local_addr().unwrap();
    tasks.spawn(async move {
        let mut flows = JoinSet::new();
        while let Ok((mut tcp, _)) = server.accept().await {
            flows.spawn(async move {
                tcp.read_u8().await.unwrap();
                tcp.write_all(&vec![7; LENGTH]).await.unwrap();
            });
        }
    });
    let laptop = Laptop::armed(&program.rig, process, &[]).await;
    let mut readers = JoinSet::new();
    for reader in stalled_readers(program.rig.callers).await {
        readers.spawn(async move {
            let mut reader = reader;
            let mut got = 0;
            let mut bytes = vec![0; 64 << 10];
            while let Ok(length @ 1..) = reader.read(&mut bytes).await {
                got += length;
                sleep(Duration::from_millis(20)).await;
            }
            assert_eq!(got, LENGTH);
        });
    }
    while let Some(read) = within("all bytes", readers.join_next()).await {
        read.unwrap();
    }
    println!("slow readers: peak {} MiB", program.peak() / MIB);
    assert_eq!(laptop.counters.borrow().stalled, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_connections_are_kept_within_bounds() {
    /// One for each descriptor that a test may have, without the agent's other end.
    const CALLERS: usize = 10_000;
    traffic_agent::descriptors::raise();
    let program = Program::start().await;
    // The process's end would need as many descriptors again.
    let (original, process) = (Server::start("original").await, Server::start("laptop").await);
    let laptop = Laptop::armed(&program.rig, process.addr, &[original.addr]).await;
    let before = program.resident();
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        let mut caller = TcpStream::connect(program.rig.callers).await.unwrap();
        caller.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        callers.push(caller);
        if callers.len() == 3000 {
            laptop.set(Manner::Accept);
        }
    }
    let mut counters = laptop.counters.clone();
    let all = counters.wait_for(|counters| counters.open == CALLERS as u64);
    tokio::time::timeout(Duration::from_secs(60), all).await.unwrap().unwrap();
    let each = (program.resident() - before) / CALLERS;
    println!("{CALLERS} connections: {} MiB, {each} bytes each", program.resident() / MIB);
    assert!(program.peak() < 256 * MIB, "{} MiB", program.peak() / MIB);
    // A new one is served as ever, and too many are reset.
    laptop.set(Manner::Process(process.addr));
    assert_eq!(get(program.rig.callers).await, "laptop GET ");
    println!("peak {} MiB", program.peak() / MIB);
    let mut more = Vec::new();
    for _ in 0..300 {
        more.push(TcpStream::connect(program.rig.callers).await);
    }
    let counted = counters.wait_for(|counters| counters.failed > 0);
    within("one that is too many", counted).await.unwrap();
}

#[tokio::test]
async fn a_control_connection_that_says_nothing_is_dropped_and_keeps_nobody_out() {
    let program = Program::start().await;
    let mut silent = Vec::new();
    for _ in 0..500 {
        silent.push(TcpStream::connect(program.rig.control).await.unwrap());
    }
    let since = Instant::now();
    let original = Server::start("original").await;
    let laptop = Laptop::armed(&program.rig, original.addr, &[original.addr]).await;
    println!(
        "500 silent control connections: a session after {:?}, {} MiB",
        since.elapsed(),
        program.peak() / MIB
    );
    assert!(program.peak() < IDLE, "{} MiB", program.peak() / MIB);
    // Sixty-four are waited for, five seconds each; the others have been dropped for later ones.
    let mut ended = JoinSet::new();
    for mut one in silent {
        ended.spawn(async move { drop(one.read(&mut [0]).await) });
    }
    within("their end", ended.join_all()).await;
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    drop(laptop);
}

#[tokio::test]
async fn garbage_on_the_control_port_harms_nobody() {
    let program = Program::start().await;
    let process = Server::start("laptop").await;
    let laptop = Laptop::armed(&program.rig, process.addr, &[]).await;
    let mut garbage = JoinSet::new();
    for number in 0..200_u32 {
        let control = program.rig.control;
        garbage.spawn(async move {
            let mut tcp = TcpStream::connect(control).await.unwrap();
            let protocol = tunnel::version::PROTOCOL.to_be_bytes();
            let mut bytes = match number % 4 {
                0 => Vec::new(),
                1 => b"GET / HTTP/1.1\r\n\r\n".to_vec(),
                // A hello, then impossible datagrams.
                _ => [&b"DVBR"[..], &protocol, &number.to_be_bytes().repeat(4)].concat(),
            };
            let mut state = number | 1;
            for _ in 0..100_000 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                bytes.push((state >> 24) as u8);
            }
            let _ = tcp.write_all(&bytes).await;
            let mut answer = Vec::new();
            let _ = tokio::time::timeout(Duration::from_secs(15), tcp.read_to_end(&mut answer)).await;
        });
    }
    let others = slowest(program.rig.callers, "laptop GET ", 100).await;
    within("garbage", garbage.join_all()).await;
    println!("garbage: peak {} MiB, others waited {others:?} at most", program.peak() / MIB);
    assert!(program.peak() < IDLE + BUDGET, "{} MiB", program.peak() / MIB);
    assert_eq!(get(program.rig.callers).await, "laptop GET ");
    eventually("no counted failure", || laptop.counters.borrow().failed == 0).await;
}
