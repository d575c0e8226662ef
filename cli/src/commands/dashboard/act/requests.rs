//! Requests that are sent again or written to a file.

use std::path::Path;

use tui::action::To;
use tui::feed::Answer;

use crate::commands::requests::again::{again, send};
use crate::commands::requests::edit::edit;
use crate::commands::requests::export::save;
use crate::commands::requests::session::Of;
use crate::error::Failure;
use crate::session::inspect::replay::To as Goes;

/// Sends a request again, as it was.
pub(super) async fn replay(session: String, id: u64, to: To) -> Result<Answer, Failure> {
    let of = Of::id(&session).await?;
    let goes = match to {
        To::Process => Goes::Process,
        To::Cluster => Goes::Cluster,
    };
    // As it was: what is covered can't be sent.
    let before = of.one(id, true).await?;
    let outgoing = again(&before, goes)?;
    Ok(Answer::Replayed { session, of: id, id: send(&of, outgoing).await? })
}

/// Sends a request again, as the user changes it; the terminal is the editor's.
pub(super) async fn edited(session: String, id: u64) -> Result<Answer, Failure> {
    let of = Of::id(&session).await?;
    let before = of.one(id, true).await?;
    let mut outgoing = again(&before, Goes::Process)?;
    // The user's editor: nothing else is to be done in this thread meanwhile.
    if !edit(&mut outgoing)? {
        return Ok(Answer::Done("nothing was sent".into()));
    }
    Ok(Answer::Replayed { session, of: id, id: send(&of, outgoing).await? })
}

/// Writes them as HAR, secrets covered.
pub(super) async fn export(session: &str, ids: &[u64], path: &Path) -> Result<Answer, Failure> {
    let of = Of::id(session).await?;
    let mut all = Vec::new();
    for id in ids {
        all.push(of.one(*id, false).await?);
    }
    save(path, &inspector::export::har(&all, env!("CARGO_PKG_VERSION")).to_string().into_bytes())?;
    let count = if all.len() == 1 { "1 request".into() } else { format!("{} requests", all.len()) };
    Ok(Answer::Done(format!("{count} written to {}", path.display())))
}
