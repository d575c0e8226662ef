//! `devbridge requests`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Format;

/// `devbridge requests`
#[derive(Debug, Args)]
pub struct Requests {
    /// What to do with them; default: list
    #[command(subcommand)]
    pub action: Action,
}

/// What is done with requests.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// The newest requests of a session
    #[command(after_long_help = inspector::filter::help())]
    List(List),
    /// Requests as they come
    #[command(after_long_help = inspector::filter::help())]
    Follow(Follow),
    /// One request and its answer: headers, bodies, where the time went, who answered and why
    Show(Show),
    /// Send a request again, changed if you like, and show the answer
    #[command(after_help = "Examples:\n  \
        devbridge requests replay 12\n  \
        devbridge requests replay 12 --set-header 'x-user: bob' --data '{\"qty\":2}'\n  \
        devbridge requests replay 12 --edit          in $EDITOR\n  \
        devbridge requests replay 12 --to cluster    to an original, after a question\n\n\
        It is sent once, to the process on this laptop. What comes is recorded: devbridge requests diff 12 13")]
    Replay(Replay),
    /// What differs between two requests, or their answers
    Diff(Diff),
    /// For other programs: a command line for curl or HTTPie, the bytes themselves, or a HAR file
    #[command(after_help = "Examples:\n  \
        devbridge requests export 12                       a curl command\n  \
        devbridge requests export 12 --url http://web:80   for another place\n  \
        devbridge requests export --har -o web.har         all of them for the browser's network view\n  \
        devbridge requests export --har 'status>=500'      those that failed")]
    Export(Export),
}

/// Of which session.
#[derive(Debug, Clone, Args)]
pub struct Which {
    /// The session: its target, or its id; may be left out with one session
    #[arg(short, long, value_name = "TARGET|ID")]
    pub session: Option<String>,
    /// Show secrets: without it, credentials in headers, queries and bodies are covered
    #[arg(long)]
    pub reveal: bool,
}

/// `devbridge requests list`
#[derive(Debug, Args)]
pub struct List {
    /// Only those that match: 'method=POST status>=500 path~^/api header.x-user=alice latency>100ms'; all terms of one
    /// FILTER, any of several
    #[arg(value_name = "FILTER")]
    pub filter: Vec<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documentation here would become a heading in --help")]
    pub which: Which,
    /// Only the newest N
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    pub last: usize,
    /// Output; JSON has one exchange a line
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// `devbridge requests follow`
#[derive(Debug, Args)]
pub struct Follow {
    /// Only those that match, as in `devbridge requests list`
    #[arg(value_name = "FILTER")]
    pub filter: Vec<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documentation here would become a heading in --help")]
    pub which: Which,
    /// First the newest N that there are
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    pub last: usize,
    /// Output; JSON has one exchange a line
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// `devbridge requests show`
#[derive(Debug, Args)]
pub struct Show {
    /// Its number in the list
    pub id: u64,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documentation here would become a heading in --help")]
    pub which: Which,
    /// Output
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// `devbridge requests replay`
#[derive(Debug, Args)]
pub struct Replay {
    /// Its number in the list
    pub id: u64,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documentation here would become a heading in --help")]
    pub which: Which,
    /// Set a header, in the place of those of its name; `NAME:` removes it; repeatable
    #[arg(short = 'H', long, value_name = "NAME: VALUE")]
    pub set_header: Vec<String>,
    /// Another body: TEXT, or that of a file with @FILE, of stdin with @-
    #[arg(short, long, value_name = "TEXT|@FILE")]
    pub data: Option<String>,
    /// Another method
    #[arg(short = 'X', long)]
    pub method: Option<String>,
    /// Another path and query
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,
    /// Change it in $VISUAL or $EDITOR before it is sent
    #[arg(short, long)]
    pub edit: bool,
    /// Where it goes: the process on this laptop, or an original in the cluster (a request of the process: whom it asked)
    #[arg(long, value_enum, default_value_t)]
    pub to: To,
    /// Ask nothing
    #[arg(short, long)]
    pub yes: bool,
    /// Output
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// Where a replay goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum To {
    /// The process on this laptop
    #[default]
    Process,
    /// The cluster
    Cluster,
}

/// `devbridge requests diff`
#[derive(Debug, Args)]
pub struct Diff {
    /// The one
    pub one: u64,
    /// The other
    pub other: u64,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documentation here would become a heading in --help")]
    pub which: Which,
    /// What is compared
    #[arg(long, value_enum, default_value_t)]
    pub of: Part,
}

/// What is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The requests
    Request,
    /// The answers
    Answer,
    /// Both
    #[default]
    Both,
}

/// `devbridge requests export`
#[derive(Debug, Args)]
pub struct Export {
    /// Numbers in the list, or filters as in `devbridge requests list`; default: all
    #[arg(value_name = "ID|FILTER")]
    pub which_ones: Vec<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documentation here would become a heading in --help")]
    pub which: Which,
    /// As what
    #[arg(short, long, value_enum, default_value_t)]
    pub format: ExportFormat,
    /// The same as `--format har`
    #[arg(long, conflicts_with = "format")]
    pub har: bool,
    /// Where curl and HTTPie send it; default: the process, or whom the process asked
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Write to FILE (0600); default: stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// What a request is exported as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A command line
    #[default]
    Curl,
    /// A command line
    Httpie,
    /// The request's bytes
    Raw,
    /// The answer's bytes
    RawAnswer,
    /// HTTP Archive 1.2
    Har,
}
