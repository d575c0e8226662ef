//! The requests path, laptop end: a stream from the agent becomes a connection to the developer's process.
//!
//! The stream is acknowledged once the process accepted; until then the agent may give the same bytes to an
//! original. So a process that is down, starting or refusing costs its callers nothing.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use inspector::{Direction, Exchange, Route, Timing};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time;
use tunnel::message::{MAX_OPEN, Open, Refusal, Reply};
use tunnel::splice::{splice, splice_observed};
use tunnel::status::Serving;
use tunnel::tasks::Tasks;
use tunnel::{Connection, Flow, Incoming};

use super::inspect::{Inspector, begins};
use super::status::Board;
use crate::sandbox;

/// Connections to the process at once; more are refused and go to originals.
const MAX_OPEN_FLOWS: usize = 10_240;
/// A process on the same machine accepts in microseconds; one whose backlog is full is not available.
const DIAL: Duration = Duration::from_millis(1500);

/// So much is looked at of a request that the process does not take.
const MOST_OF_A_HEAD: usize = 64 << 10;
/// For so long its first bytes are waited for, which follow the connection closely; whoever waits for the server to speak
/// first waits so much longer for an original. One that comes later is not recorded.
const HEAD: Duration = Duration::from_millis(20);

/// How requests reach the process.
#[derive(Clone)]
pub enum Way {
    /// It runs in the sandbox.
    Sandbox(sandbox::Dialer),
    /// It runs on the laptop, started by somebody else.
    Laptop,
}

impl Way {
    /// A connection to the process's `port`; its IPv4 loopback first, for that is what most listen on.
    ///
    /// # Errors
    /// Nothing listens there, or it does not accept in time.
    pub async fn dial(&self, port: u16) -> std::io::Result<TcpStream> {
        let dialling = async {
            match self {
                Self::Sandbox(dialer) => dialer.dial(port).await,
                Self::Laptop => match TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
                    Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                        TcpStream::connect((Ipv6Addr::LOCALHOST, port)).await
                    }
                    dialled => dialled,
                },
            }
        };
        time::timeout(DIAL, dialling).await.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?
    }
}

/// The requests path of one session.
#[derive(Clone)]
pub struct Requests {
    /// The way to the process.
    pub way: Way,
    /// Container port → laptop port.
    pub ports: Arc<BTreeMap<u16, u16>>,
    /// Where state goes.
    pub board: Board,
    /// Who looks at what passes.
    pub inspector: Inspector,
}

/// A connection that a caller made, as the agent tells it.
struct Call {
    /// The container port.
    port: u16,
    from: SocketAddr,
    /// At the agent, in microseconds.
    waited: u32,
}

impl Requests {
    /// Takes streams until the connection is closed.
    pub async fn run(self, connection: Connection) {
        let flows = Tasks::default();
        let limit = Arc::new(Semaphore::new(MAX_OPEN_FLOWS));
        while let Some(incoming) = connection.accept().await {
            let requests = self.clone();
            let permit = limit.clone().try_acquire_owned();
            flows.spawn_until_stopped(async move {
                requests.take(incoming, permit.is_ok()).await;
                drop(permit);
            });
        }
    }

    async fn take(&self, incoming: Incoming, free: bool) {
        // A header that does not come or can't be read: dropping the stream resets it.
        let Ok((open, flow)) = incoming.header().await else { return };
        match open {
            Open::Probe => answer(flow, Reply::Accepted).await,
            Open::Request { port, from, waited } if free => {
                self.request(Call { port, from, waited }, flow).await;
            }
            Open::Request { .. } => answer(flow, Reply::Refused(Refusal::Unavailable)).await,
            // The agent opens no others.
            _ => {}
        }
    }

    async fn request(&self, call: Call, mut flow: Flow) {
        let Some(laptop) = self.ports.get(&call.port).copied() else {
            return answer(flow, Reply::Refused(Refusal::NotListening)).await;
        };
        let dialled = Instant::now();
        let tcp = match self.way.dial(laptop).await {
            Ok(tcp) => tcp,
            Err(error) => {
                self.listening(laptop, false, &error);
                self.elsewhere(&call, laptop, &mut flow, &error).await;
                return answer(flow, Reply::Refused(refusal(&error))).await;
            }
        };
        let connected = dialled.elapsed();
        self.listening(laptop, true, &std::io::Error::from(std::io::ErrorKind::Other));
        // Refused by the kernel only on sockets that are gone already.
        let _ = tcp.set_nodelay(true);
        let tap = self.inspector.records().then(|| {
            let why = format!("{} accepted it", address(laptop));
            self.inspector.tap(self.first(&call, laptop, connected, Route::Laptop { why }))
        });
        if flow.send.message(&Reply::Accepted, MAX_OPEN).await.is_ok() {
            match tap.flatten() {
                Some(tap) => splice_observed(tcp, flow, &tap).await,
                None => splice(tcp, flow).await,
            };
        }
    }

    /// How the exchanges of a connection begin.
    fn first(&self, call: &Call, laptop: u16, connected: Duration, route: Route) -> Exchange {
        let mut first = begins(Direction::Requests, call.port, route);
        // Of a listener for both families, IPv4 comes in IPv6's clothes.
        first.from = Some(SocketAddr::new(call.from.ip().to_canonical(), call.from.port()));
        first.to = Some(address(laptop));
        first.timing = Timing {
            queue_us: Some(call.waited.into()),
            tunnel_us: self.board.one_way_us(),
            connect_us: u64::try_from(connected.as_micros()).ok(),
            ..Timing::default()
        };
        first
    }

    /// Records a request that the process does not take, as far as it comes at once.
    async fn elsewhere(&self, call: &Call, laptop: u16, flow: &mut Flow, error: &std::io::Error) {
        if !self.inspector.records() {
            return;
        }
        let asked = time::timeout(HEAD, flow.recv.chunk(MOST_OF_A_HEAD)).await;
        let Ok(Ok(Some(asked))) = asked else { return };
        let why = unavailable(laptop, error);
        let first = self.first(call, laptop, Duration::ZERO, Route::Originals { why: why.clone() });
        if let Some(tap) = self.inspector.tap(first) {
            tap.elsewhere(asked, &why);
        }
    }

    /// Keeps the state line true: it changes with the first connection that is accepted or refused.
    fn listening(&self, port: u16, listening: bool, error: &std::io::Error) {
        let known = self.board.read();
        let same = known.ports.iter().any(|known| known.laptop == port && known.listening == listening);
        if same && matches!(known.serving, Serving::Laptop) == listening {
            return;
        }
        self.board.change(|session| {
            for known in session.ports.iter_mut().filter(|known| known.laptop == port) {
                known.listening = listening;
            }
        });
        self.board.serving(if listening {
            Serving::Laptop
        } else {
            Serving::Originals { why: unavailable(port, error) }
        });
    }
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Why the process does not take a connection, for people.
fn unavailable(port: u16, error: &std::io::Error) -> String {
    let address = address(port);
    match refusal(error) {
        Refusal::NotListening => format!("nothing listens on {address}"),
        _ => format!("{address} does not accept connections: {error}"),
    }
}

/// The reply is all that this stream carries.
async fn answer(mut flow: Flow, reply: Reply) {
    if flow.send.message(&reply, MAX_OPEN).await.is_ok() {
        flow.send.finish();
    }
}

fn refusal(error: &std::io::Error) -> Refusal {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => Refusal::NotListening,
        std::io::ErrorKind::TimedOut => Refusal::TimedOut,
        std::io::ErrorKind::HostUnreachable | std::io::ErrorKind::NetworkUnreachable => Refusal::Unreachable,
        _ => Refusal::Unavailable,
    }
}
