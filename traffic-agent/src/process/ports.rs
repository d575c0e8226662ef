//! Container ports, and where the process really listens for them.
//!
//! Each has a substitute that stays the same as long as it is free: repeated binds of one process get the same one, and a
//! second one fails as it would without devbridge. It is looked at before every start, because something that the last
//! process left may still have it: connections that the process closed (they count for a minute for a program that sets no
//! SO_REUSEADDR), or a daemon.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    os::fd::{AsRawFd as _, OwnedFd},
    sync::{Mutex, MutexGuard, Once, PoisonError},
};

use nix::{
    errno::Errno,
    sys::socket::{
        AddressFamily, SockFlag, SockType, SockaddrIn, SockaddrIn6, SockaddrLike, SockaddrStorage, bind,
        getsockname, setsockopt, socket, sockopt,
    },
};
use tokio::{net::TcpStream, sync::watch};
use tracing::warn;

/// Most addresses that are remembered for a port; a program that binds more has its reasons, and is served at these.
const MOST: usize = 16;

/// Where the process listens.
pub(super) struct Ports {
    state: Mutex<State>,
    /// Counts binds.
    binds: watch::Sender<u64>,
    complained: Once,
}

struct State {
    /// Counts starts: what is left of an earlier process changes nothing any more.
    start: u64,
    /// By container port.
    ports: BTreeMap<u16, Port>,
}

#[derive(Default)]
struct Port {
    /// 0 before the first start.
    substitute: u16,
    /// Of the process that runs; empty until it binds.
    addresses: Vec<SocketAddr>,
}

impl Ports {
    pub(super) fn new(ports: Vec<u16>) -> Self {
        let ports = ports.into_iter().map(|port| (port, Port::default())).collect();
        let state = Mutex::new(State { start: 0, ports });
        Self { state, binds: watch::Sender::new(0), complained: Once::new() }
    }

    /// Whether there is nothing that a process could listen on.
    pub(super) fn is_empty(&self) -> bool {
        self.state().ports.is_empty()
    }

    /// Another process begins; gives its number.
    ///
    /// # Errors
    /// No port is free.
    pub(super) fn begin(&self) -> io::Result<u64> {
        let mut state = self.state();
        // Held until all are chosen, so that no two are the same.
        let mut held = Vec::with_capacity(state.ports.len());
        for port in state.ports.values_mut() {
            let kept = if port.substitute == 0 { Err(Errno::EADDRINUSE) } else { reserve(port.substitute) };
            let (socket, number) = kept.or_else(|_| reserve(0))?;
            (port.substitute, port.addresses) = (number, Vec::new());
            held.push(socket);
        }
        state.start += 1;
        Ok(state.start)
    }

    /// A process has ended.
    pub(super) fn over(&self, start: u64) {
        let mut state = self.state();
        if state.start == start {
            state.ports.values_mut().for_each(|port| port.addresses.clear());
        }
    }

    /// The port to bind in the place of `port`: itself if that is a substitute already, as in a buffer that is used again;
    /// `None` if it is the program's own affair.
    pub(super) fn substitute(&self, port: u16) -> Option<u16> {
        self.state().find(port).map(|found| found.substitute).filter(|substitute| *substitute > 0)
    }

    /// A process is about to bind `address`, with a container port or its substitute.
    pub(super) fn bound(&self, start: u64, address: SocketAddr) {
        {
            let mut state = self.state();
            if state.start != start {
                return;
            }
            let Some(port) = state.find(address.port()) else { return };
            for address in dialled(address, port.substitute) {
                if port.addresses.len() < MOST && !port.addresses.contains(&address) {
                    port.addresses.push(address);
                }
            }
        }
        self.binds.send_modify(|count| *count += 1);
    }

    /// Container ports that the process has bound.
    pub(super) fn all_bound(&self) -> Vec<u16> {
        let state = self.state();
        state.ports.iter().filter(|(_, port)| !port.addresses.is_empty()).map(|(port, _)| *port).collect()
    }

    /// Changes with every bind.
    pub(super) fn binds(&self) -> watch::Receiver<u64> {
        self.binds.subscribe()
    }

    /// Dials what listens for a container port. Cancel safe.
    pub(super) async fn dial(&self, port: u16) -> io::Result<TcpStream> {
        let addresses = self.state().ports.get(&port).map(|port| port.addresses.clone()).unwrap_or_default();
        let mut error = io::ErrorKind::ConnectionRefused.into();
        for address in addresses {
            match TcpStream::connect(address).await {
                // The kernel may choose the port that is dialled as the dialler's own; then it has reached itself.
                Ok(stream) if stream.local_addr().is_ok_and(|own| own == address) => {}
                Ok(stream) => return Ok(stream),
                Err(refused) => error = refused,
            }
        }
        Err(error)
    }

    /// Says once why the process cannot have the container's ports.
    pub(super) fn complain(&self, why: &io::Error, pid: u32) {
        self.complained.call_once(|| {
            warn!(%why, pid, "the memory of the process cannot be changed, so it cannot listen on the container's ports: its bind fails with EADDRINUSE");
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// By container port, or by substitute.
    fn find(&mut self, number: u16) -> Option<&mut Port> {
        let is = |port: u16, found: &Port| port == number || found.substitute == number && number > 0;
        self.ports.iter_mut().find(|(port, found)| is(**port, found)).map(|(_, found)| found)
    }
}

/// How to reach what is bound to `address` with `port`.
fn dialled(address: SocketAddr, port: u16) -> Vec<SocketAddr> {
    let v4 =
        |ip: Ipv4Addr| SocketAddr::from((if ip.is_unspecified() { Ipv4Addr::LOCALHOST } else { ip }, port));
    match address {
        SocketAddr::V4(address) => vec![v4(*address.ip())],
        SocketAddr::V6(address) => match IpAddr::V6(*address.ip()).to_canonical() {
            IpAddr::V4(mapped) => vec![v4(mapped)],
            IpAddr::V6(ip) if ip.is_unspecified() => {
                vec![SocketAddr::from((Ipv6Addr::LOCALHOST, port)), v4(Ipv4Addr::LOCALHOST)]
            }
            IpAddr::V6(ip) => vec![SocketAddrV6::new(ip, port, 0, address.scope_id()).into()],
        },
    }
}

/// A port that is free on every address, held by a socket that never listens; any one for 0.
fn reserve(port: u16) -> nix::Result<(OwnedFd, u16)> {
    let v6 = SockaddrIn6::from(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0));
    let v4 = SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port));
    match hold(AddressFamily::Inet6, &v6) {
        Err(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL) => hold(AddressFamily::Inet, &v4),
        held => held,
    }
}

/// Without SO_REUSEADDR, as a program may do it.
fn hold(family: AddressFamily, address: &dyn SockaddrLike) -> nix::Result<(OwnedFd, u16)> {
    let held = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    if family == AddressFamily::Inet6 {
        setsockopt(&held, sockopt::Ipv6V6Only, &false)?;
    }
    bind(held.as_raw_fd(), address)?;
    let name: SockaddrStorage = getsockname(held.as_raw_fd())?;
    let v6 = name.as_sockaddr_in6().map(SockaddrIn6::port);
    let port = v6.or_else(|| name.as_sockaddr_in().map(SockaddrIn::port)).ok_or(Errno::EADDRNOTAVAIL)?;
    Ok((held, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    #[test]
    fn what_is_bound_everywhere_is_dialled_on_loopback() {
        let dialled = |address: &str| {
            let dialled = dialled(parse(address), 9);
            dialled.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(dialled("0.0.0.0:80"), "127.0.0.1:9");
        assert_eq!(dialled("[::]:80"), "[::1]:9 127.0.0.1:9");
        assert_eq!(dialled("[::ffff:0.0.0.0]:80"), "127.0.0.1:9");
        assert_eq!(dialled("10.0.0.7:80"), "10.0.0.7:9");
        assert_eq!(dialled("[fe80::7%3]:80"), "[fe80::7%3]:9");
    }

    #[test]
    fn a_substitute_stays_as_long_as_it_is_free() {
        let ports = Ports::new(vec![80, 90]);
        assert_eq!(ports.substitute(80), None);
        ports.begin().unwrap();
        let (first, other) = (ports.substitute(80).unwrap(), ports.substitute(90).unwrap());
        assert_ne!(first, other);
        assert_eq!((ports.substitute(first), ports.substitute(81)), (Some(first), None));
        let holder = reserve(first).unwrap();
        ports.begin().unwrap();
        assert_ne!(ports.substitute(80), Some(first));
        assert_eq!(ports.substitute(90), Some(other));
        drop(holder);
    }

    #[test]
    fn what_an_earlier_process_binds_is_not_remembered() {
        let ports = Ports::new(vec![80]);
        let first = ports.begin().unwrap();
        ports.bound(first, parse("0.0.0.0:80"));
        assert_eq!(ports.all_bound(), [80]);
        let second = ports.begin().unwrap();
        assert!(ports.all_bound().is_empty());
        ports.bound(first, parse("0.0.0.0:80"));
        assert!(ports.all_bound().is_empty());
        ports.bound(second, parse("0.0.0.0:80"));
        ports.over(first);
        assert_eq!(ports.all_bound(), [80]);
        ports.over(second);
        assert!(ports.all_bound().is_empty());
    }
}
