//! Commands that run on the laptop when certain files change: a build, a generator, `npm install`.
//!
//! They run with the laptop's own environment and network, not in the sandbox: what they fetch comes from where the
//! developer gets it every day.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::Command;

/// A command and the files that it is for.
#[derive(Debug, Clone)]
pub struct OnChange {
    files: Gitignore,
    /// For `sh -c`.
    pub command: String,
}

/// A command did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no shell, or no process can be had.
    #[error("`{command}` could not be started")]
    Start {
        /// As it was given.
        command: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It ended with another status than 0.
    #[error("`{command}` failed with {status} after {:.1} s", .took.as_secs_f64())]
    Failed {
        /// As it was given.
        command: String,
        /// As a shell tells it.
        status: i32,
        /// How long it ran.
        took: Duration,
    },
}

impl OnChange {
    /// From `PATTERNS=COMMAND`; patterns are those of a `.gitignore`, with commas between them.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (patterns, command) = text.split_once('=').ok_or("expected PATTERNS=COMMAND")?;
        let command = command.trim().to_owned();
        if command.is_empty() {
            return Err("there is no command after `=`".into());
        }
        let mut files = GitignoreBuilder::new("");
        for pattern in patterns.split(',').map(str::trim) {
            if pattern.is_empty() {
                return Err("there is an empty pattern before `=`".into());
            }
            files.add_line(None, pattern).map_err(|error| error.to_string())?;
        }
        let files = files.build().map_err(|error| error.to_string())?;
        Ok(Self { files, command })
    }

    /// Whether it is for this file.
    pub fn is_for(&self, path: &Path) -> bool {
        self.files.matched_path_or_any_parents(path, false).is_ignore()
    }

    /// Runs it in `folder` to its end; how long that took. Cancelled, all that it started is killed.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn run(&self, folder: &Path) -> Result<Duration, CommandError> {
        let started = Instant::now();
        let command = || self.command.clone();
        // A group of its own: what it starts ends with it.
        let child = Command::new("sh")
            .args(["-c", &self.command])
            .current_dir(folder)
            .stdin(Stdio::null())
            .process_group(0)
            .spawn();
        let mut child = child.map_err(|source| CommandError::Start { command: command(), source })?;
        let mut group = Group(child.id());
        let status =
            child.wait().await.map_err(|source| CommandError::Start { command: command(), source })?;
        group.0 = None;
        match (code(status), started.elapsed()) {
            (0, took) => Ok(took),
            (status, took) => Err(CommandError::Failed { command: command(), status, took }),
        }
    }
}

fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

/// Killed when dropped, unless it has ended.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0.and_then(|id| i32::try_from(id).ok()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_a_gitignore() {
        let on = OnChange::parse("*.proto, /go.mod,src/= make A=1").unwrap();
        assert_eq!(on.command, "make A=1");
        for (path, is) in [
            ("api/x.proto", true),
            ("go.mod", true),
            ("sub/go.mod", false),
            ("src/deep/a.rs", true),
            ("a.rs", false),
        ] {
            assert_eq!(on.is_for(Path::new(path)), is, "{path}");
        }
        for wrong in ["make", "=make", "a=", "a,=make"] {
            assert!(OnChange::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_command_runs_in_the_folder_and_its_status_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let run = async |command: &str| {
            OnChange::parse(&format!("*={command}"))
                .unwrap()
                .run(folder.path())
                .await
                .map_err(|e| e.to_string())
        };
        run("echo done > file").await.unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("file")).unwrap(), "done\n");
        assert!(run("exit 3").await.unwrap_err().starts_with("`exit 3` failed with 3 after 0."));
        assert!(run("kill $$").await.unwrap_err().contains("failed with 143"));
    }

    #[tokio::test]
    async fn cancelled_it_leaves_nothing_running() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let on = OnChange::parse("*=sleep 600 & echo $! > new; mv new pid; wait").unwrap();
        let child = tokio::select! {
            ended = on.run(folder.path()) => panic!("{ended:?}"),
            child = async {
                loop {
                    if let Ok(child) = std::fs::read_to_string(&pid) {
                        break child.trim().parse::<i32>().unwrap();
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            } => child,
        };
        let ended = async {
            while std::fs::read_to_string(format!("/proc/{child}/stat"))
                .is_ok_and(|stat| !stat.contains(") Z "))
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), ended).await.expect("its child ends");
    }
}
