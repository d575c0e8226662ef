//! What the keeper knows, and what follows from it. No sockets, no clock: observations and time go in, actions come out.
//!
//! Whatever is observed may have been forged, so all that can come out is an [`Action`]: a key taken off a Service that
//! carries it, a record deleted that nobody renews, an agent's pod deleted that is not there any more. Nothing that a
//! record says is done.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    answers::Answers,
    ask::Told,
    objects::{AgentPod, Exactly, Record},
};

/// A record that did not change for so long has no laptop any more.
pub(super) const TTL: Duration = Duration::from_secs(15);
/// How long more a laptop may come back to its session.
pub(super) const RESUME: Duration = tunnel::RESUME;
/// Between two answers of the API server; after a longer silence laptops could not renew either, and every record's time
/// begins again.
pub(super) const GAP: Duration = Duration::from_secs(4);
/// A key that no record claims for so long was left behind. Longer than a takeover's moment without a record.
const UNCLAIMED: Duration = Duration::from_secs(5);
/// Without any record for so long, nothing is left to keep.
const IDLE: Duration = Duration::from_secs(5);
/// An action that was tried is not tried again before.
const AGAIN: Duration = Duration::from_secs(1);
/// Most agent pods that are asked; more are not the work of developers.
const PODS: usize = 100;

/// All that a keeper ever does to the cluster, besides ending itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Action {
    /// Take the key with this value off this Service.
    TakeKey { service: String, agent: String, why: Why },
    /// Delete exactly this record, if it still is as it was seen.
    DeleteRecord(Exactly),
    /// Delete exactly this pod of an agent: it carries the target's labels, so until Kubernetes misses its node, which takes
    /// most of a minute, requests are led to it.
    DeletePod { name: String, uid: String },
    /// End: nothing is left to keep.
    End,
}

/// Why a key goes off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Why {
    /// The Service has no ready endpoint; to be confirmed by asking once more.
    NoEndpoint,
    /// The agent answered before, and does not answer any more.
    Silent,
    /// Nobody renews the record.
    Abandoned,
    /// There is no record.
    Unclaimed,
}

/// The keeper's knowledge.
pub(super) struct State {
    records: BTreeMap<String, Seen>,
    /// Swapped Services: the agent that each leads to, and since when no record claims that.
    swapped: BTreeMap<String, Swapped>,
    /// Services with a ready endpoint; `None` before they are known.
    ready: Option<BTreeMap<String, bool>>,
    pods: BTreeMap<String, Asked>,
    /// When the API server was last asked with success, and since when without a longer silence.
    heard: Option<Heard>,
    /// Since when there is no record.
    idle: Option<Instant>,
    tried: HashMap<Action, Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Heard {
    last: Instant,
    since: Instant,
}

struct Seen {
    record: Record,
    /// When it was first seen like this.
    since: Instant,
}

struct Swapped {
    agent: String,
    unclaimed: Option<Instant>,
}

struct Asked {
    pod: AgentPod,
    answers: Answers,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            records: BTreeMap::new(),
            swapped: BTreeMap::new(),
            ready: None,
            pods: BTreeMap::new(),
            heard: None,
            idle: None,
            tried: HashMap::new(),
        }
    }

    /// All records, as the API server told them when it was asked at `asked`; its answer was here at `answered`.
    pub(super) fn records(&mut self, asked: Instant, answered: Instant, records: Vec<Record>) {
        for pod in self.pods.values_mut() {
            pod.answers.heard(asked, answered);
        }
        let since = match self.heard {
            Some(heard) if asked.saturating_duration_since(heard.last) <= GAP => heard.since,
            _ => asked,
        };
        self.heard = Some(Heard { last: asked, since });
        let mut before = std::mem::take(&mut self.records);
        for record in records {
            let known = before.remove(&record.lease.name).filter(|seen| seen.record == record);
            let first = known.map_or(asked, |seen| seen.since);
            self.records.insert(record.lease.name.clone(), Seen { record, since: first.max(since) });
        }
        self.idle = if self.records.is_empty() { Some(self.idle.unwrap_or(asked).max(since)) } else { None };
        for swapped in self.swapped.values_mut() {
            let mut claims = self.records.values().filter_map(|seen| seen.record.agent.as_ref());
            let claimed = claims.any(|agent| *agent == swapped.agent);
            swapped.unclaimed =
                if claimed { None } else { Some(swapped.unclaimed.unwrap_or(asked).max(since)) };
        }
    }

    /// All Services with our key, and the agent that each leads to.
    pub(super) fn services(&mut self, services: &BTreeMap<String, String>) {
        let mut before = std::mem::take(&mut self.swapped);
        for (service, agent) in services {
            let known = before.remove(service).filter(|swapped| swapped.agent == *agent);
            let swapped = known.unwrap_or_else(|| Swapped { agent: agent.clone(), unclaimed: None });
            self.swapped.insert(service.clone(), swapped);
        }
    }

    /// Whether each Service has a ready endpoint.
    pub(super) fn endpoints(&mut self, ready: BTreeMap<String, bool>) {
        self.ready = Some(ready);
    }

    /// All pods of agents.
    pub(super) fn pods(&mut self, pods: Vec<AgentPod>) {
        let mut before = std::mem::take(&mut self.pods);
        for pod in pods.into_iter().take(PODS) {
            let known = before.remove(&pod.uid).filter(|asked| asked.pod == pod);
            let asked = known.unwrap_or_else(|| Asked { pod: pod.clone(), answers: Answers::default() });
            self.pods.insert(pod.uid, asked);
        }
    }

    /// The pods to ask.
    pub(super) fn to_ask(&self) -> Vec<AgentPod> {
        self.pods.values().map(|asked| asked.pod.clone()).collect()
    }

    /// A pod's answer, or that there was none.
    pub(super) fn told(&mut self, told: &Told) {
        if let Some(asked) = self.pods.get_mut(&told.uid) {
            asked.answers.take(told.asked, told.answer);
        }
    }

    /// What has to be done now. The same action comes again after a second, until it is no longer needed.
    pub(super) fn decide(&mut self, now: Instant) -> Vec<Action> {
        let mut actions: Vec<_> = self
            .swapped
            .iter()
            .filter_map(|(service, swapped)| {
                let why = self.why_off(service, swapped)?;
                Some(Action::TakeKey { service: service.clone(), agent: swapped.agent.clone(), why })
            })
            .collect();
        let over = self.records.values().filter(|seen| self.unchanged(seen) >= TTL + RESUME);
        actions.extend(over.map(|seen| Action::DeleteRecord(seen.record.lease.clone())));
        let gone = self.pods.values().filter(|asked| asked.answers.is_gone());
        actions.extend(
            gone.map(|Asked { pod, .. }| Action::DeletePod { name: pod.name.clone(), uid: pod.uid.clone() }),
        );
        if self.is_idle() {
            actions.push(Action::End);
        }
        self.tried.retain(|_, tried| now.saturating_duration_since(*tried) < AGAIN);
        actions.retain(|action| !self.tried.contains_key(action));
        self.tried.extend(actions.iter().map(|action| (action.clone(), now)));
        actions
    }

    fn why_off(&self, service: &str, swapped: &Swapped) -> Option<Why> {
        let ready = self.ready.as_ref()?.get(service).copied().unwrap_or(false);
        if !ready {
            return Some(Why::NoEndpoint);
        }
        if self.is_silent(&swapped.agent) {
            return Some(Why::Silent);
        }
        let heard = self.heard?;
        if swapped.unclaimed.is_some_and(|since| heard.last.saturating_duration_since(since) >= UNCLAIMED) {
            return Some(Why::Unclaimed);
        }
        let mut claims = self
            .records
            .values()
            .filter(|seen| seen.record.agent.as_ref() == Some(&swapped.agent))
            .peekable();
        let abandoned = claims.peek().is_some() && claims.all(|seen| self.unchanged(seen) >= TTL);
        abandoned.then_some(Why::Abandoned)
    }

    /// Each of its pods that ever answered stopped answering. One that never did may be out of reach for the keeper alone,
    /// by a network policy: that says nothing.
    fn is_silent(&self, agent: &str) -> bool {
        let mut known = self
            .pods
            .values()
            .filter(|asked| asked.answers.are_known() && asked.pod.agent == agent)
            .peekable();
        known.peek().is_some() && known.all(|asked| asked.answers.are_missing())
    }

    /// For how long the API server has told the same of a record. Up to its last answer, and not up to now: while it does
    /// not answer, nobody can renew.
    fn unchanged(&self, seen: &Seen) -> Duration {
        self.heard.map_or(Duration::ZERO, |heard| heard.last.saturating_duration_since(seen.since))
    }

    fn is_idle(&self) -> bool {
        let heard = self.heard.map(|heard| heard.last);
        let (Some(since), Some(heard)) = (self.idle, heard) else { return false };
        // Not before all is known: a key may be left.
        self.ready.is_some() && self.swapped.is_empty() && heard.saturating_duration_since(since) >= IDLE
    }
}

#[cfg(test)]
mod tests;
