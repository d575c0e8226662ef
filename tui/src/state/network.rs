//! Names and addresses that the process has asked for: what failed first, then what was asked for last.

mod vain;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use inspector::text::numbers;
use tunnel::status::{Name, Peer};

use super::filter::Filter;
use super::list::List;
use super::{Effect, Notice, Outcome, about};
use crate::command::Command;
use crate::data::Known;

/// See above.
#[derive(Debug, Default)]
pub struct Network {
    /// Where in both tables, as if they were one.
    list: List,
    /// Which row; it keeps its place in the user's eyes when others are sorted before it.
    at: Option<Key>,
    /// What rows are to hold.
    pub filter: Filter,
}

/// Knows a row again.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    Name(String, String),
    Peer(String),
}

/// Rows in their order, of both tables.
#[derive(Debug, Default)]
pub struct Rows<'a> {
    /// Those of the first.
    pub names: Vec<&'a Name>,
    /// Those of the second.
    pub peers: Vec<&'a Peer>,
    /// Names, with their kinds, that were asked for in vain.
    vain: BTreeSet<(&'a str, &'a str)>,
}

impl Rows<'_> {
    fn len(&self) -> usize {
        self.names.len() + self.peers.len()
    }

    fn keys(&self) -> impl Iterator<Item = Key> {
        let names = self.names.iter().map(|name| Key::Name(name.name.clone(), name.kind.clone()));
        names.chain(self.peers.iter().map(|peer| Key::Peer(peer.address.clone())))
    }

    fn failed(&self, at: usize) -> bool {
        match self.names.get(at) {
            Some(name) => self.is_in_vain(name),
            None => self.peers.get(at - self.names.len()).is_some_and(|peer| peer.failed > 0),
        }
    }

    /// Whether nothing was found where something was to be.
    pub fn is_in_vain(&self, name: &Name) -> bool {
        self.vain.contains(&(name.name.as_str(), name.kind.as_str()))
    }

    /// How many names were asked for in vain, of all that the session knows.
    pub fn in_vain(&self) -> usize {
        self.vain.len()
    }

    fn open(&self, at: usize) -> Option<Effect> {
        let duration = numbers::duration;
        let (title, fields) = match (self.names.get(at), self.peers.get(at.wrapping_sub(self.names.len()))) {
            (Some(name), _) => {
                let fields = vec![
                    ("name", name.name.clone()),
                    ("type", name.kind.clone()),
                    ("answer", name.answer.clone()),
                    ("asked", times(name.asked)),
                    ("failed", times(name.failed)),
                    ("last", duration(name.last_us)),
                    ("slowest", duration(name.most_us)),
                    ("last asked", about::time(name.at_ms)),
                ];
                (&name.name, fields)
            }
            (None, Some(peer)) => {
                let fields = vec![
                    ("address", peer.address.clone()),
                    ("name", peer.name.clone().unwrap_or_default()),
                    ("connections", peer.connections.to_string()),
                    ("open", peer.open.to_string()),
                    ("failed", peer.failed.to_string()),
                    ("why", peer.why.clone().unwrap_or_default()),
                    ("sent", numbers::size(peer.sent)),
                    ("received", numbers::size(peer.received)),
                    ("connect", format!("{} the last time", duration(peer.last_us))),
                    ("slowest", duration(peer.most_us)),
                    ("last dialled", about::time(peer.at_ms)),
                ];
                (&peer.address, fields)
            }
            (None, None) => return None,
        };
        Some(Effect::Show(about::popup(title, &fields)))
    }
}

fn times(count: u64) -> String {
    if count == 1 { "once".into() } else { format!("{count} times") }
}

impl Network {
    /// What is shown of a session.
    pub fn rows<'a>(&self, known: &'a Known) -> Rows<'a> {
        let network = &known.network;
        let holds = |name: &&Name| [&name.name, &name.answer].iter().any(|text| self.filter.takes(text));
        let mut names: Vec<_> = network.dns.iter().filter(holds).collect();
        let vain = network.dns.iter().filter(|name| vain::is_in_vain(name, &network.dns));
        let vain: BTreeSet<_> = vain.map(|name| (name.name.as_str(), name.kind.as_str())).collect();
        let is_in_vain = |name: &Name| vain.contains(&(name.name.as_str(), name.kind.as_str()));
        names.sort_by_key(|name| (!is_in_vain(name), Reverse(name.at_ms), &name.name, &name.kind));
        let holds = |peer: &&Peer| {
            self.filter.takes(&peer.address) || peer.name.as_ref().is_some_and(|name| self.filter.takes(name))
        };
        let mut peers: Vec<_> = network.outbound.iter().filter(holds).collect();
        peers.sort_by_key(|peer| (peer.failed == 0, Reverse(peer.at_ms), &peer.address));
        Rows { names, peers, vain }
    }

    /// Which of these rows is selected, counted over both tables; `height` rows are in view, for paging.
    pub fn selected(&mut self, rows: &Rows<'_>, height: Option<usize>) -> usize {
        if let Some(at) = &self.at
            && let Some(at) = rows.keys().position(|key| key == *at)
        {
            self.list.select(at);
        }
        if let Some(height) = height {
            self.list.view(rows.len(), height);
        }
        self.list.selected(rows.len())
    }

    pub(super) fn command(&mut self, command: &Command, known: Option<&Known>) -> Outcome {
        if let Some(outcome) = self.filter.command(command) {
            return outcome;
        }
        let rows = known.map(|known| self.rows(known)).unwrap_or_default();
        let at = self.selected(&rows, None);
        match command {
            Command::Open => return Outcome::Consumed(rows.open(at).into_iter().collect()),
            Command::NextMatch | Command::PreviousMatch => {
                let found = match command {
                    Command::NextMatch => (at + 1..rows.len()).find(|row| rows.failed(*row)),
                    _ => (0..at).rev().find(|row| rows.failed(*row)),
                };
                let Some(found) = found else {
                    let way = if *command == Command::NextMatch { "below" } else { "above" };
                    let notice = Notice::warn(format!("nothing failed {way}"));
                    return Outcome::with(Effect::Say(notice));
                };
                self.list.select(found);
            }
            command if self.list.command(command, rows.len(), false) => {}
            _ => return Outcome::NotConsumed,
        }
        self.at = rows.keys().nth(self.list.selected(rows.len()));
        Outcome::DONE
    }
}
