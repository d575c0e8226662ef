//! What the dashboard would draw, as lines that are said once: for screen readers, pipes and CI.
//!
//! A line says when, which session, what it is about, and what happened. What comes often says something only when that is
//! news: a session when its state is another, an exchange when it has ended, names and addresses when one more failed.

use std::collections::BTreeMap;

use inspector::Exchange;
use inspector::decode::printable;
use inspector::text::numbers;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tunnel::status::{Link, Network, Phase, Save, Serving, Session};

use crate::feed::{Answer, By, Update};
use crate::state::events::level;
use crate::state::logs::{SOURCES, clean};
use crate::view::text::time;

/// More is not remembered of a session, nor are more sessions: what comes again then may be said again.
const REMEMBERED: usize = 1000;

/// Says updates; remembers what it has said.
#[derive(Debug)]
pub struct Plain {
    zone: TimeZone,
    sessions: BTreeMap<String, Told>,
}

/// What was said of a session.
#[derive(Debug, Default)]
struct Told {
    /// Its target, in short.
    name: String,
    state: String,
    exchanges: BTreeMap<u64, String>,
    saves: BTreeMap<u64, String>,
    /// How often a name or an address had failed.
    failed: BTreeMap<String, u64>,
}

impl Plain {
    /// Nothing is said yet; times are those of `zone`.
    pub fn new(zone: TimeZone) -> Self {
        Self { zone, sessions: BTreeMap::new() }
    }

    /// What there is to say of an update: nothing, a line, or several. `now` is the time of what bears none.
    pub fn update(&mut self, update: &Update, now: Timestamp) -> Vec<String> {
        let now = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let (session, said) = match update {
            Update::Session(session) => (&session.id, self.session(session, now)),
            Update::Anew { session } => {
                (session, vec![(now, "what follows may have been told before".into())])
            }
            Update::Lost { session, why } => (session, vec![(now, format!("state lost: {why}"))]),
            Update::Ended { session } => (session, vec![(now, "state ended".into())]),
            Update::Exchange { session, exchange } => (session, self.exchange(session, exchange)),
            Update::Forgotten { .. } => return Vec::new(),
            Update::Event { session, by, event } => {
                let by = if *by == By::Devbridge { "event" } else { "kubernetes" };
                let text = format!("{by} {} {}", level(event.level).0, event.text);
                (session, vec![(event.at_ms, text)])
            }
            Update::Line { session, source, pod, line } => {
                let name = SOURCES.iter().find(|(of, _)| of == source).map_or("", |(_, name)| name);
                let pod = pod.as_ref().map(|pod| format!(" {pod}:")).unwrap_or_default();
                (session, vec![(line.at_ms, format!("{name}{pod} {}", clean(&line.text)))])
            }
            Update::Network { session, network } => (session, self.network(session, network)),
            Update::Save { session, save } => (session, self.save(session, save)),
            Update::Missed { session, count } => {
                (session, vec![(now, format!("missed {count} events and lines: they came too fast"))])
            }
            Update::Answer(answer) => return self.lines(now, None, answered(answer)),
        };
        let mut lines = Vec::new();
        let name = self.sessions.get(session).map(|told| told.name.clone());
        for (at, text) in said {
            lines.extend(self.lines(at, Some(name.as_ref().unwrap_or(session)), vec![text]));
        }
        lines
    }

    fn lines(&self, at_ms: u64, name: Option<&str>, texts: Vec<String>) -> Vec<String> {
        let name = name.map(|name| format!("{name} ")).unwrap_or_default();
        let line = |text: String| format!("{} {name}{text}", time(at_ms, &self.zone));
        texts.into_iter().map(|text| printable(&line(text)).into_owned()).collect()
    }

    fn told(&mut self, session: &str) -> &mut Told {
        bounded(&mut self.sessions, session);
        let told = self.sessions.entry(session.to_owned()).or_default();
        if told.name.is_empty() {
            told.name = session.to_owned();
        }
        told
    }

    fn session(&mut self, session: &Session, now: u64) -> Vec<(u64, String)> {
        let told = self.told(&session.id);
        told.name = session.target.rsplit('/').next().unwrap_or(&session.target).to_owned();
        let state = state(session);
        if told.state == state {
            return Vec::new();
        }
        told.state.clone_from(&state);
        vec![(now, format!("state {state}"))]
    }

    fn exchange(&mut self, session: &str, exchange: &Exchange) -> Vec<(u64, String)> {
        if exchange.end.is_none() {
            return Vec::new();
        }
        let told = self.told(session);
        let took = exchange.timing.total_us.or(exchange.timing.answer_us).map(numbers::duration);
        let row = inspector::text::row(exchange, &TimeZone::UTC);
        // Its status, as the list of requests says it.
        let status = row.cells.get(4).map(|cell| cell.text.clone()).unwrap_or_default();
        let Exchange { id, method, target, .. } = exchange;
        let text = format!("request {id} {method} {target} {status} {}", took.unwrap_or_default());
        let text = text.trim_end().to_owned();
        bounded(&mut told.exchanges, &exchange.id);
        if told.exchanges.insert(exchange.id, text.clone()).is_some_and(|before| before == text) {
            return Vec::new();
        }
        vec![(u64::try_from(exchange.started.as_millisecond()).unwrap_or(0), text)]
    }

    fn network(&mut self, session: &str, network: &Network) -> Vec<(u64, String)> {
        let before = std::mem::take(&mut self.told(session).failed);
        let mut failed = BTreeMap::new();
        let mut said = Vec::new();
        let mut meet = |key: String, count: u64, at_ms, text: &dyn Fn() -> String| {
            if count > before.get(&key).copied().unwrap_or(0) {
                said.push((at_ms, text()));
            }
            if count > 0 && failed.len() < REMEMBERED {
                failed.insert(key, count);
            }
        };
        for name in &network.dns {
            let of = format!("{} {}", name.kind, name.name);
            let text = || format!("dns {of} {}; {} of {} failed", name.answer, name.failed, name.asked);
            meet(format!("dns {of}"), name.failed, name.at_ms, &text);
        }
        for peer in &network.outbound {
            let of = peer.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
            let why = peer.why.as_deref().unwrap_or("failed, and has come about since");
            let (failed, all) = (peer.failed, peer.connections);
            let text = || format!("outbound {}{of} {why}; {failed} of {all} failed", peer.address);
            meet(format!("outbound {}", peer.address), failed, peer.at_ms, &text);
        }
        self.told(session).failed = failed;
        said
    }

    fn save(&mut self, session: &str, save: &Save) -> Vec<(u64, String)> {
        let told = self.told(session);
        let mut text = format!("save {} {}", save.generation, save.what);
        let mut then = " ";
        for (what, ms) in [("synced in", save.synced_ms), ("listens after", save.listens_ms)] {
            if let Some(ms) = ms {
                text += &format!("{then}{what} {ms} ms");
                then = ", ";
            }
        }
        if let Some(why) = &save.failed {
            text += &format!("{then}failed: {why}");
        }
        bounded(&mut told.saves, &save.generation);
        if told.saves.insert(save.generation, text.clone()).is_some_and(|before| before == text) {
            return Vec::new();
        }
        vec![(save.at_ms, text)]
    }
}

/// Makes room for one more, unless it is there.
fn bounded<K: Ord + std::borrow::Borrow<Q>, Q: Ord + ?Sized, V>(map: &mut BTreeMap<K, V>, key: &Q) {
    if map.len() >= REMEMBERED && !map.contains_key(key) {
        map.pop_first();
    }
}

/// What changes seldom, and matters when it does.
fn state(session: &Session) -> String {
    let phase = match session.phase {
        Phase::Attaching => "attaching",
        Phase::Attached => "attached",
        Phase::Leaving => "leaving",
    };
    let serving = match &session.serving {
        Serving::Laptop => "requests reach this laptop".into(),
        Serving::Pod => "requests reach this code in the cluster".into(),
        Serving::Originals { why } => format!("{why}; originals serve"),
        Serving::Nobody { why } => format!("{why}; callers get an error"),
    };
    let agent = match session.link {
        Link::Connecting => "agent not there yet",
        Link::Up { .. } => "agent answers",
        Link::Lost => "agent does not answer; dialling again",
    };
    format!("{phase}; {serving}; {agent}; process {}", super::process(&session.process))
}

fn answered(answer: &Answer) -> Vec<String> {
    match answer {
        Answer::Opened { .. } => Vec::new(),
        Answer::Replayed { of, id, .. } => vec![format!("request {of} was sent again: {id}")],
        Answer::Done(text) => vec![text.clone()],
        Answer::Failed(lines) => lines.iter().map(|line| format!("failed: {line}")).collect(),
        Answer::Told { title, lines } => std::iter::once(title).chain(lines).cloned().collect(),
    }
}

#[cfg(test)]
mod tests;
