//! `devbridge requests`: what passed through a session, seen, repeated, compared, exported.
//!
//! The session keeps its exchanges in memory and tells of them on its control socket; everything that is read here was
//! covered there, unless secrets were asked for.

pub(super) mod again;
mod diff;
pub(super) mod edit;
pub(super) mod export;
mod list;
mod paint;
mod replay;
pub(super) mod session;
mod show;

use crate::args::requests::{Action, Requests};
use crate::error::Failure;
use crate::output::Output;

/// Runs one of them; returns the exit status.
///
/// # Errors
/// No such session or request, a filter that can't be read, a session that does not answer.
pub async fn run(args: Requests, output: &Output) -> Result<u8, Failure> {
    match args.action {
        Action::List(args) => list::list(args, output).await?,
        Action::Follow(args) => list::follow(args, output).await?,
        Action::Show(args) => show::run(args, output).await?,
        Action::Replay(args) => return replay::run(args, output).await,
        Action::Diff(args) => return diff::run(args, output).await,
        Action::Export(args) => export::run(args, output).await?,
    }
    Ok(0)
}
