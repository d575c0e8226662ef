//! The listening sockets: made once, kept as long as the container lives.
//!
//! They stand at descriptors 3, 4, … without close-on-exec, so that every agent that is started finds
//! them there with nothing done for it; `DEVBRIDGE_LISTEN` names their ports in that order.

use core::ffi::CStr;
use core::fmt::{self, Write as _};
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};

use crate::config::{MAX_PORTS, Ports};
use crate::errno;
use crate::kernel;
use crate::report::Line;

const FIRST: i32 = 3;
/// Connections that wait while the agent is away; the kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// The name, a number and a comma for each port, and the final zero.
const VARIABLE: usize = 32 + 6 * MAX_PORTS;

/// The sockets, and the variable that names them.
pub(crate) struct Listeners {
    variable: Line<VARIABLE>,
}

impl Listeners {
    /// Listens on all addresses, IPv6 and IPv4, or IPv4 where there is no IPv6.
    ///
    /// # Errors
    ///
    /// The first port that cannot be had.
    pub(crate) fn bind(ports: &Ports) -> Result<Self, ListenError> {
        let mut variable = Line::new();
        let mut separator = "DEVBRIDGE_LISTEN=";
        if ports.as_slice().is_empty() {
            let _ = variable.write_str(separator);
        }
        for (at, port) in (FIRST..).zip(ports.as_slice().iter().copied()) {
            let error = |errno| ListenError { port, errno };
            kernel::place(open(port).map_err(error)?, at).map_err(error)?;
            let _ = write!(variable, "{separator}{port}");
            separator = ",";
        }
        let _ = variable.write_str("\0");
        Ok(Self { variable })
    }

    /// `DEVBRIDGE_LISTEN=8080,9090`.
    pub(crate) fn variable(&self) -> &CStr {
        self.variable.as_c_str()
    }
}

fn open(port: u16) -> Result<OwnedFd, Errno> {
    match open_at(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))) {
        // No IPv6 in this kernel, or switched off in this pod.
        Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) => {
            open_at(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
        }
        opened => opened,
    }
}

fn open_at(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::NONBLOCK, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, false)?;
    }
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// A port cannot be listened on.
#[derive(Debug)]
pub(crate) struct ListenError {
    port: u16,
    errno: Errno,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot bind port {}: {}", self.port, errno::Text(self.errno))?;
        match self.errno {
            Errno::ACCESS => f.write_str("; the pod may need sysctl net.ipv4.ip_unprivileged_port_start"),
            Errno::ADDRINUSE => f.write_str("; another container of the pod listens on it"),
            _ => Ok(()),
        }
    }
}
