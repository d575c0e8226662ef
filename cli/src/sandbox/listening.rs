//! On which TCP ports somebody listens inside.
//!
//! Asked of the kernel's socket diagnosis with a filter on the state: that walks listening sockets only, while
//! /proc/net/tcp walks the table of all connections of the machine. Kernels without it get the slow way.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;

use nix::libc;
use nix::sys::socket::SockProtocol;

use super::netlink;
use super::network::CAPTURE_PORT;

/// More ports than this are not reported.
const MAX_PORTS: usize = 1024;

/// `SOCK_DIAG_BY_FAMILY` of the kernel's sock_diag.h.
const BY_FAMILY: i32 = 20;

/// `TCP_LISTEN` as a bit, and as /proc/net/tcp writes it.
const LISTEN_BIT: u32 = 1 << 10;
const LISTEN_HEX: &str = "0A";

/// Asks again and again with one socket.
pub(super) struct Ports {
    diagnosis: Option<OwnedFd>,
}

impl Ports {
    /// For the network namespace of the caller.
    pub(super) fn new() -> Self {
        Self { diagnosis: netlink::open(SockProtocol::NetlinkSockDiag).ok() }
    }

    /// The ports, sorted, without the capture sockets' own.
    pub(super) fn now(&mut self) -> Vec<u16> {
        if let Some(socket) = &self.diagnosis {
            match ask(socket) {
                Ok(ports) => return tidy(ports),
                Err(_) => self.diagnosis = None,
            }
        }
        let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];
        tidy(
            tables
                .iter()
                .filter_map(|path| std::fs::read_to_string(path).ok())
                .flat_map(|t| parse(&t))
                .collect(),
        )
    }
}

fn tidy(mut ports: BTreeSet<u16>) -> Vec<u16> {
    ports.remove(&CAPTURE_PORT);
    ports.into_iter().take(MAX_PORTS).collect()
}

fn ask(socket: &OwnedFd) -> io::Result<BTreeSet<u16>> {
    let mut ports = BTreeSet::new();
    for family in [libc::AF_INET as u8, libc::AF_INET6 as u8] {
        let mut query = vec![family, libc::IPPROTO_TCP as u8, 0, 0];
        query.extend(LISTEN_BIT.to_ne_bytes());
        query.extend([0; 48]);
        netlink::request(socket, &[netlink::message(BY_FAMILY, libc::NLM_F_DUMP, &query, &[])])?;
        let mut more = true;
        while more {
            netlink::for_each(socket, |kind, body| {
                match kind {
                    libc::NLMSG_DONE => more = false,
                    libc::NLMSG_ERROR => return netlink::refusal(body),
                    _ => ports
                        .extend(body.get(4..6).and_then(|b| b.first_chunk()).map(|b| u16::from_be_bytes(*b))),
                }
                Ok(())
            })?;
        }
    }
    Ok(ports)
}

/// Ports of a table like /proc/net/tcp.
fn parse(table: &str) -> BTreeSet<u16> {
    let port = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let (_, port) = fields.nth(1)?.rsplit_once(':')?;
        (fields.nth(1)? == LISTEN_HEX).then(|| u16::from_str_radix(port, 16).ok())?
    };
    table.lines().skip(1).filter_map(port).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listening_lines_of_the_kernels_table_count() {
        let table = "  sl  local_address rem_address   st tx_queue\n\
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n\
            1: 0100007F:1F91 0100007F:1F90 01 00000000:00000000\n\
            2: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0\n\
            garbage\n";
        assert_eq!(parse(table).into_iter().collect::<Vec<_>>(), [80, 8080]);
    }

    #[test]
    fn the_capture_sockets_are_not_the_processs_own() {
        assert_eq!(tidy([CAPTURE_PORT, 80].into()), [80]);
    }
}
