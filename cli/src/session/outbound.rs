//! The outbound path, laptop end: a connection that the process made becomes a stream, dialled by the pod.
//!
//! The kernel accepted the connection already, so one that the pod cannot make is reset here.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use inspector::{Direction, Route, Timing};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time;
use tunnel::Priority;
use tunnel::message::{MAX_OPEN, Open, Reply};
use tunnel::splice::{splice, splice_observed};
use tunnel::tasks::Tasks;

use super::current::Current;
use super::inspect::{Inspector, begins};
use super::status::Board;
use crate::sandbox;

/// `host.devbridge.internal` in the sandbox: the laptop itself. An address of documentation (RFC 5737), so that it
/// hides nobody's.
pub const LAPTOP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
/// Connections of the process at once; more wait in the kernel's queue.
const MAX_OPEN_FLOWS: usize = 8192;
/// The pod gives up dialling after 10 s; a tunnel that is away may take longer.
const REPLY: Duration = Duration::from_secs(60);

/// Takes the process's connections until the sandbox ends.
pub async fn run(captured: sandbox::CapturedTcp, current: Current, board: Board, inspector: Inspector) {
    let flows = Tasks::default();
    let limit = Arc::new(Semaphore::new(MAX_OPEN_FLOWS));
    loop {
        let Ok(permit) = limit.clone().acquire_owned().await else { return };
        let Ok((tcp, to)) = captured.accept().await else { return };
        let (current, board, inspector) = (current.clone(), board.clone(), inspector.clone());
        flows.spawn_until_stopped(async move {
            let made = carry(tcp, to, current, &board, &inspector).await;
            board.change(|session| {
                session.outbound.connections += 1;
                session.outbound.failed += u64::from(!made);
            });
            drop(permit);
        });
    }
}

/// Whether the connection was made.
async fn carry(
    tcp: TcpStream,
    to: SocketAddr,
    mut current: Current,
    board: &Board,
    inspector: &Inspector,
) -> bool {
    let _ = tcp.set_nodelay(true);
    if to.ip() == LAPTOP {
        return match TcpStream::connect((Ipv4Addr::LOCALHOST, to.port())).await {
            Ok(laptop) => join(tcp, laptop).await.is_ok(),
            Err(_) => refuse(&tcp),
        };
    }
    let dialled = Instant::now();
    let opening = async {
        let mut flow = current.open(&Open::Outbound { to }, Priority::Flow).await.ok()?;
        let reply = flow.recv.message::<Reply>(MAX_OPEN).await;
        matches!(reply, Ok(Some(Reply::Accepted))).then_some(flow)
    };
    let Ok(Some(flow)) = time::timeout(REPLY, opening).await else { return refuse(&tcp) };
    let tap = inspector.records().then(|| {
        let why = "its name and address are the pod's, and the agent dialled it there".to_owned();
        let mut first = begins(Direction::Outbound, to.port(), Route::Cluster { why });
        first.to = Some(to);
        first.timing = Timing {
            tunnel_us: board.one_way_us(),
            connect_us: u64::try_from(dialled.elapsed().as_micros()).ok(),
            ..Timing::default()
        };
        inspector.tap(first)
    });
    match tap.flatten() {
        Some(tap) => splice_observed(tcp, flow, &tap).await,
        None => splice(tcp, flow).await,
    };
    true
}

/// Closing then tells the process "connection reset", the nearest to "refused" that is left.
fn refuse(tcp: &TcpStream) -> bool {
    let _ = tcp.set_zero_linger();
    false
}

async fn join(mut a: TcpStream, mut b: TcpStream) -> std::io::Result<()> {
    tokio::io::copy_bidirectional(&mut a, &mut b).await.map(drop)
}
