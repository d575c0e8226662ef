//! What the originals and the agent write, for the screen.

use tui::feed::{Feed, Source, Update};
use tunnel::status::{Said, Session};

use crate::cluster::Cluster;
use crate::cluster::logs::{self, Line, Wanted, Whose};
use crate::cluster::pods::Pods;
use crate::error::Failure;

/// Lines that are told of the time before.
const BEFORE: i64 = 200;

/// Tells the last lines and then those that come, for ever.
pub(super) async fn follow(
    feed: &Feed,
    cluster: &Cluster,
    session: &Session,
    source: Source,
) -> Result<(), Failure> {
    let pods = Pods::of(cluster, &session.target).await?;
    let whose = if source == Source::Agent { Whose::Agents } else { Whose::Originals };
    let wanted = Wanted { tail: Some(BEFORE), whose, ..Wanted::default() };
    let put = |line: &Line| {
        let at = line.time.and_then(|time| u64::try_from(time.as_millisecond()).ok());
        feed.put(Update::Line {
            session: session.id.clone(),
            source,
            pod: Some(line.pod.clone()),
            line: Said { at_ms: at.unwrap_or_default(), text: line.text.clone() },
        });
        true
    };
    let found = pods.now(cluster).await?;
    let mut seen = logs::past(cluster, &found, &wanted, put).await?;
    logs::follow(cluster, &pods.selection, &wanted, &mut seen, put).await?;
    Ok(())
}
