//! `devbridge sync`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use tunnel::message::Unavailable;

use super::units::{duration, rate, unavailable};
use super::{ClusterArgs, Format, Taking};
use crate::session::sync::Patterns;
use crate::watch::on_change::OnChange;

/// `devbridge sync`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Sync {
    /// About the files, instead of a session.
    #[command(subcommand)]
    pub about: Option<SyncAbout>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documentation here would become a heading in --help")]
    pub run: SyncRun,
}

/// `devbridge sync SUBCOMMAND`
#[derive(Debug, Subcommand)]
pub enum SyncAbout {
    /// Say whether a file counts, and which line of which ignore file decides
    Explain(Explain),
    /// Have the pods of my running session read all files and compare them with this laptop's
    Verify(Verify),
}

/// `devbridge sync TARGET`
#[derive(Debug, Clone, Args)]
pub struct SyncRun {
    /// The workload, or the Service in front of it: `web`, `deployment/web`, `service/web`
    // Not there with a subcommand.
    #[arg(required = true)]
    pub target: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documentation here would become a heading in --help")]
    pub cluster: ClusterArgs,
    /// The folder with the code, without what `.gitignore`, `.dockerignore` and `.devbridgeignore` say
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub from: PathBuf,
    /// Where it goes in the container; default: the container's `workingDir`
    #[arg(long, value_name = "PATH")]
    pub to: Option<PathBuf>,
    /// A command for the shell on this laptop to run first when files change that match (patterns as in a `.gitignore`, commas
    /// between them); when it fails, nothing is synced; repeatable
    #[arg(long, value_name = "PATTERNS=COMMAND", value_parser = OnChange::parse)]
    pub on_change: Vec<OnChange>,
    /// Start the code anew only when files change that match; `never`: it notices by itself; default: all
    #[arg(long, value_name = "PATTERNS|never")]
    pub restart: Option<String>,
    /// How long the code may take to end before it is killed
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = duration)]
    pub grace: Duration,
    /// How long to wait for the code to listen before it gets requests; originals serve until then
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub wait: Duration,
    /// Files that the program makes in the container, patterns as in a `.gitignore`, commas between them: they are fetched, never
    /// sent, and never taken away there. What is here already stays as it is, and the container's goes aside; repeatable
    #[arg(long, value_name = "PATTERNS", value_parser = Patterns::parse)]
    pub pull: Vec<Patterns>,
    /// Leave files in the folder that only the container has; default: it gets exactly what counts here
    #[arg(long)]
    pub keep: bool,
    /// Put a volume over the folder, filled from the image and owned by the container's user, where that user may not write;
    /// done by itself when the container's root filesystem is read-only
    #[arg(long)]
    pub volume: bool,
    /// In how many pods it runs: one, or as many as the target has
    #[arg(long, value_enum, default_value_t)]
    pub pods: Pods,
    /// Send no more than so many bytes a second: 500KiB, 2MiB
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub limit: Option<u64>,
    /// What callers get while the code does not listen: `cluster` (an original's answer, at once), `hold=5s` (this code's if
    /// it listens again in time, then an original's), `error` (status 503, or a reset)
    #[arg(long, value_name = "cluster|hold=DURATION|error", default_value = "hold=5s", value_parser = unavailable)]
    pub unavailable: Unavailable,
    /// Write the pod's environment to FILE (0600): `.json`, `.sh`, anything else is dotenv
    #[arg(long, value_name = "FILE")]
    pub env_out: Option<PathBuf>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documentation here would become a heading in --help")]
    pub taking: Taking,
    /// Open the dashboard when requests go to the code. Closing it changes nothing
    #[arg(long)]
    pub dashboard: bool,
    /// What to run in the container; default: what the target runs
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// `devbridge sync verify`
#[derive(Debug, Args)]
pub struct Verify {
    /// The target; may be left out with one session of mine
    pub target: Option<String>,
    /// Send again what differs, and take away what only the container has
    #[arg(long)]
    pub repair: bool,
    /// Output
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// `devbridge sync explain`
#[derive(Debug, Args)]
pub struct Explain {
    /// The file or folder; it need not exist (a folder then ends in `/`)
    pub path: PathBuf,
    /// The folder that is followed
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub from: PathBuf,
    /// Output
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// In how many pods code runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Pods {
    /// One takes all requests
    #[default]
    One,
    /// As many as the target has
    All,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::args::{Cli, Command};

    #[test]
    fn a_target_and_what_there_is_to_ask_about_files_are_told_apart() {
        let parsed = |line: &str| match Cli::try_parse_from(line.split(' ')) {
            Ok(Cli { command: Command::Sync(sync) }) => Some((sync.about.is_some(), sync.run.target)),
            _ => None,
        };
        let web = Some("web".to_owned());
        assert_eq!(parsed("devbridge sync web --to /app -- run it"), Some((false, web)));
        assert_eq!(parsed("devbridge sync verify --repair"), Some((true, None)));
        assert_eq!(parsed("devbridge sync"), None);
    }

    #[test]
    fn what_is_pulled_is_said_with_patterns() {
        let parsed = |line: &str| match Cli::try_parse_from(line.split(' ')) {
            Ok(Cli { command: Command::Sync(sync) }) => Some(sync.run.pull.len()),
            _ => None,
        };
        assert_eq!(parsed("devbridge sync web --to /app"), Some(0));
        assert_eq!(parsed("devbridge sync web --to /app --pull gen/,*.lock --pull /cov -- run it"), Some(2));
        for wrong in ["a,,b", "!a", "[z-a]"] {
            assert_eq!(parsed(&format!("devbridge sync web --to /app --pull {wrong}")), None, "{wrong}");
        }
    }
}
