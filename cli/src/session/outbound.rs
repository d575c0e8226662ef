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
use tunnel::message::{MAX_OPEN, Open, Refusal, Reply};
use tunnel::splice::{Way, splice_observed};
use tunnel::status::Link;
use tunnel::tasks::Tasks;
use tunnel::{OpenError, Priority};

use super::current::Current;
use super::inspect::{Inspector, begins};
use super::network::{self, Contacts};
use super::status::Board;
use crate::error::chain;
use crate::sandbox;

/// `host.devbridge.internal` in the sandbox: the laptop itself. An address of documentation (RFC 5737), so that it
/// hides nobody's.
pub const LAPTOP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
/// That name.
pub const LAPTOP_NAME: &str = "host.devbridge.internal";
/// Connections of the process at once; more wait in the kernel's queue.
const MAX_OPEN_FLOWS: usize = 8192;
/// The pod gives up dialling after 10 s; a tunnel that is away may take longer.
const REPLY: Duration = Duration::from_secs(60);

/// Who is told of connections. Cheap to clone.
#[derive(Clone)]
pub struct Seen {
    /// Counts them.
    pub board: Board,
    /// Reads what passes.
    pub inspector: Inspector,
    /// Knows where they lead.
    pub contacts: Contacts,
}

/// Takes the process's connections until the sandbox ends.
pub async fn run(captured: sandbox::CapturedTcp, current: Current, seen: Seen) {
    let flows = Tasks::default();
    let limit = Arc::new(Semaphore::new(MAX_OPEN_FLOWS));
    loop {
        let Ok(permit) = limit.clone().acquire_owned().await else { return };
        let Ok((tcp, to)) = captured.accept().await else { return };
        let (current, seen) = (current.clone(), seen.clone());
        flows.spawn_until_stopped(async move {
            let made = carry(tcp, to, current, &seen).await;
            seen.board.change(|session| {
                session.outbound.connections += 1;
                session.outbound.failed += u64::from(!made);
            });
            drop(permit);
        });
    }
}

/// Whether the connection was made.
async fn carry(tcp: TcpStream, to: SocketAddr, mut current: Current, seen: &Seen) -> bool {
    let _ = tcp.set_nodelay(true);
    if to.ip() == LAPTOP {
        return carry_to_the_laptop(tcp, to, seen).await;
    }
    let dial = seen.contacts.dials(to, None);
    let dialled = Instant::now();
    let opening = async {
        let failed = |error: OpenError| format!("no way to the agent: {}", chain(&error));
        let mut flow = current.open(&Open::Outbound { to }, Priority::Flow).await.map_err(failed)?;
        match flow.recv.message::<Reply>(MAX_OPEN).await {
            Ok(Some(Reply::Accepted)) => Ok(flow),
            Ok(Some(Reply::Refused(refusal))) => Err(words(refusal).to_owned()),
            Ok(None) | Err(_) => Err("the agent was lost while it dialled".to_owned()),
        }
    };
    let opened = time::timeout(REPLY, opening).await.unwrap_or_else(|_| {
        Err(match seen.board.read().link {
            Link::Up { .. } => format!("the agent has not answered for {} s", REPLY.as_secs()),
            Link::Connecting | Link::Lost => format!("no agent for {} s", REPLY.as_secs()),
        })
    });
    let flow = match opened {
        Ok(flow) => flow,
        Err(why) => {
            dial.failed(why);
            return refuse(&tcp);
        }
    };
    let tap = seen.inspector.records().then(|| {
        let why = "its name and address are the pod's, and the agent dialled it there".to_owned();
        let mut first = begins(Direction::Outbound, to.port(), Route::Cluster { why });
        first.to = Some(to);
        first.timing = Timing {
            tunnel_us: seen.board.one_way_us(),
            connect_us: u64::try_from(dialled.elapsed().as_micros()).ok(),
            ..Timing::default()
        };
        seen.inspector.tap(first)
    });
    splice_observed(tcp, flow, &dial.stands(tap.flatten())).await;
    true
}

async fn carry_to_the_laptop(tcp: TcpStream, to: SocketAddr, seen: &Seen) -> bool {
    let dial = seen.contacts.dials(to, Some(LAPTOP_NAME));
    match TcpStream::connect((Ipv4Addr::LOCALHOST, to.port())).await {
        Ok(laptop) => join(tcp, laptop, &dial.stands(None)).await.is_ok(),
        Err(error) => {
            dial.failed(error.to_string());
            refuse(&tcp)
        }
    }
}

/// Why the pod could not make a connection.
fn words(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::NotListening => "nothing listens there",
        Refusal::Unreachable => "no route there from the pod, or a policy forbids it",
        Refusal::TimedOut => "no answer in time",
        Refusal::Unavailable => "the agent takes no more connections now",
    }
}

/// Closing then tells the process "connection reset", the nearest to "refused" that is left.
fn refuse(tcp: &TcpStream) -> bool {
    let _ = tcp.set_zero_linger();
    false
}

async fn join(mut process: TcpStream, mut laptop: TcpStream, open: &network::Open) -> std::io::Result<()> {
    let (sent, received) = tokio::io::copy_bidirectional(&mut process, &mut laptop).await?;
    open.count(Way::ToFlow, sent);
    open.count(Way::ToTcp, received);
    Ok(())
}
