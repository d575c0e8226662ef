//! What an agent that was killed left running.
//!
//! The kernel ends the process itself with its agent, but not what that has started, and a server that goes on beside the
//! next one would hold its port and write its files. So the group is noted in the pod's directory while it runs, and the
//! next agent ends it before anything else.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tracing::{info, warn};

/// Name of the note.
const NOTE: &str = "process";

/// A note of what runs; gone when dropped.
#[derive(Debug)]
pub(super) struct Note(PathBuf);

impl Note {
    /// Notes that the group of `leader` runs, in directory `run`.
    pub(super) fn write(run: &Path, leader: u32) -> Self {
        let path = run.join(NOTE);
        let born = born(leader).unwrap_or_default();
        if let Err(error) = fs::write(&path, format!("{leader} {born}\n")) {
            warn!(%error, "if the agent is killed, what the process has started goes on");
        }
        Self(path)
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        // It could not be written, or is gone with its directory.
        let _ = fs::remove_file(&self.0);
    }
}

/// Ends what an earlier agent has noted in `run`.
pub(super) fn end(run: &Path) {
    let path = run.join(NOTE);
    let Ok(note) = fs::read_to_string(&path) else { return };
    let mut words = note.split_whitespace();
    let leader: Option<u32> = words.next().and_then(|word| word.parse().ok());
    let was_born = words.next().and_then(|word| word.parse().ok());
    // As long as one of the group lives nobody else gets its number; afterwards another process may have it.
    let another = |leader| born(leader).is_some_and(|now| Some(now) != was_born);
    if let Some(leader) = leader.filter(|leader| *leader > 1 && !another(*leader)) {
        let group = i32::try_from(leader).map(Pid::from_raw);
        if group.is_ok_and(|group| killpg(group, Signal::SIGKILL).is_ok()) {
            info!(group = leader, "ended what an earlier agent's process has left");
        }
    }
    let _ = fs::remove_file(path);
}

/// When a process began, in clock ticks since boot (`starttime`, proc(5)).
fn born(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::CommandExt as _, process::Command};

    use super::*;

    #[test]
    fn a_group_that_was_noted_is_ended_and_another_of_that_number_is_not() {
        let run = tempfile::tempdir().unwrap();
        let start = || Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
        let mut left = start();
        std::mem::forget(Note::write(run.path(), left.id()));
        end(run.path());
        assert!(!left.wait().unwrap().success());
        assert!(!run.path().join(NOTE).exists());

        let mut other = start();
        fs::write(run.path().join(NOTE), format!("{} 1\n", other.id())).unwrap();
        end(run.path());
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
