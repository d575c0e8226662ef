//! The listening sockets that the bootstrap left open for this process.
//!
//! They outlive the agent: a restarted one goes on accepting where the last one stopped, and callers see no
//! refused connection.

#![allow(
    unsafe_code,
    reason = "a descriptor number from the parent can only be turned into an owner unsafely"
)]

use std::{
    io,
    net::TcpListener,
    os::fd::{FromRawFd as _, OwnedFd, RawFd},
};

use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    sys::socket::{getsockopt, sockopt},
};

/// The first descriptor after stdin, stdout and stderr.
const FIRST: RawFd = 3;

/// Takes ownership of descriptors 3.. as listeners for `ports`, in that order.
///
/// Call once, at the start of the process, before anything else opens a file: a descriptor that the
/// bootstrap did not leave would otherwise be somebody else's.
///
/// # Errors
/// When one of them is not a listening socket.
pub fn listeners(ports: &[u16]) -> io::Result<Vec<(u16, TcpListener)>> {
    let mut listeners = Vec::with_capacity(ports.len());
    for (fd, port) in (FIRST..).zip(ports) {
        // SAFETY: asking for the flags of a number changes nothing; EBADF if it is not open.
        let open = unsafe { nix::libc::fcntl(fd, nix::libc::F_GETFD) };
        if open < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it is open, nothing in this process has opened a file yet (see above), and each number is
        // taken once, so this is its only owner.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        if !getsockopt(&fd, sockopt::AcceptConn)? {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a listening socket"));
        }
        fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        let listener = TcpListener::from(fd);
        listener.set_nonblocking(true)?;
        listeners.push((*port, listener));
    }
    Ok(listeners)
}
