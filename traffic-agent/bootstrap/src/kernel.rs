//! The few calls that a library for ordinary programs keeps to itself: fork, execute, signals, exit.

#![allow(unsafe_code, reason = "raw system calls")]

use core::ffi::CStr;
use core::time::Duration;

use linux_raw_sys::general::{
    __NR_clock_gettime, __NR_clone, __NR_dup3, __NR_execveat, __NR_exit_group, __NR_prctl,
    __NR_rt_sigprocmask, __NR_rt_sigtimedwait, CLOCK_MONOTONIC, SIG_BLOCK, SIG_SETMASK, SIGCHLD, timespec,
};
use rustix::fd::{AsRawFd as _, BorrowedFd, IntoRawFd as _, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};

use crate::start::StringList;

const PR_SET_CHILD_SUBREAPER: usize = 36;

/// A set of signals as the kernel has it: bit n - 1 for signal n.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signals(u64);

/// What is waited for instead of being handled.
static AWAITED: Signals = Signals::of(&[Signal::TERM, Signal::INT, Signal::CHILD]);

impl Signals {
    const fn of(signals: &[Signal]) -> Self {
        let mut set = 0;
        let mut at = 0;
        while at < signals.len() {
            set |= 1 << (signals[at].as_raw() - 1);
            at += 1;
        }
        Self(set)
    }
}

/// Blocks the signals that [`next_signal`] waits for; gives back the set that was blocked before.
pub(crate) fn block_signals() -> Signals {
    let mut before = 0_u64;
    // SAFETY: both sets are eight bytes long and live during the call. It cannot fail with them.
    let _ = unsafe {
        syscall(
            __NR_rt_sigprocmask,
            [SIG_BLOCK as usize, (&raw const AWAITED.0).addr(), (&raw mut before).addr(), 8, 0],
        )
    };
    Signals(before)
}

/// Waits for one of the blocked signals, at most for `timeout`, for ever without one.
pub(crate) fn next_signal(timeout: Option<Duration>) -> Option<Signal> {
    let timeout = timeout.map(|wait| timespec {
        // A wait is a second at most, see `Backoff`.
        tv_sec: wait.as_secs() as _,
        tv_nsec: wait.subsec_nanos().into(),
    });
    let until = timeout.as_ref().map_or(0, |timeout| (&raw const *timeout).addr());
    // SAFETY: set and time live during the call; nothing is written.
    let signal = unsafe { syscall(__NR_rt_sigtimedwait, [(&raw const AWAITED.0).addr(), 0, until, 8, 0]) };
    // A time-out and an interruption by a stop and continue look alike to the caller: nothing came.
    Signal::from_named_raw(signal.ok()? as i32)
}

/// Standard error.
pub(crate) fn stderr() -> BorrowedFd<'static> {
    // SAFETY: this program never closes it. Where it was not open, writing fails or goes to what the
    // container's runtime left there.
    unsafe { BorrowedFd::borrow_raw(2) }
}

/// Becomes the parent of descendants that lose theirs; pid 1 is that anyway.
pub(crate) fn adopt_orphans() {
    // SAFETY: no memory is passed. Kernels that do not know it are older than containers.
    let _ = unsafe { syscall(__NR_prctl, [PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0]) };
}

/// Time of a clock that never jumps.
pub(crate) fn now() -> Duration {
    let mut time = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel fills `time`, which lives during the call. This clock always exists.
    let _ =
        unsafe { syscall(__NR_clock_gettime, [CLOCK_MONOTONIC as usize, (&raw mut time).addr(), 0, 0, 0]) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Moves a descriptor to number `at`, where it stays open for good, in every child too.
///
/// Whatever was there is closed.
pub(crate) fn place(from: OwnedFd, at: i32) -> Result<(), Errno> {
    if from.as_raw_fd() == at {
        let _ = from.into_raw_fd();
        return Ok(());
    }
    // SAFETY: no memory is passed, and no owned descriptor of this program has number `at`.
    unsafe { syscall(__NR_dup3, [from.as_raw_fd() as usize, at as usize, 0, 0, 0])? };
    Ok(())
}

/// Makes a child that goes on in `child`, with `mask` as its blocked signals.
pub(crate) fn fork(mask: Signals, child: impl FnOnce() -> i32) -> Result<Pid, Errno> {
    // SAFETY: there is one thread and no memory shared with the child.
    let pid = unsafe { syscall(__NR_clone, [SIGCHLD as usize, 0, 0, 0, 0])? };
    if let Some(pid) = Pid::from_raw(pid as i32) {
        return Ok(pid);
    }
    // SAFETY: the set lives during the call.
    let _ =
        unsafe { syscall(__NR_rt_sigprocmask, [SIG_SETMASK as usize, (&raw const mask.0).addr(), 0, 8, 0]) };
    exit(child())
}

/// Replaces this process by `path` below `directory`, or by `directory` itself where `path` is empty.
pub(crate) fn execute(
    directory: BorrowedFd<'_>,
    path: &CStr,
    args: &StringList<'_>,
    environment: &StringList<'_>,
) -> Errno {
    const AT_EMPTY_PATH: usize = 0x1000;
    let call = [
        directory.as_raw_fd() as usize,
        path.as_ptr().addr(),
        args.as_ptr().addr(),
        environment.as_ptr().addr(),
        AT_EMPTY_PATH,
    ];
    // SAFETY: path and lists are zero-terminated and live until the process is replaced.
    match unsafe { syscall(__NR_execveat, call) } {
        Ok(_) => Errno::INVAL,
        Err(error) => error,
    }
}

/// Ends this process.
pub fn exit(status: i32) -> ! {
    loop {
        // SAFETY: no memory is passed.
        let _ = unsafe { syscall(__NR_exit_group, [status as usize, 0, 0, 0, 0]) };
    }
}

/// # Safety
///
/// The arguments are what the call wants; addresses lead to memory that lives as long as it needs.
#[cfg(target_arch = "x86_64")]
unsafe fn syscall(number: u32, args: [usize; 5]) -> Result<usize, Errno> {
    let [a, b, c, d, e] = args;
    let result: isize;
    // SAFETY: the caller vouches for the arguments; the kernel spoils rcx and r11 only.
    unsafe {
        core::arch::asm!("syscall", inlateout("rax") number as usize => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e,
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    returned(result)
}

/// # Safety
///
/// The arguments are what the call wants; addresses lead to memory that lives as long as it needs.
#[cfg(target_arch = "aarch64")]
unsafe fn syscall(number: u32, args: [usize; 5]) -> Result<usize, Errno> {
    let [a, b, c, d, e] = args;
    let result: isize;
    // SAFETY: the caller vouches for the arguments; the kernel keeps all other registers.
    unsafe {
        core::arch::asm!("svc 0", in("x8") number as usize, inlateout("x0") a => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, options(nostack));
    }
    returned(result)
}

fn returned(result: isize) -> Result<usize, Errno> {
    // The kernel returns errors as -1 to -4095.
    usize::try_from(result).map_err(|_| Errno::from_raw_os_error(-result as i32))
}
