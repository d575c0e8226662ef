//! Where the developer's process runs: its own network and its own view of a few files, on an ordinary Linux laptop.
//!
//! Made of a user, a network and a mount namespace, without root and in a few milliseconds. Every connection that a
//! process in it makes comes out here with the address it was meant for, whatever the process is written in: the
//! capture is the kernel's. Nothing of the laptop is changed, and all ends with the process.
//!
//! ```text
//!  devbridge ── control socket ── supervisor (`devbridge __sandbox`)      one thread; makes the namespaces
//!   Process     orders, reports        └── the command and all it starts
//!   Dialer      ◄── unconnected sockets made inside
//!   CapturedTcp ◄── listener made inside ◄── nftables redirect
//!   CapturedDns ◄── socket made inside   ◄──     "
//! ```
//!
//! The four parts have different users and are owned apart. The sandbox ends with [`Process`].

mod capture;
mod check;
mod control;
mod dialer;
mod files;
mod inside;
mod kernel;
mod link;
mod listening;
mod netlink;
mod network;
mod process;
mod pty;
mod redirect;
mod refused;
mod supervise;
mod tree;

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

pub use capture::{Asker, CapturedDns, CapturedTcp, MAX_QUERY};
pub use check::{Works, check, check_by};
pub use control::Exit;
pub use dialer::Dialer;
pub use inside::inside;
pub use process::{Process, Starter};
pub use pty::Terminal;
pub use refused::{SandboxError, Step};

/// This program, also when its file was replaced since it was started.
const OWN_EXECUTABLE: &str = "/proc/self/exe";

/// What runs in the sandbox, and what it finds there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Program and arguments; the program is looked up in the `PATH` of `env`. Empty: a sandbox without a process.
    pub command: Vec<OsString>,
    /// The whole environment; nothing is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// Working directory; must exist.
    pub cwd: PathBuf,
    /// Contents of /etc/resolv.conf. Name servers must not be loopback addresses: those stay inside.
    pub resolv_conf: Vec<u8>,
    /// Contents of /etc/hosts. Should name `localhost`, and the laptop's own host name, which programs look up.
    pub hosts: Vec<u8>,
}

/// A running sandbox.
#[derive(Debug)]
pub struct Sandbox {
    /// The command; owns the sandbox.
    pub process: Process,
    /// The way in.
    pub dialer: Dialer,
    /// Connections that come out.
    pub tcp: CapturedTcp,
    /// DNS queries that come out.
    pub dns: CapturedDns,
}

impl Sandbox {
    /// Makes the sandbox and starts the command in it, with this process's stdin, stdout and stderr. Must be called in a
    /// tokio runtime; the program must answer to `__sandbox FD` with [`inside()`].
    ///
    /// Cancel safe: leaves nothing.
    ///
    /// # Errors
    ///
    /// When the system refuses a namespace ([`SandboxError::hint`] says what to do), or the command is not there.
    pub async fn start(plan: Plan) -> Result<Self, SandboxError> {
        Self::start_by(Path::new(OWN_EXECUTABLE), plan).await
    }

    /// As [`Sandbox::start`], with another devbridge executable as supervisor.
    pub async fn start_by(executable: &Path, plan: Plan) -> Result<Self, SandboxError> {
        Self::begin(executable, plan, None).await
    }

    /// As [`Sandbox::start`], with a terminal of its own as stdin, stdout and stderr of whatever runs in the sandbox, also when
    /// it is started anew.
    ///
    /// # Errors
    ///
    /// As there, or there are no terminals left.
    pub async fn start_captured(plan: Plan) -> Result<(Self, Terminal), SandboxError> {
        Self::start_captured_by(Path::new(OWN_EXECUTABLE), plan).await
    }

    /// As [`Sandbox::start_captured`], with another devbridge executable as supervisor.
    pub async fn start_captured_by(executable: &Path, plan: Plan) -> Result<(Self, Terminal), SandboxError> {
        let (terminal, there) = Terminal::open().map_err(SandboxError::Supervisor)?;
        Ok((Self::begin(executable, plan, Some(there)).await?, terminal))
    }

    async fn begin(executable: &Path, plan: Plan, terminal: Option<OwnedFd>) -> Result<Self, SandboxError> {
        let link::Started { link, sockets, pid } = link::start(executable, plan, terminal).await?;
        let stock = dialer::Stock::new();
        let (tcp, dns) = captured(sockets).map_err(SandboxError::Supervisor)?;
        let dialer = Dialer::new(stock.clone(), tcp.has_ipv6());
        let (run_tx, run) = watch::channel(process::Run::new(pid));
        let (listening_tx, listening) = watch::channel(Vec::new());
        let (orders, orders_rx) = mpsc::channel(process::ORDERS);
        let ends = link::Ends { stock, run: run_tx, listening: listening_tx, orders: orders_rx };
        let mut task = JoinSet::new();
        task.spawn(link.run(ends));
        let process = Process { run, listening, orders, link: task };
        Ok(Self { process, dialer, tcp, dns })
    }
}

fn captured(sockets: Vec<OwnedFd>) -> io::Result<(CapturedTcp, CapturedDns)> {
    let mut sockets = sockets.into_iter();
    let mut next = || sockets.next();
    let (Some(tcp_v4), Some(dns_v4)) = (next(), next()) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let (tcp_v6, dns_v6) = (next(), next());
    Ok((CapturedTcp::new(tcp_v4, tcp_v6)?, CapturedDns::new(dns_v4, dns_v6)?))
}
