//! What Kubernetes has met with the target, its pods, its Services and the agent's: its own Events.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event as Met;
use kube::ResourceExt;
use tui::feed::{By, Feed, Update};
use tunnel::status::{Event, Level, Session};

use crate::cluster::Cluster;
use crate::cluster::api::Doing;
use crate::cluster::names::Names;
use crate::cluster::watch::{self, Selection};
use crate::commands::own::short;
use crate::error::Failure;

/// Tells those of the past hour, which Kubernetes keeps, and then those that come, for ever.
pub(super) async fn follow(feed: &Feed, cluster: &Cluster, session: &Session) -> Result<(), Failure> {
    let about = About::new(session);
    let mut told = BTreeMap::new();
    let api = cluster.api::<Met>();
    let look = |found: &[Met]| {
        let mut fresh: Vec<_> = found.iter().filter(|met| about.is_about(met)).collect();
        fresh.sort_by_key(|met| at_ms(met));
        for met in fresh {
            // One that happens again is the same object with a higher count.
            let count = met.count.unwrap_or(1);
            if told.insert(met.uid(), count) != Some(count) {
                feed.put(Update::Event {
                    session: session.id.clone(),
                    by: By::Kubernetes,
                    event: event(met),
                });
            }
        }
        let there: Vec<_> = found.iter().map(ResourceExt::uid).collect();
        told.retain(|uid, _| there.contains(uid));
        None::<()>
    };
    watch::follow(&api, &Selection::default(), look).await.doing(|| "read the namespace's events".into())?;
    Ok(())
}

/// What is this session's concern.
struct About {
    /// Names of objects, or what names of pods and ReplicaSets begin with.
    names: Vec<String>,
}

impl About {
    fn new(session: &Session) -> Self {
        let target = short(&session.target);
        let own = Names::new(target);
        let names = std::iter::once(target.to_owned()).chain([own.agent, own.origin]);
        Self { names: names.chain(session.services.iter().cloned()).collect() }
    }

    fn is_about(&self, met: &Met) -> bool {
        let object = met.involved_object.name.as_deref().unwrap_or_default();
        self.names.iter().any(|name| {
            object == name || object.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('-'))
        })
    }
}

fn event(met: &Met) -> Event {
    let object = &met.involved_object;
    let kind = object.kind.as_deref().unwrap_or("object").to_lowercase();
    let name = object.name.as_deref().unwrap_or_default();
    let reason = met.reason.as_deref().unwrap_or_default();
    let message = met.message.as_deref().unwrap_or_default().replace('\n', " ");
    let times = match met.count {
        Some(count) if count > 1 => format!(" ({count} times)"),
        _ => String::new(),
    };
    let level = if met.type_.as_deref() == Some("Warning") { Level::Warning } else { Level::Info };
    Event { at_ms: at_ms(met), level, text: format!("{kind} {name}: {reason}: {message}{times}") }
}

/// When it happened last.
fn at_ms(met: &Met) -> u64 {
    let last = met.last_timestamp.as_ref().map(|time| time.0);
    let first = || met.first_timestamp.as_ref().map(|time| time.0);
    let exact = || met.event_time.as_ref().map(|time| time.0);
    let made = || met.creation_timestamp().map(|time| time.0);
    let at = last.or_else(exact).or_else(first).or_else(made).unwrap_or(Timestamp::UNIX_EPOCH);
    u64::try_from(at.as_millisecond()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ObjectReference;

    use super::*;

    fn met(name: &str) -> Met {
        let involved_object = ObjectReference {
            kind: Some("Pod".into()),
            name: Some(name.into()),
            ..ObjectReference::default()
        };
        Met {
            involved_object,
            type_: Some("Warning".into()),
            reason: Some("BackOff".into()),
            message: Some("again\nand again".into()),
            count: Some(3),
            ..Met::default()
        }
    }

    #[test]
    fn what_belongs_to_the_target_is_told_and_nothing_else() {
        let about = About { names: vec!["web".into(), "web-devbridge".into(), "front".into()] };
        let told = ["web", "web-7bbd-x2x4z", "web-devbridge-1", "front"];
        for name in told {
            assert!(about.is_about(&met(name)), "{name}");
        }
        for name in ["website", "we", "my-web", ""] {
            assert!(!about.is_about(&met(name)), "{name}");
        }
    }

    #[test]
    fn an_event_is_one_line_that_says_how_often() {
        let event = event(&met("web-1"));
        assert_eq!(event.text, "pod web-1: BackOff: again and again (3 times)");
        assert_eq!((event.level, event.at_ms), (Level::Warning, 0));
    }
}
