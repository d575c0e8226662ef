//! devbridge's end of the control socket: starts the supervisor, and carries its reports and our orders.
//!
//! One task per sandbox owns the socket and the supervisor's process. When it ends, in whichever way, the socket
//! closes, and with it the supervisor ends everything inside.

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use serde::Serialize;
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};

use super::control::{self, Exit, Order, Report};
use super::dialer::Stock;
use super::process::Run;
use super::{Plan, SandboxError, kernel, tree};

/// Longest time in which a sandbox must stand; it takes milliseconds.
const START: Duration = Duration::from_secs(10);

/// Wait before asking for sockets again when one of the two processes had no descriptor free.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// The control socket as the runtime sees it: the datagram type fits any socket that keeps messages apart.
struct Socket(UnixDatagram);

impl Socket {
    /// Cancel safe.
    async fn receive(&self) -> io::Result<Option<(Report, Vec<OwnedFd>)>> {
        self.0.async_io(Interest::READABLE, || control::receive(self.0.as_fd())).await
    }

    /// Cancel safe: a message is sent whole or not at all.
    async fn send(&self, message: &impl Serialize, fds: &[i32]) -> io::Result<()> {
        self.0.async_io(Interest::WRITABLE, || control::send(self.0.as_fd(), message, fds)).await
    }
}

/// A sandbox that stands, before its parts are handed out.
pub(super) struct Link {
    socket: Socket,
    supervisor: Child,
    /// The sandbox's network namespace, as /proc names it.
    namespace: Option<PathBuf>,
}

/// What the first messages brought.
pub(super) struct Started {
    pub(super) link: Link,
    pub(super) sockets: Vec<OwnedFd>,
    pub(super) pid: u32,
}

/// Where the link's task puts what it hears.
pub(super) struct Ends {
    pub(super) stock: Arc<Stock>,
    pub(super) run: watch::Sender<Run>,
    pub(super) listening: watch::Sender<Vec<u16>>,
    /// process handle --orders--> supervisor
    pub(super) orders: mpsc::Receiver<Order>,
}

/// Runs `executable` as supervisor, on `terminal` or on this process's own, and waits until the command runs. Cancelled, it
/// leaves nothing.
pub(super) async fn start(
    executable: &Path,
    plan: Plan,
    terminal: Option<OwnedFd>,
) -> Result<Started, SandboxError> {
    // The kernel's "not found" for the directory would be taken for the program's.
    if !plan.cwd.is_dir() {
        return Err(SandboxError::Directory(plan.cwd));
    }
    let program = plan.command.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut link = launch(executable, plan, terminal).await.map_err(SandboxError::Supervisor)?;
    let started = tokio::time::timeout(START, link.greet(program));
    let (sockets, pid) = started.await.map_err(|late| SandboxError::Supervisor(late.into()))??;
    Ok(Started { link, sockets, pid })
}

async fn launch(executable: &Path, plan: Plan, terminal: Option<OwnedFd>) -> io::Result<Link> {
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
    let ours = std::os::unix::net::UnixDatagram::from(ours);
    ours.set_nonblocking(true)?;
    let socket = Socket(UnixDatagram::from_std(ours)?);
    let mut command = Command::new(executable);
    command.arg0("devbridge").arg("__sandbox").arg(theirs.as_raw_fd().to_string());
    let [stdin, stdout, stderr] = standard(terminal)?;
    command.stdin(stdin).stdout(stdout).stderr(stderr);
    kernel::inherit(&mut command, theirs.as_raw_fd());
    let supervisor = command.spawn()?;
    // With it our copies of the terminal: only what runs inside keeps that open.
    drop(command);
    drop(theirs);
    let plan = control::seal(plan)?;
    socket.send(&Order::Start, &[plan.as_raw_fd()]).await?;
    Ok(Link { socket, supervisor, namespace: None })
}

/// Standard input, output and error.
fn standard(terminal: Option<OwnedFd>) -> io::Result<[Stdio; 3]> {
    let Some(terminal) = terminal else {
        return Ok([Stdio::inherit(), Stdio::inherit(), Stdio::inherit()]);
    };
    Ok([terminal.try_clone()?.into(), terminal.try_clone()?.into(), terminal.into()])
}

impl Link {
    async fn greet(&mut self, program: String) -> Result<(Vec<OwnedFd>, u32), SandboxError> {
        let mut sockets = Vec::new();
        loop {
            let received = self.socket.receive().await.map_err(SandboxError::Supervisor)?;
            let Some((report, fds)) = received else {
                return Err(SandboxError::Supervisor(io::ErrorKind::UnexpectedEof.into()));
            };
            match report {
                Report::Ready => {
                    sockets = fds;
                    self.namespace = self.supervisor.id().and_then(namespace);
                }
                Report::Started { pid } => return Ok((sockets, pid)),
                Report::NotStarted { errno } => {
                    return Err(SandboxError::Command {
                        program,
                        source: io::Error::from_raw_os_error(errno),
                    });
                }
                Report::Failed { step, errno } => {
                    return Err(SandboxError::Refused { step, source: io::Error::from_raw_os_error(errno) });
                }
                Report::Ended(_) | Report::Sockets | Report::Listening(_) => {}
            }
        }
    }

    /// Serves until the supervisor has gone.
    pub(super) async fn run(mut self, mut ends: Ends) {
        let asked = self.serve(&mut ends).await;
        ends.stock.close();
        ends.run.send_if_modified(|run| run.exit.replace(run.exit.unwrap_or(Exit::Lost)).is_none());
        drop(self.socket);
        if !matches!(asked, Ok(true))
            && let Some(namespace) = &self.namespace
        {
            tracing::warn!("the sandbox's supervisor was killed; killing what is left in the sandbox");
            tree::kill_namespace(namespace);
        }
        if let Err(error) = self.supervisor.wait().await {
            tracing::debug!(%error, "cannot wait for the sandbox's supervisor");
        }
    }

    /// Answers whether the end was asked for.
    async fn serve(&mut self, ends: &mut Ends) -> io::Result<bool> {
        let mut asked = false;
        let mut exhausted = false;
        let mut leaving = false;
        loop {
            tokio::select! {
                received = self.socket.receive() => match received? {
                    None => return Ok(leaving),
                    Some((Report::Sockets, fds)) => {
                        asked = false;
                        exhausted = fds.is_empty();
                        ends.stock.put(fds);
                    }
                    Some((Report::Ended(exit), _)) => ends.run.send_modify(|run| run.exit = Some(exit)),
                    Some((Report::Started { pid }, _)) => ends.run.send_modify(|run| run.started(pid)),
                    Some((Report::NotStarted { errno }, _)) => {
                        ends.run.send_modify(|run| run.not_started(errno));
                    }
                    Some((Report::Listening(ports), _)) => {
                        ends.listening.send_replace(ports);
                    }
                    Some(_) => {}
                },
                order = ends.orders.recv(), if !leaving => match order {
                    Some(order) => self.socket.send(&order, &[]).await?,
                    // The handle wants the end: the supervisor sees ours, and still reports the command's exit.
                    None => {
                        leaving = true;
                        self.socket.0.shutdown(Shutdown::Write)?;
                    }
                },
                missing = wanted(&ends.stock, exhausted), if !asked && !leaving => {
                    asked = true;
                    self.socket.send(&Order::Sockets(missing), &[]).await?;
                }
            }
        }
    }
}

/// How many sockets to ask for, when it is time to.
async fn wanted(stock: &Stock, exhausted: bool) -> usize {
    if exhausted {
        tokio::time::sleep(EXHAUSTED).await;
    }
    stock.wanted().await
}

fn namespace(pid: u32) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/ns/net")).ok()
}
