//! The running sessions of this user on this laptop, and which of them a command means: the one that is named, or the only one.

use std::path::PathBuf;

use tunnel::status::Session;

use crate::args::ClusterArgs;
use crate::error::{Exit, Failure};
use crate::session::socket;

/// A session that runs.
#[derive(Debug, Clone)]
pub(super) struct Own {
    /// Its state, just now.
    pub(super) session: Session,
    /// Where it takes questions.
    pub(super) socket: PathBuf,
}

/// Why it is not clear which one is meant.
#[derive(Debug)]
pub(super) enum Unclear {
    /// None runs.
    Nothing,
    /// Some run, and none is called so.
    Other {
        /// What was asked for.
        named: String,
        /// Targets of those that run, as a list.
        there: String,
    },
    /// Several may be meant.
    Several {
        /// Targets of all that run, as a list.
        there: String,
    },
}

/// All of them.
///
/// # Errors
/// The directory for control sockets can't be read.
pub(super) async fn all() -> Result<Vec<Own>, Failure> {
    let sessions = socket::sessions().await.map_err(|error| {
        Failure::new("DB-STATUS-001", Exit::Failure, "cannot look for sessions").why(error)
    })?;
    Ok(sessions.into_iter().map(|(session, socket)| Own { session, socket }).collect())
}

/// The one that is named, or the only one. A name is an id, a target as `devbridge status` shows it, or that without its kind.
pub(super) fn the_one(all: Vec<Own>, named: Option<&str>) -> Result<Own, Unclear> {
    let there: Vec<_> = all.iter().map(|own| own.session.target.clone()).collect();
    let there = there.join(", ");
    let meant = |own: &Own| {
        named.is_none_or(|named| {
            own.session.id == named || own.session.target == named || short(&own.session.target) == named
        })
    };
    let mut found = all.into_iter().filter(meant);
    match (found.next(), found.next(), named) {
        (Some(found), None, _) => Ok(found),
        (Some(_), Some(_), _) => Err(Unclear::Several { there }),
        (None, _, Some(named)) if !there.is_empty() => Err(Unclear::Other { named: named.to_owned(), there }),
        (None, ..) => Err(Unclear::Nothing),
    }
}

/// A target without its kind.
pub(super) fn short(target: &str) -> &str {
    target.rsplit('/').next().unwrap_or(target)
}

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
    match the_one(all().await?, None) {
        Ok(Own { session, .. }) => {
            let mut cluster = cluster.clone();
            cluster.context.get_or_insert(session.context);
            cluster.namespace.get_or_insert(session.namespace);
            Ok(Aim { target: session.target, cluster })
        }
        Err(unclear) => Err(Failure::new("DB-USAGE-003", Exit::Usage, "no target is named")
            .why(match unclear {
                Unclear::Several { there } => format!("several sessions run on this laptop: {there}"),
                Unclear::Nothing | Unclear::Other { .. } => {
                    "no session runs on this laptop whose target could be meant".to_owned()
                }
            })
            .fix(format!("devbridge {command} TARGET"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(id: &str, target: &str) -> Own {
        let session =
            Session { id: id.into(), target: target.into(), ..crate::session::status::tests::session() };
        Own { session, socket: PathBuf::new() }
    }

    #[test]
    fn the_one_that_is_named_or_the_only_one_is_meant() {
        let both = || vec![own("1a", "deployment/web"), own("2b", "service/web"), own("3c", "deployment/db")];
        let id = |named| the_one(both(), Some(named)).map(|own| own.session.id);
        assert_eq!(id("2b").unwrap(), "2b");
        assert_eq!(id("deployment/web").unwrap(), "1a");
        assert_eq!(id("db").unwrap(), "3c");
        assert!(matches!(id("web"), Err(Unclear::Several { there }) if there.contains("service/web")));
        assert!(matches!(id("w"), Err(Unclear::Other { named, .. }) if named == "w"));
        assert!(matches!(the_one(both(), None), Err(Unclear::Several { .. })));
        assert_eq!(the_one(vec![own("1a", "pod/x")], None).unwrap().session.id, "1a");
        assert!(matches!(the_one(Vec::new(), Some("web")), Err(Unclear::Nothing)));
    }
}
