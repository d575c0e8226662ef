//! `devbridge dashboard`: all running sessions of this user on a screen, and what is done about them from there.
//!
//! ```text
//! sockets of the sessions --follow--> feed --> screen (a thread of its own) --actions--> act --> sockets, cluster
//! ```
//!
//! It is a client of the sessions as other terminals' commands are: closing it changes nothing. `intercept --dashboard` and
//! `sync --dashboard` open it [`beside`] their own session.

mod act;
mod events;
mod follow;
mod logs;
mod look;
mod plain;
mod screen;

use std::path::PathBuf;

use tui::Closed;
use tui::feed::Feed;
use tunnel::tasks::Tasks;

use super::signals::Signals;
use crate::args::dashboard::{Dashboard, Look, Theme};
use crate::error::{Exit, Failure};
use crate::output::Output;
use crate::terminal;

pub(super) use self::screen::Open;

/// Shows the sessions until the user closes it; the exit status.
///
/// # Errors
/// The terminal can't be used.
pub async fn run(args: Dashboard, output: &Output) -> Result<u8, Failure> {
    if args.plain || !terminal::is_there() || std::env::var_os("CI").is_some_and(|ci| !ci.is_empty()) {
        plain::run(output).await;
        return Ok(0);
    }
    let mut signals = Signals::new().map_err(|error| {
        Failure::new("DB-SYSTEM-001", Exit::Failure, "cannot listen for signals").why(error)
    })?;
    let mut open = Open::begin(args.session.as_deref(), &args.look, None, output)?;
    let status = tokio::select! {
        closed = open.closed() => match closed {
            // As a shell reports Ctrl-C; no session has ended.
            Closed::Interrupted => Exit::Interrupted as u8,
            Closed::Quit | Closed::Ended => 0,
        },
        // The terminal is given back, whoever ends this.
        _ = signals.first() => signals.status(),
    };
    open.close().await;
    Ok(status)
}

/// The dashboard of a session of this process, which ends with it.
///
/// # Errors
/// The terminal can't be used.
pub(super) fn beside(session: &str, kubeconfig: Option<PathBuf>, output: &Output) -> Result<Open, Failure> {
    let look = Look { theme: theme_of_the_environment(), ascii: false, mouse: false };
    Open::begin(Some(session), &look, kubeconfig, output)
}

/// Whether there is a terminal that `--dashboard` can use.
///
/// # Errors
/// There is none; what to do instead.
pub(super) fn check() -> Result<(), Failure> {
    if terminal::is_there() {
        return Ok(());
    }
    Err(Failure::new("DB-DASHBOARD-001", Exit::Usage, "there is no terminal for the dashboard")
        .why("standard input and output are to be one")
        .fix("leave out --dashboard, and run `devbridge dashboard` in a terminal")
        .fix("devbridge dashboard --plain"))
}

fn theme_of_the_environment() -> Theme {
    use clap::ValueEnum;
    let named = std::env::var("DEVBRIDGE_THEME").ok();
    named.and_then(|name| Theme::from_str(&name, true).ok()).unwrap_or_default()
}

/// What feeds a screen or a plain output.
fn feeding() -> (Feed, Tasks) {
    let (feed, tasks) = (Feed::default(), Tasks::default());
    tasks.spawn_until_stopped(follow::run(feed.clone()));
    (feed, tasks)
}
