//! Processes inside, found by their parents in /proc.
//!
//! The supervisor is the subreaper of all that is started below it, so descent is complete: a daemon whose parent has
//! gone is the supervisor's own child.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// One process as /proc/PID/stat tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) parent: i32,
    pub(super) group: i32,
}

/// All descendants of a process. A snapshot: something may start or end meanwhile.
pub(super) fn descendants(ancestor: i32) -> Vec<Process> {
    let mut children: HashMap<i32, Vec<Process>> = HashMap::new();
    for process in pids().filter_map(stat) {
        children.entry(process.parent).or_default().push(process);
    }
    let mut found = Vec::new();
    let mut open = vec![ancestor];
    while let Some(parent) = open.pop() {
        // Removed, so that a pid used again meanwhile cannot make a circle.
        for process in children.remove(&parent).unwrap_or_default() {
            open.push(process.pid);
            found.push(process);
        }
    }
    found
}

/// Sends a signal to each; those that have ended meanwhile do not matter.
pub(super) fn signal(processes: &[Process], signal: Signal) {
    for process in processes {
        let _ = kill(Pid::from_raw(process.pid), signal);
    }
}

/// Kills every process whose network namespace is `namespace`, as /proc/PID/ns/net names it. For the case that the
/// supervisor was killed and nobody is left inside who could do it.
pub(super) fn kill_namespace(namespace: &Path) {
    let own = fs::read_link("/proc/self/ns/net").ok();
    if own.as_deref() == Some(namespace) {
        return;
    }
    for pid in pids() {
        if fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|link| link == namespace) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

fn pids() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn stat(pid: i32) -> Option<Process> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse(pid, &String::from_utf8_lossy(&text))
}

/// `PID (NAME) STATE PARENT GROUP …`, where NAME may hold anything, spaces and brackets included.
fn parse(pid: i32, stat: &str) -> Option<Process> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(1);
    Some(Process { pid, parent: fields.next()?.parse().ok()?, group: fields.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_calls_itself_like_a_stat_line_is_read_right() {
        assert_eq!(parse(7, "7 (a) S 1 (b) R 5 6 0 0"), Some(Process { pid: 7, parent: 5, group: 6 }));
    }

    #[test]
    fn this_process_is_a_descendant_of_its_parent() {
        let parent = nix::unistd::getppid().as_raw();
        let own = nix::unistd::getpid().as_raw();
        assert!(descendants(parent).iter().any(|process| process.pid == own));
    }
}
