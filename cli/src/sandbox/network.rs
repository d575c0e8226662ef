//! The network inside: one loopback device that takes every address, and rules that turn connections to us.
//!
//! A process sees addresses, default routes and a working network. Each TCP connection that does not go to the
//! process's own loopback is redirected to a listener, each UDP packet to port 53 to a socket; both were made inside
//! and are served outside. All else is refused at once, because a program that waits for an answer that cannot come looks broken.
//!
//! Three traps: the device needs an address of its own as the source of outgoing packets (with 0.0.0.0 replies
//! vanish); the sockets must be bound to the loopback address itself, or UDP answers come from the wrong one; and
//! their port must be outside the range that the kernel gives to others.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::libc;
use nix::sys::socket::{Backlog, SockProtocol, listen};

use super::netlink::{self, attribute, message};

/// Source address of the process: the dummy address of RFC 7600, which no network uses.
pub(super) const OWN_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 8);

/// The same for IPv6: a unique local address.
pub(super) const OWN_V6: Ipv6Addr = Ipv6Addr::new(0xfd64, 0x7662, 0x7200, 0, 0, 0, 0, 1);

/// Port of the capture sockets: above the kernel's ephemeral ports (32768–60999), so that only a program that asks for
/// exactly this port finds it taken.
pub(super) const CAPTURE_PORT: u16 = 64_730;

/// Connections that may wait to be accepted; the kernel's own limit is the same by default.
const BACKLOG: i32 = 4096;

/// Index of the loopback device in every network namespace.
const LOOPBACK: i32 = 1;

/// Settings of the namespace.
///
/// All captured connections end at one port, whatever their destination, so a source port that the kernel uses again
/// for another destination meets its predecessor: in TIME_WAIT that costs the new connection its first packet, thus up
/// to a second. Nothing is late or out of order on a loopback device, so neither sockets nor connection tracking have to wait.
const SETTINGS: [(&str, &str); 4] = [
    // As in a pod, the process may listen on any port, 80 included.
    ("ipv4/ip_unprivileged_port_start", "0"),
    ("ipv4/tcp_max_tw_buckets", "0"),
    ("netfilter/nf_conntrack_tcp_timeout_time_wait", "1"),
    ("ipv6/conf/lo/disable_ipv6", "0"),
];

/// Brings the loopback device up, with addresses and default routes. Answers whether there is IPv6.
pub(super) fn start_loopback() -> io::Result<bool> {
    let socket = netlink::open(SockProtocol::NetlinkRoute)?;
    netlink::request(&socket, &[device_up()])?;
    netlink::request(&socket, &[address(&OWN_V4.octets()), default_route(&OWN_V4.octets())])?;
    for (name, value) in SETTINGS {
        // Each makes things better; where /proc/sys is read-only the sandbox works without.
        drop(std::fs::write(Path::new("/proc/sys/net").join(name), value));
    }
    let ipv6 = netlink::request(&socket, &[address(&OWN_V6.octets()), default_route(&OWN_V6.octets())]);
    Ok(ipv6.is_ok() && UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok())
}

/// Sockets to which the rules lead: TCP and UDP of IPv4, then of IPv6.
pub(super) fn capture_sockets(ipv6: bool) -> io::Result<Vec<OwnedFd>> {
    let mut sockets = Vec::new();
    let v6 = ipv6.then_some(Ipv6Addr::LOCALHOST.into());
    for ip in [Some(Ipv4Addr::LOCALHOST.into()), v6].into_iter().flatten() {
        let at = SocketAddr::new(ip, CAPTURE_PORT);
        let listener = TcpListener::bind(at)?;
        // Again, for more than the standard library's 128: what does not fit in loses its first packet, thus a second.
        listen(&listener, Backlog::new(BACKLOG)?)?;
        sockets.push(listener.into());
        sockets.push(UdpSocket::bind(at)?.into());
    }
    Ok(sockets)
}

fn device_up() -> Vec<u8> {
    let up = libc::IFF_UP.to_ne_bytes();
    let header = [&[0; 4][..], &LOOPBACK.to_ne_bytes(), &up, &up].concat();
    message(libc::RTM_NEWLINK.into(), libc::NLM_F_ACK, &header, &[])
}

fn address(ip: &[u8]) -> Vec<u8> {
    let bits = ip.len() as u8 * 8;
    let header = [&[family(ip), bits, libc::IFA_F_NODAD as u8, 0][..], &LOOPBACK.to_ne_bytes()].concat();
    let attributes = [attribute(libc::IFA_LOCAL.into(), ip), attribute(libc::IFA_ADDRESS.into(), ip)];
    message(libc::RTM_NEWADDR.into(), NEW, &header, &attributes)
}

fn default_route(source: &[u8]) -> Vec<u8> {
    let scope = if source.len() == 4 { libc::RT_SCOPE_LINK } else { libc::RT_SCOPE_UNIVERSE };
    let header = [
        family(source),
        0,
        0,
        0,
        libc::RT_TABLE_MAIN,
        libc::RTPROT_BOOT,
        scope,
        libc::RTN_UNICAST,
        0,
        0,
        0,
        0,
    ];
    let attributes = [
        attribute(libc::RTA_OIF.into(), &LOOPBACK.to_ne_bytes()),
        attribute(libc::RTA_PREFSRC.into(), source),
    ];
    message(libc::RTM_NEWROUTE.into(), NEW, &header, &attributes)
}

const NEW: i32 = libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;

fn family(ip: &[u8]) -> u8 {
    if ip.len() == 4 { libc::AF_INET as u8 } else { libc::AF_INET6 as u8 }
}
