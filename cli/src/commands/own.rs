//! The session that a command means when it names no target: the only one of this user on this laptop.

use crate::args::ClusterArgs;
use crate::error::{Exit, Failure};
use crate::session::socket;

/// What a command is about.
pub(super) struct Aim {
    /// As the user wrote it, or the session's.
    pub(super) target: String,
    /// Where it is.
    pub(super) cluster: ClusterArgs,
}

/// The target that was named, else that of my one session, in the session's cluster and namespace.
///
/// # Errors
/// None was named, and there is no session, or there are several. `command` goes into the advice.
pub(super) async fn aim(target: Option<&str>, cluster: &ClusterArgs, command: &str) -> Result<Aim, Failure> {
    if let Some(target) = target {
        return Ok(Aim { target: target.to_owned(), cluster: cluster.clone() });
    }
    let sessions = socket::sessions().await.map_err(|error| {
        Failure::new("DB-STATUS-001", Exit::Failure, "cannot look for sessions").why(error)
    })?;
    let advice = format!("devbridge {command} TARGET");
    match sessions.as_slice() {
        [(session, _)] => {
            let mut cluster = cluster.clone();
            cluster.context.get_or_insert_with(|| session.context.clone());
            cluster.namespace.get_or_insert_with(|| session.namespace.clone());
            Ok(Aim { target: session.target.clone(), cluster })
        }
        [] => Err(Failure::new("DB-USAGE-003", Exit::Usage, "no target is named")
            .why("no session runs on this laptop whose target could be meant")
            .fix(advice)),
        several => {
            let names: Vec<_> = several.iter().map(|(session, _)| session.target.clone()).collect();
            Err(Failure::new("DB-USAGE-003", Exit::Usage, "no target is named")
                .why(format!("several sessions run on this laptop: {}", names.join(", ")))
                .fix(advice))
        }
    }
}
