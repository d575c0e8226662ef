//! Can this machine make sandboxes? Answered by making one and connecting through it.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Plan, Sandbox, SandboxError};

/// An answer must come within this time; it takes microseconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// Addresses and a port of documentation, so that nobody is meant.
const PROBES: [SocketAddr; 2] = [
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 4711),
    SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), 4711),
];

/// A sandbox was made and worked.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Works {
    /// From nothing to a sandbox in which a command would run.
    pub start: Duration,
    /// IPv6 is captured too. False where the laptop has none.
    pub ipv6: bool,
}

/// Makes a sandbox without a command and connects from inside to an address of the network; see
/// [`SandboxError::hint`] for what to do when it fails. Cancel safe: leaves nothing.
pub async fn check() -> Result<Works, SandboxError> {
    check_by(Path::new(super::OWN_EXECUTABLE)).await
}

/// As [`check`], with another devbridge executable as supervisor.
pub async fn check_by(executable: &Path) -> Result<Works, SandboxError> {
    let started = Instant::now();
    let plan = Plan {
        command: Vec::new(),
        env: Vec::new(),
        cwd: "/".into(),
        resolv_conf: b"nameserver 192.0.2.1\n".to_vec(),
        hosts: b"127.0.0.1 localhost\n".to_vec(),
    };
    let sandbox = Sandbox::start_by(executable, plan).await?;
    let start = started.elapsed();
    let ipv6 = sandbox.dialer.has_ipv6();
    for probe in PROBES.into_iter().filter(|probe| ipv6 || probe.is_ipv4()) {
        let captured = async {
            tokio::try_join!(sandbox.dialer.connect(probe.ip(), probe.port()), sandbox.tcp.accept())
        };
        let captured = tokio::time::timeout(PATIENCE, captured).await.unwrap_or_else(|late| Err(late.into()));
        let (_, (_, destination)) = captured.map_err(SandboxError::NotCaptured)?;
        if destination != probe {
            return Err(SandboxError::NotCaptured(io::ErrorKind::AddrNotAvailable.into()));
        }
    }
    sandbox.process.end().await;
    Ok(Works { start, ipv6 })
}
