//! Flags and subcommands, no logic. The doc comments are what `--help` prints.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tunnel::message::Unavailable;

pub mod dashboard;
pub mod requests;
pub mod sync;
mod units;

use self::units::{duration, unavailable};
use crate::watch::on_change::OnChange;

/// Swap a service in a Kubernetes cluster for a process on your laptop.
///
/// Nothing to install in the cluster, no root, any binary. Whatever fails, the original pods serve.
#[derive(Debug, Parser)]
#[command(name = "devbridge", version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Take the requests of a service in the cluster to a process on this laptop
    #[command(after_help = "Examples:\n  \
        devbridge intercept web -- npm run dev       run the process here, with the pod's environment, DNS and network\n  \
        devbridge intercept web -p 3000:80           requests go to 127.0.0.1:3000, whatever listens there\n  \
        devbridge intercept web --env-out .env       the pod's environment for your IDE\n  \
        devbridge intercept web --watch src -- python app.py                   start it anew with every save\n  \
        devbridge intercept web --watch --on-change '*.go=go build' -- ./web   build first, beside the one that serves\n\n\
        Ctrl-C leaves: the cluster is as it was before.")]
    Intercept(Intercept),
    /// Undo a swap, from any terminal or machine
    Leave(Leave),
    /// Show the sessions recorded in the cluster
    List(List),
    /// Show my own running sessions, or follow what one does
    #[command(after_help = "Examples:\n  \
        devbridge status                    each session in a few lines\n  \
        devbridge status --follow           what the only one does, as it happens\n  \
        devbridge status --follow -o json   the same for programs")]
    Status(Status),
    /// See all that passes through my sessions on a screen, and act on it from there
    #[command(after_help = "Examples:\n  \
        devbridge dashboard                   all sessions of mine; closing it changes none\n  \
        devbridge dashboard web               begin with that of web\n  \
        devbridge dashboard --plain           a line for each thing that happens\n\n\
        ? shows the keys of a screen.")]
    Dashboard(dashboard::Dashboard),
    /// See, replay, compare and export the requests of a session
    #[command(after_help = "Examples:\n  \
        devbridge requests list 'status>=500'              those that failed\n  \
        devbridge requests follow 'path~^/api !method=GET'  as they come\n  \
        devbridge requests show 12                         headers, bodies, timing, and why it came here\n  \
        devbridge requests replay 12                       again, to the process\n  \
        devbridge requests diff 12 13                      what changed")]
    Requests(requests::Requests),
    /// Print what the target's pods write, and code that runs in their place, in the order of time
    Logs(Logs),
    /// Look around: a container beside the target's own, with its network, processes, environment and user
    #[command(after_help = "Examples:\n  \
        devbridge debug web                          a shell of the pod's own image\n  \
        devbridge debug web --image busybox          of another image\n  \
        devbridge debug web -- cat /etc/resolv.conf  one command; its output and exit status\n  \
        devbridge debug web --copy                   in a copy of the pod, which no Service leads to")]
    Debug(Debug),
    /// Run this laptop's code in the cluster, in the target's own container, up to date with every save
    #[command(after_help = "Examples:\n  \
        devbridge sync web --to /app                                  this folder to /app, run what the target runs\n  \
        devbridge sync web --from src --to /app -- python app.py       another folder and command\n  \
        devbridge sync web --to /app --restart never -- npx vite       it reloads by itself\n  \
        devbridge sync web --from bin --to /app --on-change '*.go=go build -o bin/web' -- /app/web   build first\n\n\
        Ctrl-C leaves: the cluster is as it was before. Files on this laptop are never changed.")]
    Sync(Box<sync::Sync>),
    /// Remove what sessions that died have left in the cluster
    Gc(Gc),
    /// Install the keeper, which undoes sessions whose laptop died, for developers who may not make one themselves
    Install(Install),
    /// Remove the keeper of a namespace
    Uninstall(Uninstall),
    /// Check what would stop `intercept` from working here, and say how to mend it
    Doctor(Doctor),
    /// Print the version
    Version,
    /// Print a completion script
    Completion {
        /// bash, zsh, fish, powershell or elvish
        shell: clap_complete::Shell,
    },
}

/// Which cluster and namespace; the same words as kubectl's.
#[derive(Debug, Clone, Args)]
pub struct ClusterArgs {
    /// Namespace; default: the context's
    #[arg(short, long, value_name = "NS")]
    pub namespace: Option<String>,
    /// kubeconfig context; default: the current one
    #[arg(long, value_name = "C")]
    pub context: Option<String>,
    /// kubeconfig file; default: $KUBECONFIG, then ~/.kube/config
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Agree to change a protected context (those that match $DEVBRIDGE_PROTECTED_CONTEXTS)
    #[arg(long)]
    pub yes: bool,
}

/// What a session may do to others that are at its target.
#[derive(Debug, Clone, Copy, Args)]
pub struct Taking {
    /// Ends the session that holds the target, whoever's it is, and takes its place
    #[arg(long)]
    pub takeover: bool,
    /// Have Flux leave the swapped Services alone while the session lasts: its annotation
    /// `kustomize.toolkit.fluxcd.io/reconcile: disabled`, set with the swap and removed with it
    #[arg(long)]
    pub pause_gitops: bool,
}

/// `devbridge intercept`
#[derive(Debug, Clone, Args)]
pub struct Intercept {
    /// The workload, or the Service in front of it: `web`, `deployment/web`, `service/web`
    pub target: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documentation here would become a heading in --help")]
    pub cluster: ClusterArgs,
    /// Where requests go on this laptop: its port, and the Service's (number or name); repeatable
    #[arg(short, long = "port", value_name = "LAPTOP:SERVICE_PORT")]
    pub ports: Vec<String>,
    /// Write the pod's environment to FILE (0600): `.json`, `.sh`, anything else is dotenv
    #[arg(long, value_name = "FILE")]
    pub env_out: Option<PathBuf>,
    /// How long to wait for the process to listen before requests are taken; originals serve until then
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub wait: Duration,
    /// What callers get while this laptop does not serve: `cluster` (an original's answer, at once), `hold=5s` (this
    /// laptop's if it serves again in time, then an original's), `error` (status 503, or a reset); default: `cluster`, with
    /// --watch `hold=5s`
    #[arg(long, value_name = "cluster|hold=DURATION|error", value_parser = unavailable)]
    pub unavailable: Option<Unavailable>,
    /// Start the process anew when files change: those in PATHS, else all in this folder, without what `.gitignore`,
    /// `.dockerignore` and `.devbridgeignore` say
    #[arg(long, value_name = "PATHS", num_args = 0..)]
    pub watch: Option<Vec<PathBuf>>,
    /// With --watch: a command for the shell to run first when files change that match (patterns as in a `.gitignore`, commas
    /// between them); while it runs, and when it fails, the process goes on as it was; repeatable
    #[arg(long, value_name = "PATTERNS=COMMAND", value_parser = OnChange::parse, requires = "watch")]
    pub on_change: Vec<OnChange>,
    /// With --watch: how long the process may take to end before it is killed
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = duration, requires = "watch")]
    pub grace: Duration,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documentation here would become a heading in --help")]
    pub taking: Taking,
    /// Do not keep requests for `devbridge requests`; they are kept in memory only, and no longer than the session
    #[arg(long)]
    pub no_record: bool,
    /// Open the dashboard when requests come here; the process writes to its screen of logs then. Closing it changes nothing
    #[arg(long)]
    pub dashboard: bool,
    /// The process to run; without it, requests go to whatever listens on this laptop
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// `devbridge leave`
#[derive(Debug, Args)]
pub struct Leave {
    /// The target; may be left out with one session of mine
    pub target: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documentation here would become a heading in --help")]
    pub cluster: ClusterArgs,
}

/// `devbridge list`
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documentation here would become a heading in --help")]
    pub cluster: ClusterArgs,
    /// All namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Output
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// `devbridge status`
#[derive(Debug, Args)]
pub struct Status {
    /// Go on with what a session does: its state, what it says, what its process writes and asks for, what was saved
    #[arg(short, long)]
    pub follow: bool,
    /// With --follow: which session, by target or id; may be left out with one session of mine
    #[arg(long, value_name = "SESSION", requires = "follow")]
    pub session: Option<String>,
    /// Output; json with --follow: an object in each line
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// `devbridge logs`
#[derive(Debug, Args)]
pub struct Logs {
    /// A workload, a Service, or a pod: `web`, `service/web`, `statefulset/db`, `pod/web-0`; default: that of my one session
    pub target: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documentation here would become a heading in --help")]
    pub cluster: ClusterArgs,
    /// Go on with new lines, of new pods too
    #[arg(short, long)]
    pub follow: bool,
    /// So many of each pod's newest lines; -1: all
    #[arg(long, value_name = "LINES", default_value_t = 100, allow_negative_numbers = true)]
    pub tail: i64,
    /// Only lines that are not older: 30s, 5m
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub since: Option<Duration>,
    /// Container; default: the pod's default one
    #[arg(short, long, value_name = "NAME")]
    pub container: Option<String>,
    /// Of the container's run before this one
    #[arg(short, long, conflicts_with = "follow")]
    pub previous: bool,
    /// What devbridge's agent writes that stands in for the target
    #[arg(long)]
    pub agent: bool,
    /// Begin each line with its time
    #[arg(long)]
    pub timestamps: bool,
    /// Output; json: an object in each line
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// `devbridge debug`
#[derive(Debug, Args)]
pub struct Debug {
    /// A workload, a Service, or a pod: `web`, `service/web`, `pod/web-0`; default: that of my one session
    pub target: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documentation here would become a heading in --help")]
    pub cluster: ClusterArgs,
    /// Its image; default: the container's own
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// Beside which container; default: the pod's default one
    #[arg(short, long, value_name = "NAME")]
    pub container: Option<String>,
    /// In a copy of the pod: takes no traffic, needs no more than the role `edit`, and is deleted at the end
    #[arg(long)]
    pub copy: bool,
    /// How long to wait for it to start
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub wait: Duration,
    /// What to run; default: `sh`
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// `devbridge gc`
#[derive(Debug, Args)]
pub struct Gc {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documentation here would become a heading in --help")]
    pub cluster: ClusterArgs,
    /// All namespaces that you may list
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Only say what would be removed
    #[arg(long)]
    pub dry_run: bool,
}

/// `devbridge install`
#[derive(Debug, Args)]
pub struct Install {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documentation here would become a heading in --help")]
    pub cluster: ClusterArgs,
    /// Print the manifests instead, for `kubectl apply --server-side -f -`
    #[arg(long)]
    pub print: bool,
    /// Image to run it in, any that the cluster can pull; default: that of a pod of the namespace
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
}

/// `devbridge uninstall`
#[derive(Debug, Args)]
pub struct Uninstall {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documentation here would become a heading in --help")]
    pub cluster: ClusterArgs,
}

/// `devbridge doctor`
#[derive(Debug, Args)]
pub struct Doctor {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documentation here would become a heading in --help")]
    pub cluster: ClusterArgs,
    /// Output
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// How data is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// For programs; stable
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
