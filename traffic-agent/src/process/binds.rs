//! Answers for every `bind` of a process: which port it gets.
//!
//! The process waits in the kernel meanwhile, so its memory holds still; only another thread of it could change the address
//! once more, and would fool itself. What cannot be read or is none of the container's ports goes on as it is.

use std::{
    fs::{File, OpenOptions},
    io,
    net::{IpAddr, SocketAddr, SocketAddrV6},
    os::{
        fd::{AsFd as _, BorrowedFd},
        unix::fs::FileExt as _,
    },
};

use nix::{
    errno::Errno,
    libc,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use tracing::{debug, warn};

use super::{
    kernel::{self, Bind, Listener},
    ports::Ports,
};

/// Size of `sockaddr_in6`, of which a kernel reads 24 or 28 bytes.
const LONGEST: usize = size_of::<libc::sockaddr_in6>();
/// Where a port is in the addresses of both families.
const PORT: usize = 2;

/// Answers until `stop` is closed at its other end, or all processes have ended. Blocks.
pub(super) fn serve(listener: &Listener, stop: BorrowedFd<'_>, ports: &Ports, start: u64) {
    loop {
        let mut polled =
            [PollFd::new(stop, PollFlags::POLLIN), PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        match poll(&mut polled, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(error) => return warn!(%error, "binds are answered no more"),
        }
        let [stopped, told] = polled.map(|polled| polled.revents().unwrap_or(PollFlags::empty()));
        if !stopped.is_empty() {
            return;
        }
        if told.contains(PollFlags::POLLIN) {
            match listener.receive() {
                Ok(bind) => answer(listener, &bind, ports, start),
                Err(Errno::ENOENT | Errno::EINTR) => {}
                Err(error) => return warn!(%error, "binds are answered no more"),
            }
        } else if !told.is_empty() {
            return;
        }
    }
}

fn answer(listener: &Listener, bind: &Bind, ports: &Ports, start: u64) {
    match exchange(listener, bind, ports, start) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES)) => {
            ports.complain(&error, bind.pid);
        }
        // The kernel will say the same.
        Err(error) => debug!(%error, pid = bind.pid, "an address cannot be read or written"),
        Ok(()) => {}
    }
    match listener.let_go(bind) {
        Err(Errno::EINVAL) => {
            // Linux 5.0 to 5.4 can report binds but not go on with them.
            warn!(pid = bind.pid, "this kernel is older than Linux 5.5, so the process cannot bind anything");
            let _ = listener.refuse(bind, Errno::ENOSYS);
        }
        // It was killed or interrupted, and asks again if it lives.
        Err(error) => debug!(%error, pid = bind.pid, "a bind was not answered"),
        Ok(()) => {}
    }
}

/// Puts the substitute into the place of a container port.
fn exchange(listener: &Listener, bind: &Bind, ports: &Ports, start: u64) -> io::Result<()> {
    let memory = OpenOptions::new().read(true).write(true).open(format!("/proc/{}/mem", bind.pid))?;
    let Some(address) = read(&memory, bind)? else { return Ok(()) };
    let Some(substitute) = ports.substitute(address.port()) else { return Ok(()) };
    let stream = kernel::protocol(bind.pid, bind.socket)
        .is_none_or(|protocol| ["TCP", "TCPv6", "MPTCP", "MPTCPv6"].contains(&protocol.as_str()));
    // As long as it waits all of that was about it, and not about somebody who got its number.
    if !stream || !listener.waits(bind) {
        return Ok(());
    }
    if substitute != address.port() {
        memory
            .write_all_at(&substitute.to_be_bytes(), bind.address.saturating_add(PORT as u64))
            .inspect_err(|error| ports.complain(error, bind.pid))?;
    }
    debug!(pid = bind.pid, %address, substitute, "bound");
    ports.bound(start, address);
    Ok(())
}

/// The address to bind; `None` for other families and what the kernel will find too short.
fn read(memory: &File, bind: &Bind) -> io::Result<Option<SocketAddr>> {
    let mut bytes = [0; LONGEST];
    let length = usize::try_from(bind.length).unwrap_or(LONGEST).min(LONGEST);
    let Some(wanted) = bytes.get_mut(..length) else { return Ok(None) };
    memory.read_exact_at(wanted, bind.address)?;
    Ok(parse(wanted))
}

fn parse(bytes: &[u8]) -> Option<SocketAddr> {
    let family = u16::from_ne_bytes(*bytes.first_chunk()?);
    let port = u16::from_be_bytes(*bytes.get(PORT..)?.first_chunk()?);
    match libc::c_int::from(family) {
        libc::AF_INET if bytes.len() >= size_of::<libc::sockaddr_in>() => {
            let ip: [u8; 4] = *bytes.get(4..)?.first_chunk()?;
            Some(SocketAddr::new(IpAddr::from(ip), port))
        }
        libc::AF_INET6 => {
            let ip: [u8; 16] = *bytes.get(8..)?.first_chunk()?;
            let scope = bytes.get(24..).and_then(<[u8]>::first_chunk).map_or(0, |id| u32::from_ne_bytes(*id));
            Some(SocketAddrV6::new(ip.into(), port, 0, scope).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(family: libc::c_int, port: u16, rest: &[u8]) -> Vec<u8> {
        let family = u16::try_from(family).unwrap();
        [&family.to_ne_bytes()[..], &port.to_be_bytes(), rest].concat()
    }

    #[test]
    fn addresses_of_both_families_are_read() {
        let v4 = bytes(libc::AF_INET, 8080, &[10, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(parse(&v4), Some("10.0.0.7:8080".parse().unwrap()));
        let mut rest = [0; 24];
        (rest[4], rest[5], rest[19]) = (0xfe, 0x80, 1);
        rest[20..].copy_from_slice(&3_u32.to_ne_bytes());
        let v6 = bytes(libc::AF_INET6, 80, &rest);
        assert_eq!(parse(&v6), Some("[fe80::1%3]:80".parse().unwrap()));
        assert_eq!(parse(&v6[..24]), Some("[fe80::1]:80".parse().unwrap()));
    }

    #[test]
    fn what_the_kernel_refuses_or_is_no_port_is_left_alone() {
        let whole = bytes(libc::AF_INET6, 80, &[0; 20]);
        for length in 0..whole.len() {
            assert_eq!(parse(&whole[..length]), None, "{length}");
        }
        assert_eq!(parse(&bytes(libc::AF_INET, 80, &[0; 11])), None);
        assert_eq!(parse(&bytes(libc::AF_UNIX, 80, &[0; 24])), None);
    }
}
