//! What only the kernel's raw interface offers: descriptors by number, code between fork and exec, capabilities.
//!
//! The one module of the sandbox with `unsafe`; each function is small and says why it is sound.
#![allow(
    unsafe_code,
    reason = "descriptors handed over by number and hooks between fork and exec have no safe form"
)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};

/// Most descriptors that one message carries.
pub(super) const MAX_FDS: usize = 64;

/// Takes over a descriptor that this process inherited under a known number, and keeps it from its own children.
pub(super) fn adopt(fd: RawFd) -> io::Result<OwnedFd> {
    if fd <= libc::STDERR_FILENO {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: only borrowed for the check that it is open at all; fcntl on a closed number is an error, not undefined.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    fcntl(borrowed, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    // SAFETY: open (checked above), and called once at the start of a process that has not opened anything else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Lets the child of `command` inherit `fd` under its number. Other children started meanwhile do not get it.
pub(super) fn inherit(command: &mut tokio::process::Command, fd: RawFd) {
    let keep = move || {
        // SAFETY: the caller holds the descriptor open until spawn returned.
        let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
        fcntl(borrowed, FcntlArg::F_SETFD(FdFlag::empty()))?;
        Ok(())
    };
    // SAFETY: between fork and exec it makes one system call and allocates nothing.
    unsafe { command.pre_exec(keep) };
}

/// Gives the child of `command` this signal mask, which it would inherit otherwise, and has the kernel kill it when
/// this process dies. This process must have one thread only: the kernel looks at the thread that forked.
pub(super) fn prepare(command: &mut std::process::Command, mask: SigSet) {
    let parent = nix::unistd::getpid();
    let hook = move || {
        mask.thread_set_mask()?;
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        if nix::unistd::getppid() != parent {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        Ok(())
    };
    // SAFETY: between fork and exec it makes three system calls and allocates nothing.
    unsafe { command.pre_exec(hook) };
}

/// Programs that this process executes from now on get no capabilities, also when its user is root.
pub(super) fn empty_bounding_set() -> io::Result<()> {
    for capability in 0..64 as libc::c_ulong {
        // SAFETY: takes numbers only.
        if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability) } == 0 {
            continue;
        }
        let error = io::Error::last_os_error();
        // The first number after the kernel's last capability.
        return if error.raw_os_error() == Some(libc::EINVAL) && capability > 0 {
            Ok(())
        } else {
            Err(error)
        };
    }
    Ok(())
}

/// Receives one message and the descriptors that came with it; 0 bytes: the peer has closed. When this process has no
/// free descriptors, there are fewer than were sent.
pub(super) fn receive(socket: BorrowedFd<'_>, bytes: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    // Words, as the kernel's headers in it are aligned; one header and the descriptors, with room to spare.
    let mut space = [0_u64; MAX_FDS];
    let mut slice = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: all fields are numbers and pointers, for which zero is a value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut slice;
    header.msg_iovlen = 1;
    header.msg_control = space.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&space) as _;
    // SAFETY: the header points to buffers that live longer than the call, with their true lengths.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_CMSG_CLOEXEC) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    let mut fds = Vec::new();
    // SAFETY: the kernel filled the header in; the macros stay within the length that it wrote there. The data of
    // SCM_RIGHTS are descriptors that it has just made for this process, and that nobody else knows.
    unsafe {
        let mut control = libc::CMSG_FIRSTHDR(&raw const header);
        while let Some(message) = control.as_ref() {
            if (message.cmsg_level, message.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
                #[allow(clippy::unnecessary_cast, reason = "a smaller number with musl")]
                let size = (message.cmsg_len as usize).saturating_sub(libc::CMSG_LEN(0) as usize);
                let data = libc::CMSG_DATA(control).cast::<RawFd>();
                for index in 0..size / size_of::<RawFd>() {
                    fds.push(OwnedFd::from_raw_fd(data.add(index).read_unaligned()));
                }
            }
            control = libc::CMSG_NXTHDR(&raw const header, control);
        }
    }
    Ok((length, fds))
}
