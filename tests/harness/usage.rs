//! What a process takes of the machine.

use std::path::PathBuf;

/// Ticks of `/proc/PID/stat` in a second (`USER_HZ`; proc(5)).
const TICKS: f64 = 100.0;

/// What a process has taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// Seconds of a core, since it began.
    pub cpu: f64,
    /// Resident memory now.
    pub resident_kib: u64,
}

/// What the process has taken; it must be there.
pub fn usage(pid: i32) -> Usage {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let read = |file: &str| std::fs::read_to_string(process.join(file)).expect("the process is there");
    let stat = read("stat");
    // After the name, which may hold anything: fields 14 and 15.
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or_default();
    let status = read("status");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = resident.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse().ok());
    Usage { cpu: (ticks(11) + ticks(12)) / TICKS, resident_kib: kib.unwrap_or_default() }
}

/// The first process that another has started and that still runs.
pub fn child_of(pid: i32) -> i32 {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.expect("the process is there");
    let first = children.split_whitespace().next().and_then(|pid| pid.parse().ok());
    first.unwrap_or_else(|| panic!("process {pid} has started nothing"))
}
