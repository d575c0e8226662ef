//! Keeps an agent running until somebody asks the container to end.
//!
//! Signals are blocked and waited for, never handled: there is one place where this program sleeps,
//! and nothing can happen behind its back.

use core::fmt;
use core::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait};

use crate::backoff::Backoff;
use crate::kernel::{next_signal, now};
use crate::launch::{Launch, LaunchError};
use crate::report::report;
use crate::{FAILED, NOT_EXECUTABLE};

/// Runs agents one after the other, with `once` only one; gives back the exit status of the last one.
///
/// The status is the agent's own, or 128 + n when signal n ended it. When the request to end comes
/// while no agent runs, it is that of the one that died.
pub(crate) fn supervise(mut launch: Launch<'_>, once: bool) -> i32 {
    let mut backoff = Backoff::default();
    let mut agent = match launch.start() {
        Ok(pid) => pid,
        // Nothing ever ran: whoever looks at the pod must see that at once.
        Err(error) => return give_up(&error),
    };
    loop {
        let started = now();
        let (status, asked) = until_dead(agent);
        if asked || once {
            return code(status);
        }
        report(format_args!("the agent {}; starting it again", Death(status)));
        let mut lifetime = now().saturating_sub(started);
        agent = loop {
            if asked_within(backoff.after(lifetime)) {
                return code(status);
            }
            match launch.start() {
                Ok(pid) => break pid,
                Err(error) => report(format_args!("{error}")),
            }
            lifetime = Duration::ZERO;
        };
    }
}

fn give_up(error: &LaunchError) -> i32 {
    report(format_args!("{error}"));
    if matches!(error, LaunchError::Execute(_)) { NOT_EXECUTABLE } else { FAILED }
}

/// Waits for the end of `agent`, handing on requests to end; tells whether there was one.
fn until_dead(agent: Pid) -> (WaitStatus, bool) {
    let mut asked = false;
    loop {
        match next_signal(None) {
            Some(Signal::CHILD) => {
                if let Some(status) = reap(agent) {
                    return (status, asked);
                }
            }
            Some(signal) => {
                asked = true;
                // It may have died this very moment; then its end is the next thing to hear of.
                let _ = kill_process(agent, signal);
            }
            None => {}
        }
    }
}

/// Waits without an agent, still reaping; tells whether somebody asked to end.
fn asked_within(pause: Duration) -> bool {
    let until = now() + pause;
    loop {
        let left = until.saturating_sub(now());
        match next_signal(Some(left)) {
            Some(Signal::CHILD) => while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {},
            Some(_) => return true,
            None if left.is_zero() => return false,
            None => {}
        }
    }
}

/// Takes the status of every child that ended; gives back the agent's.
fn reap(agent: Pid) -> Option<WaitStatus> {
    let mut found = None;
    // One signal may stand for many children.
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if pid == agent {
            found = Some(status);
        }
    }
    found
}

/// As a shell counts.
fn code(status: WaitStatus) -> i32 {
    status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal)).unwrap_or(FAILED)
}

/// How an agent died, in words.
struct Death(WaitStatus);

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.exit_status(), self.0.terminating_signal()) {
            (Some(status), _) => write!(f, "ended unasked with status {status}"),
            (_, Some(signal)) => write!(f, "was killed by signal {signal}"),
            _ => f.write_str("is gone"),
        }
    }
}
