//! The supervisor's entry: makes the namespaces, hands the capture sockets out, starts the command.
//!
//! It runs as a fresh process of its own, because only a process with a single thread may make a user namespace, and
//! a fork of a program with threads could do nothing safely. Step by step, so that a refusal names its step.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, ExitCode};

use nix::libc;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::SigSet;
use nix::unistd::{getegid, geteuid};

use super::control::{self, Order, Report};
use super::supervise::{Signals, Supervisor, hold_signals};
use super::{Plan, Step, files, kernel, network, redirect};

/// Runs the hidden subcommand `__sandbox FD`. To be called before anything starts a thread; `control` is the
/// descriptor that `Sandbox::start` left open for this process. The status means nothing: what there is to say has been
/// said through that descriptor.
pub fn inside(control: RawFd) -> ExitCode {
    let Ok(control) = kernel::adopt(control) else { return ExitCode::FAILURE };
    match run(control) {
        Ok(()) => ExitCode::SUCCESS,
        // Only if devbridge is gone, so there is nobody to tell.
        Err(_) => ExitCode::FAILURE,
    }
}

fn run(control: OwnedFd) -> io::Result<()> {
    let Some((Order::Start, mut fds)) = control::receive(control.as_fd())? else { return Ok(()) };
    let plan = control::unseal(fds.pop().ok_or(io::ErrorKind::InvalidData)?)?;
    let (sockets, signals) = match make(&plan) {
        Ok(made) => made,
        Err((step, error)) => {
            let errno = error.raw_os_error().unwrap_or(libc::EIO);
            return control::send(control.as_fd(), &Report::Failed { step, errno }, &[]);
        }
    };
    let numbers: Vec<RawFd> = sockets.iter().map(AsRawFd::as_raw_fd).collect();
    let ipv6 = sockets.len() > 2;
    control::send(control.as_fd(), &Report::Ready, &numbers)?;
    // Gone here, so that connections fail at once when devbridge dies, and do not wait for nobody.
    drop(sockets);
    let command = match spawn(&plan, signals.before) {
        Ok(pid) => pid,
        Err(error) => {
            let errno = error.raw_os_error().unwrap_or(libc::EIO);
            return control::send(control.as_fd(), &Report::NotStarted { errno }, &[]);
        }
    };
    Supervisor::new(control, signals, plan, command, ipv6).run()
}

type Made = (Vec<OwnedFd>, Signals);

fn make(plan: &Plan) -> Result<Made, (Step, io::Error)> {
    let at = |step| move |error: io::Error| (step, error);
    let signals = hold_signals().map_err(at(Step::Supervisor))?;
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|error| (Step::UserNamespace, error.into()))?;
    fs::write("/proc/self/setgroups", "deny").map_err(at(Step::Identity))?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1")).map_err(at(Step::Identity))?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1")).map_err(at(Step::Identity))?;
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)
        .map_err(|error| (Step::Namespaces, error.into()))?;
    let ipv6 = network::start_loopback().map_err(at(Step::Network))?;
    redirect::install(ipv6).map_err(at(Step::Redirect))?;
    let sockets = network::capture_sockets(ipv6).map_err(at(Step::Sockets))?;
    files::replace(&plan.resolv_conf, &plan.hosts).map_err(at(Step::Files))?;
    kernel::empty_bounding_set().map_err(at(Step::Supervisor))?;
    Ok((sockets, signals))
}

/// Starts the command, if the plan has one. It stays in this session and process group: see [`super::Process`].
pub(super) fn spawn(plan: &Plan, mask: SigSet) -> io::Result<Option<u32>> {
    let Some((program, arguments)) = plan.command.split_first() else { return Ok(None) };
    if program.as_bytes().is_empty() {
        return Err(io::Error::from_raw_os_error(libc::ENOENT));
    }
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(plan.env.iter().cloned()).current_dir(&plan.cwd);
    kernel::prepare(&mut command, mask);
    Ok(Some(command.spawn()?.id()))
}
