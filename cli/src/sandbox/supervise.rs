//! The supervisor at work: the command's parent, maker of sockets, and the one who ends everything.
//!
//! One thread, one loop over two descriptors. Its life hangs on the control socket: when devbridge's end closes, for
//! whatever reason, `kill -9` included, all that was started inside is asked to end and killed after a grace period.
//! The kernel's parent-death signal guards the command against the supervisor's own death only. Between devbridge and
//! the supervisor it would do harm: it comes when the *thread* ends that started the child, and a runtime ends threads
//! as it likes.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socket, sockopt};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};

use super::control::{self, Exit, Order, Report};
use super::listening::Ports;
use super::{Plan, inside, kernel, tree};

/// From the request to end to the kill.
const GRACE: Duration = Duration::from_secs(3);

/// After the kill; processes that hang in the kernel are left.
const GIVE_UP: Duration = Duration::from_secs(5);

/// How often the listening ports are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// How often the tree is looked at while it ends.
const ENDING: Duration = Duration::from_millis(20);

/// Signals that a terminal or a service manager sends to the whole process group.
const TO_ALL: [Signal; 4] = [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGHUP];

/// Takes the signals that would end or stop this process as data. Blocked, not ignored: what is ignored here would be
/// ignored in the command too.
pub(super) fn hold_signals() -> io::Result<Signals> {
    let before = SigSet::thread_get_mask()?;
    let stops = [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU];
    let mask: SigSet = TO_ALL.into_iter().chain(stops).chain([Signal::SIGCHLD]).collect();
    mask.thread_block()?;
    prctl::set_child_subreaper(true)?;
    let held = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    Ok(Signals { held, before })
}

/// The signals that are held, and the mask for the command: what was blocked before.
pub(super) struct Signals {
    pub(super) held: SignalFd,
    pub(super) before: SigSet,
}

pub(super) struct Supervisor {
    control: OwnedFd,
    signals: Signals,
    plan: Plan,
    /// All that runs is being ended, so that the command can be started anew: since when, and with which grace.
    restart: Option<(Instant, Duration)>,
    /// The command while it runs.
    command: Option<Pid>,
    /// Family of the sockets that are made: IPv6 ones reach both loopback addresses.
    family: AddressFamily,
    ports: Ports,
    /// The last that were reported.
    listening: Vec<u16>,
    looked: Instant,
    /// Signals that came to this process, thus to the whole group, and were not passed on since.
    arrived: Vec<Signal>,
}

impl Supervisor {
    pub(super) fn new(
        control: OwnedFd,
        signals: Signals,
        plan: Plan,
        command: Option<u32>,
        ipv6: bool,
    ) -> Self {
        let command = command.and_then(pid);
        let family = if ipv6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
        let (listening, arrived) = (Vec::new(), Vec::new());
        Self {
            control,
            signals,
            plan,
            restart: None,
            command,
            family,
            ports: Ports::new(),
            listening,
            looked: Instant::now(),
            arrived,
        }
    }

    /// Until devbridge has gone and all processes have ended.
    pub(super) fn run(mut self) -> io::Result<()> {
        let pid = self.command.map_or(0, |pid| pid.as_raw().unsigned_abs());
        self.report(&Report::Started { pid }, &[])?;
        let served = self.serve();
        self.end();
        served
    }

    fn serve(&mut self) -> io::Result<()> {
        loop {
            let mut left = LOOK.saturating_sub(self.looked.elapsed());
            if left.is_zero() {
                self.look()?;
                continue;
            }
            if self.restart.is_some() {
                left = left.min(ENDING);
            }
            if self.wait(left)? {
                let Some((order, _)) = control::receive(self.control.as_fd())? else { return Ok(()) };
                self.obey(order)?;
            }
            self.take_signals();
            let some_run = self.reap();
            self.restart(some_run)?;
        }
    }

    /// Goes on with a restart that was asked for, if one was.
    fn restart(&mut self, some_run: bool) -> io::Result<()> {
        let Some((since, grace)) = self.restart else { return Ok(()) };
        if some_run && since.elapsed() < grace + GIVE_UP {
            if since.elapsed() >= grace {
                tree::signal(&tree::descendants(getpid().as_raw()), Signal::SIGKILL);
            }
            return Ok(());
        }
        self.restart = None;
        let report = match inside::spawn(&self.plan, self.signals.before) {
            Ok(started) => {
                self.command = started.and_then(pid);
                Report::Started { pid: started.unwrap_or_default() }
            }
            Err(error) => Report::NotStarted { errno: error.raw_os_error().unwrap_or(libc::EIO) },
        };
        self.report(&report, &[])
    }

    /// Waits for an order (`true`), a signal, or the time.
    fn wait(&self, time: Duration) -> io::Result<bool> {
        let mut fds = [
            PollFd::new(self.control.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.signals.held.as_fd(), PollFlags::POLLIN),
        ];
        // Rounded up: with 0 it would spin for the last millisecond.
        let time = PollTimeout::try_from(time + Duration::from_millis(1)).unwrap_or(PollTimeout::ZERO);
        match poll(&mut fds, time) {
            Ok(_) => Ok(fds[0].any().unwrap_or(true)),
            Err(Errno::EINTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn obey(&mut self, order: Order) -> io::Result<()> {
        match order {
            Order::Start => Ok(()),
            Order::Sockets(count) => self.make_sockets(count),
            Order::Signal(number) => {
                self.signal(number);
                Ok(())
            }
            Order::Restart(grace) => {
                self.restart.get_or_insert((Instant::now(), Duration::from_millis(grace)));
                ask_to_end();
                Ok(())
            }
            Order::PassOn(number) => {
                self.take_signals();
                let before = self.arrived.len();
                self.arrived.retain(|signal| *signal as i32 != number);
                if self.arrived.len() == before {
                    self.signal(number);
                }
                Ok(())
            }
        }
    }

    fn make_sockets(&self, count: usize) -> io::Result<()> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let make = || -> nix::Result<OwnedFd> {
            let made = socket(self.family, SockType::Stream, flags, None)?;
            if self.family == AddressFamily::Inet6 {
                setsockopt(&made, sockopt::Ipv6V6Only, &false)?;
            }
            Ok(made)
        };
        let sockets: Vec<OwnedFd> = (0..count.min(kernel::MAX_FDS)).map_while(|_| make().ok()).collect();
        let numbers: Vec<RawFd> = sockets.iter().map(AsRawFd::as_raw_fd).collect();
        match self.report(&Report::Sockets, &numbers) {
            // Descriptors on their way count for all processes of a user together (unix(7)): none now, so later.
            Err(error) if error.raw_os_error() == Some(libc::ETOOMANYREFS) => {
                self.report(&Report::Sockets, &[])
            }
            reported => reported,
        }
    }

    /// To every process in the command's group, as the terminal would, but not to devbridge, which may be in it too.
    fn signal(&self, number: i32) {
        let (Some(command), Ok(signal)) = (self.command, Signal::try_from(number)) else { return };
        let mut processes = tree::descendants(getpid().as_raw());
        let group =
            processes.iter().find(|process| process.pid == command.as_raw()).map(|process| process.group);
        processes.retain(|process| Some(process.group) == group);
        tree::signal(&processes, signal);
    }

    fn look(&mut self) -> io::Result<()> {
        self.looked = Instant::now();
        let ports = self.ports.now();
        if ports != self.listening {
            self.report(&Report::Listening(ports.clone()), &[])?;
            self.listening = ports;
        }
        Ok(())
    }

    fn take_signals(&mut self) {
        while let Ok(Some(info)) = self.signals.held.read_signal() {
            let signal = i32::try_from(info.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok());
            let new = signal.filter(|signal| TO_ALL.contains(signal) && !self.arrived.contains(signal));
            self.arrived.extend(new);
        }
    }

    /// Collects all that have ended; `false` when there is no child any more.
    fn reap(&mut self) -> bool {
        loop {
            let (pid, exit) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, Exit::Code(code as u8)),
                Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, Exit::Signal(signal as i32)),
                Ok(WaitStatus::StillAlive) => return true,
                Ok(_) | Err(Errno::EINTR) => continue,
                Err(_) => return false,
            };
            if Some(pid) == self.command {
                self.command = None;
                // Fails only when devbridge is gone; that is seen at the next wait.
                drop(self.report(&Report::Ended(exit), &[]));
            }
        }
    }

    fn end(&mut self) {
        let started = Instant::now();
        let own = getpid().as_raw();
        ask_to_end();
        while self.reap() && started.elapsed() < GRACE + GIVE_UP {
            if started.elapsed() >= GRACE {
                // Again and again: what is being killed may have forked meanwhile.
                tree::signal(&tree::descendants(own), Signal::SIGKILL);
            }
            let mut fds = [PollFd::new(self.signals.held.as_fd(), PollFlags::POLLIN)];
            let _ = poll(&mut fds, PollTimeout::try_from(ENDING).unwrap_or(PollTimeout::ZERO));
            self.take_signals();
        }
    }

    fn report(&self, report: &Report, fds: &[RawFd]) -> io::Result<()> {
        control::send(self.control.as_fd(), report, fds)
    }
}

/// All that runs inside; what is stopped could not obey.
fn ask_to_end() {
    let processes = tree::descendants(getpid().as_raw());
    tree::signal(&processes, Signal::SIGTERM);
    tree::signal(&processes, Signal::SIGCONT);
}

fn pid(number: u32) -> Option<Pid> {
    i32::try_from(number).ok().map(Pid::from_raw)
}
