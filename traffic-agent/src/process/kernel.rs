//! What only the kernel's raw interface offers: a filter that reports every `bind`, its descriptor on the way from child
//! to agent, and what a child does between fork and exec.
//!
//! The one module of the process with `unsafe`; each function is small and says why it is sound.
#![allow(
    unsafe_code,
    reason = "filters, their ioctls, descriptors in messages and hooks between fork and exec have no safe form"
)]

use std::{
    ffi::CString,
    mem::{offset_of, zeroed},
    os::{
        fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd},
        unix::{net::UnixStream, process::CommandExt as _},
    },
    process::Command,
    ptr::null_mut,
};

use nix::{
    errno::Errno,
    libc,
    sys::{
        prctl,
        signal::{SigSet, Signal},
    },
    unistd::{Pid, getpid, getppid},
};

/// What a program of this build calls itself in a filter: AUDIT_ARCH_X86_64 of linux/audit.h.
#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xc000_003e;
/// AUDIT_ARCH_AARCH64 of linux/audit.h.
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xc000_00b7;

// Of linux/seccomp.h. The size is a part of each number: a kernel with other structures would not take them for its own.
const RECEIVE: u64 = nix::request_code_readwrite!(b'!', 0, size_of::<libc::seccomp_notif>()) as u64;
const SEND: u64 = nix::request_code_readwrite!(b'!', 1, size_of::<libc::seccomp_notif_resp>()) as u64;
const ID_VALID: u64 = nix::request_code_write!(b'!', 2, size_of::<u64>()) as u64;
/// SECCOMP_IOCTL_NOTIF_ID_VALID_WRONG_DIR: the only one until Linux 5.8.
const ID_VALID_BEFORE: u64 = nix::request_code_read!(b'!', 2, size_of::<u64>()) as u64;

/// What a child has done, or the part of its start that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// All of it.
    Done,
    Signals,
    Parent,
    Privileges,
    Filter,
    Hand,
}

impl Step {
    const ALL: [Self; 6] =
        [Self::Done, Self::Signals, Self::Parent, Self::Privileges, Self::Filter, Self::Hand];
}

/// What the child of `command` does before it becomes the program: it dies with this thread, takes no disposition of
/// signals along, and, if `filtered`, reports its binds. How far it came is told at the other end of `tell`.
pub(super) fn prepare(command: &mut Command, tell: UnixStream, filtered: bool) {
    let parent = getpid();
    let hook = move || {
        before_exec(parent, &tell, filtered).map_err(|(step, error)| {
            // The error goes the way of the standard library; this one only explains it.
            let _ = send(tell.as_fd(), step, None);
            error.into()
        })
    };
    // SAFETY: between fork and exec it makes system calls only: nothing is allocated and no lock is taken.
    unsafe { command.pre_exec(hook) };
}

fn before_exec(parent: Pid, tell: &UnixStream, filtered: bool) -> Result<(), (Step, Errno)> {
    let at = |step| move |error| (step, error);
    reset_signals().map_err(at(Step::Signals))?;
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(at(Step::Parent))?;
    if getppid() != parent {
        return Err((Step::Parent, Errno::ESRCH));
    }
    if filtered {
        prctl::set_no_new_privs().map_err(at(Step::Privileges))?;
        let listener = install().map_err(at(Step::Filter))?;
        send(tell.as_fd(), Step::Done, Some(listener.as_fd())).map_err(at(Step::Hand))?;
    }
    Ok(())
}

/// What this process or its parent ignores would be ignored in the program too.
fn reset_signals() -> nix::Result<()> {
    // The kernel's sigaction is as long or shorter; zeros are the default, without flags. The C library would leave some
    // signals out.
    let default = [0_u64; 4];
    let (none, size) = (null_mut::<u64>(), size_of::<u64>());
    for signal in 1..=64 {
        // SAFETY: the structure lives during the call, and nothing is written. SIGKILL and SIGSTOP are refused.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), none, size) };
    }
    SigSet::empty().thread_set_mask()
}

/// From now on every `bind` of this process and its descendants waits for an answer.
fn install() -> nix::Result<OwnedFd> {
    const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
    const fn line(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
        libc::sock_filter { code: code as u16, jt, jf, k }
    }
    // Numbers of another architecture mean other calls, and those of x32 are never equal: both may do what they want.
    let mut lines = [
        line(LOAD, 0, 0, offset_of!(libc::seccomp_data, arch) as u32),
        line(EQUAL, 0, 3, ARCH),
        line(LOAD, 0, 0, offset_of!(libc::seccomp_data, nr) as u32),
        line(EQUAL, 0, 1, libc::SYS_bind as u32),
        line(RETURN, 0, 0, libc::SECCOMP_RET_USER_NOTIF),
        line(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: lines.len() as u16, filter: lines.as_mut_ptr() };
    // No mitigations that slow the program down: the filter guards nothing.
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    // Signals shall not interrupt a bind that is being answered: runtimes that send many would begin it again and again.
    // Kernels before 5.19 do not know that.
    let killable = flags | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    let set = |flags: libc::c_ulong| {
        // SAFETY: the program and its lines live during the call, which copies them.
        Errno::result(unsafe {
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
        })
    };
    let fd = match set(killable) {
        Err(Errno::EINVAL) => set(flags)?,
        other => other?,
    };
    let fd = RawFd::try_from(fd).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made it, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Room for one descriptor in a message, in words, as the kernel's header in it is aligned.
type Space = [u64; 4];

/// Sends one byte, and a descriptor with it. Allocates nothing.
fn send(socket: BorrowedFd<'_>, step: Step, with: Option<BorrowedFd<'_>>) -> nix::Result<()> {
    let mut byte = [step as u8];
    let mut slice = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: byte.len() };
    let mut space: Space = [0; 4];
    // SAFETY: all fields are numbers and pointers, for which zero is a value.
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_iov = &raw mut slice;
    header.msg_iovlen = 1;
    if let Some(fd) = with {
        header.msg_control = space.as_mut_ptr().cast();
        // SAFETY: it computes with numbers.
        header.msg_controllen = unsafe { libc::CMSG_SPACE(size_of::<RawFd>() as u32) } as _;
        // SAFETY: the header leads to `space`, which has room for one message of one descriptor.
        unsafe {
            let message = libc::CMSG_FIRSTHDR(&raw const header);
            (*message).cmsg_level = libc::SOL_SOCKET;
            (*message).cmsg_type = libc::SCM_RIGHTS;
            (*message).cmsg_len = libc::CMSG_LEN(size_of::<RawFd>() as u32) as _;
            libc::CMSG_DATA(message).cast::<RawFd>().write_unaligned(fd.as_raw_fd());
        }
    }
    // SAFETY: the header points to buffers that live longer than the call, with their true lengths.
    Errno::result(unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_NOSIGNAL) })?;
    Ok(())
}

/// What a child told, if it told anything; does not wait.
pub(super) fn receive(socket: &UnixStream) -> nix::Result<(Option<Step>, Option<Listener>)> {
    let mut byte = [0_u8];
    let mut slice = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: byte.len() };
    let mut space: Space = [0; 4];
    // SAFETY: all fields are numbers and pointers, for which zero is a value.
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_iov = &raw mut slice;
    header.msg_iovlen = 1;
    header.msg_control = space.as_mut_ptr().cast();
    header.msg_controllen = size_of::<Space>() as _;
    let flags = libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT;
    // SAFETY: the header points to buffers that live longer than the call, with their true lengths.
    let length = Errno::result(unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) })?;
    let [byte] = byte;
    let step = Step::ALL.into_iter().find(|step| length == 1 && *step as u8 == byte);
    // SAFETY: the kernel filled the header in. The first descriptor of SCM_RIGHTS, for which there is room once, is one
    // that it has just made for this process, and that nobody else knows.
    let listener = unsafe {
        libc::CMSG_FIRSTHDR(&raw const header)
            .as_ref()
            .filter(|message| (message.cmsg_level, message.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_RIGHTS))
            .map(|message| libc::CMSG_DATA(message).cast::<RawFd>().read_unaligned())
            .map(|fd| Listener(OwnedFd::from_raw_fd(fd)))
    };
    Ok((step, listener))
}

/// Where binds are reported.
#[derive(Debug)]
pub(super) struct Listener(OwnedFd);

/// A thread waits in `bind`.
#[derive(Debug)]
pub(super) struct Bind {
    id: u64,
    /// The thread, as /proc knows it; 0 when it is not visible here.
    pub(super) pid: u32,
    pub(super) socket: u64,
    /// Where in its memory the socket's address is, and how long.
    pub(super) address: u64,
    pub(super) length: u64,
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Listener {
    /// The next one; only after poll(2) said that there is one. ENOENT: it was killed or interrupted meanwhile.
    pub(super) fn receive(&self) -> nix::Result<Bind> {
        // SAFETY: all fields are numbers; the kernel wants zeros there.
        let mut told: libc::seccomp_notif = unsafe { zeroed() };
        // SAFETY: the kernel fills the structure, whose size is in the request's number.
        Errno::result(unsafe { libc::ioctl(self.0.as_raw_fd(), RECEIVE as _, &raw mut told) })?;
        let [socket, address, length, ..] = told.data.args;
        Ok(Bind { id: told.id, pid: told.pid, socket, address, length })
    }

    /// Whether it still waits: until then its number belonged to nobody else.
    pub(super) fn waits(&self, bind: &Bind) -> bool {
        // SAFETY: the kernel reads a number that lives during the call.
        let ask = |request: u64| unsafe { libc::ioctl(self.0.as_raw_fd(), request as _, &raw const bind.id) };
        match Errno::result(ask(ID_VALID)) {
            Err(Errno::EINVAL) => ask(ID_VALID_BEFORE) == 0,
            other => other.is_ok(),
        }
    }

    /// Lets it go on, with what its memory holds now.
    pub(super) fn let_go(&self, bind: &Bind) -> nix::Result<()> {
        self.answer(bind, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32)
    }

    /// Lets it fail.
    pub(super) fn refuse(&self, bind: &Bind, error: Errno) -> nix::Result<()> {
        self.answer(bind, -(error as i32), 0)
    }

    fn answer(&self, bind: &Bind, error: i32, flags: u32) -> nix::Result<()> {
        let mut answer = libc::seccomp_notif_resp { id: bind.id, val: 0, error, flags };
        // SAFETY: the structure lives during the call, and its size is in the request's number.
        Errno::result(unsafe { libc::ioctl(self.0.as_raw_fd(), SEND as _, &raw mut answer) })?;
        Ok(())
    }
}

/// The protocol of a thread's socket, as `TCP` or `UDPv6`; `None` when that is not to be known.
pub(super) fn protocol(pid: u32, socket: u64) -> Option<String> {
    let path = CString::new(format!("/proc/{pid}/fd/{socket}")).ok()?;
    let mut name = [0_u8; 32];
    // SAFETY: both names end with zero, and the kernel writes as many bytes as there are at most.
    let length = Errno::result(unsafe {
        libc::getxattr(path.as_ptr(), c"system.sockprotoname".as_ptr(), name.as_mut_ptr().cast(), name.len())
    });
    let name = name.get(..usize::try_from(length.ok()?).ok()?)?;
    Some(String::from_utf8_lossy(name).trim_end_matches('\0').to_owned())
}
