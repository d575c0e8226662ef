//! `devbridge status`: this user's own running sessions, as they see themselves.

mod follow;
mod words;

use serde_json::json;

use super::own;
use crate::args::{Format, Status};
use crate::error::Failure;
use crate::output::Output;

/// Prints the sessions of this user on this laptop, or what one of them does.
///
/// # Errors
/// The runtime directory is not this user's own, or there is not one session to follow.
pub async fn run(args: Status, output: &Output) -> Result<(), Failure> {
    if args.follow {
        return follow::run(&args, output).await;
    }
    let sessions: Vec<_> = own::all().await?.into_iter().map(|own| own.session).collect();
    match args.output {
        Format::Json => {
            let list =
                json!({"apiVersion": tunnel::status::API_VERSION, "kind": "Sessions", "sessions": sessions});
            output.data(&format!("{list:#}"));
        }
        Format::Text if sessions.is_empty() => {
            output.say("no sessions on this laptop; `devbridge list` shows those recorded in the cluster");
        }
        Format::Text => {
            for session in &sessions {
                output.data(&tui::plain::session(session).join("\n"));
            }
        }
    }
    Ok(())
}
