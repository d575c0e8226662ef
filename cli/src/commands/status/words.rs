//! What a session tells, in words.

use std::collections::HashMap;

use tunnel::status::{Link, Name, Network, Peer, Phase, Process, Save, Session};

use crate::session::status;

/// How it is, without what changes all the time.
pub(super) fn session(session: &Session) -> String {
    let mut parts = Vec::new();
    match session.phase {
        Phase::Attaching => parts.push("attaching".to_owned()),
        Phase::Attached => parts.push(status::line(session)),
        Phase::Leaving => parts.push("leaving".into()),
    }
    match session.link {
        Link::Up { .. } => {}
        Link::Connecting => parts.push("no agent yet".into()),
        Link::Lost => parts.push("no connection to the agent".into()),
    }
    match session.process {
        Process::None => {}
        Process::Running { pid } => parts.push(format!("process {pid} runs")),
        Process::Exited { code } => parts.push(format!("the process has ended with {code}")),
    }
    parts.join("; ")
}

/// A save and what became of it.
pub(super) fn saved(save: &Save) -> String {
    let mut text = format!("{}: {}", save.generation, save.what);
    if let Some(ms) = save.synced_ms {
        text += &format!("; in the pod after {ms} ms");
    }
    if let Some(ms) = save.listens_ms {
        text += &format!("; the process listens after {ms} ms");
    }
    if let Some(why) = &save.failed {
        text += &format!("; failed: {why}");
    }
    text
}

/// Names and peers as they were shown last.
#[derive(Default)]
pub(super) struct Tables(HashMap<(&'static str, String), String>);

impl Tables {
    /// What there is to show now: when, a word, and the rest. How often and how much is no line.
    pub(super) fn changed(&mut self, network: Network) -> Vec<(u64, &'static str, String)> {
        let mut before = std::mem::take(&mut self.0);
        let mut changed = Vec::new();
        let names = network.dns.iter().map(|name| {
            ("dns", format!("{} {}", name.name, name.kind), name.answer.clone(), name.at_ms, asked(name))
        });
        let peers = network.outbound.iter().map(|peer| {
            let mark = format!("{:?} {:?}", peer.why, peer.name);
            ("outbound", peer.address.clone(), mark, peer.at_ms, connected(peer))
        });
        for (word, key, mark, at_ms, text) in names.chain(peers) {
            if before.remove(&(word, key.clone())).as_ref() != Some(&mark) {
                changed.push((at_ms, word, text));
            }
            self.0.insert((word, key), mark);
        }
        changed
    }
}

fn asked(name: &Name) -> String {
    format!("{} {}: {} ({:.1} ms)", name.name, name.kind, name.answer, millis(name.last_us))
}

fn connected(peer: &Peer) -> String {
    let name = peer.name.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
    match &peer.why {
        Some(why) => format!("{}{name}: {why}", peer.address),
        None => format!("{}{name}: connected ({:.1} ms)", peer.address, millis(peer.last_us)),
    }
}

fn millis(us: u64) -> f64 {
    us as f64 / 1e3
}
