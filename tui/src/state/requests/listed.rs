//! The list: what of a session's exchanges matches, which one is selected, which are marked.
//!
//! Selected and marked are exchanges, by their ids, and not lines: they stay when others come or go.

use std::sync::Arc;

use inspector::{End, Exchange};

use super::filtering::Filtering;
use crate::command::Command;
use crate::data::Known;
use crate::state::Notice;
use crate::state::list::List;

/// What is compared, at most.
const MARKS: usize = 2;

/// See above.
#[derive(Debug)]
pub struct Listed {
    /// Where in it; lines are those of [`Listed::matching`].
    pub list: List,
    /// Those that match, oldest first.
    pub matching: Vec<Arc<Exchange>>,
    /// All that were asked, oldest first, and whether they match: none is asked twice.
    asked: Vec<(Arc<Exchange>, bool)>,
    /// The number of the filter that they were asked by.
    filter: u64,
    selected: Option<u64>,
    marks: Vec<u64>,
}

impl Default for Listed {
    fn default() -> Self {
        Self {
            list: List::following(),
            matching: Vec::new(),
            asked: Vec::new(),
            filter: 0,
            selected: None,
            marks: Vec::new(),
        }
    }
}

impl Listed {
    /// Brings it up to date. Only what is new is compared with the filter.
    pub(super) fn refresh(&mut self, known: &Known, filtering: &Filtering) {
        let same = self.filter == filtering.number;
        let unchanged = same
            && self.asked.len() == known.exchanges.len()
            && self
                .asked
                .iter()
                .zip(known.exchanges.values())
                .all(|((asked, _), now)| Arc::ptr_eq(asked, now));
        if !unchanged {
            let before = std::mem::take(&mut self.asked);
            let mut before = before.into_iter().filter(|_| same).peekable();
            for now in known.exchanges.values() {
                while before.next_if(|(asked, _)| asked.id < now.id).is_some() {}
                let asked = before.next_if(|(asked, _)| Arc::ptr_eq(asked, now));
                let matches = asked.map_or_else(|| filtering.filter.matches(&**now), |(_, matches)| matches);
                self.asked.push((now.clone(), matches));
            }
            self.filter = filtering.number;
            let matching = self.asked.iter().filter(|(_, matches)| *matches);
            self.matching = matching.map(|(exchange, _)| exchange.clone()).collect();
            self.marks.retain(|id| known.exchanges.contains_key(id));
        }
        if !self.list.follows
            && let Some(id) = self.selected
        {
            // Where it is no more, the next one.
            self.list.select(self.matching.partition_point(|exchange| exchange.id < id));
        }
    }

    /// The selected one.
    pub fn selected(&self) -> Option<&Arc<Exchange>> {
        self.matching.get(self.list.selected(self.matching.len()))
    }

    /// Selects one; if it has not come yet, as soon as it has.
    pub(super) fn select(&mut self, id: u64) {
        self.selected = Some(id);
        self.list.select(self.matching.partition_point(|exchange| exchange.id < id));
    }

    /// Moves as told; false: it was something else.
    pub(super) fn command(&mut self, command: &Command) -> bool {
        let moved = self.list.command(command, self.matching.len(), true);
        if moved {
            self.selected = self.selected().map(|exchange| exchange.id);
        }
        moved
    }

    /// Whether it is marked.
    pub fn is_marked(&self, id: u64) -> bool {
        self.marks.contains(&id)
    }

    /// The marked ones, oldest first, if there are two.
    pub(super) fn both(&self) -> Option<[u64; 2]> {
        let [a, b] = self.marks[..] else { return None };
        Some([a.min(b), a.max(b)])
    }

    /// Marks it, or takes its mark away. Of three the one that was marked first loses it.
    pub(super) fn mark(&mut self, id: u64) -> Notice {
        if let Some(at) = self.marks.iter().position(|mark| *mark == id) {
            self.marks.remove(at);
            return Notice::good(format!("{id} is marked no more"));
        }
        if self.marks.len() >= MARKS {
            self.marks.remove(0);
        }
        self.marks.push(id);
        Notice::good(match self.both() {
            Some([a, b]) => format!("{a} and {b} are marked; d compares them"),
            None => format!("{id} is marked; mark another, and d compares them"),
        })
    }

    /// The next newer or older that failed; where none in the list did, that the caller is blamed for.
    ///
    /// # Errors
    /// There is none: why, for people.
    pub(super) fn failed(&self, from: Option<u64>, newer: bool) -> Result<u64, &'static str> {
        let blamed = |one: &Exchange| one.status.is_some_and(|status| (400..500).contains(&status));
        let severe = self.matching.iter().any(|one| is_failed(one));
        let ids = self.matching.iter().filter(|one| if severe { is_failed(one) } else { blamed(one) });
        let ids: Vec<_> = ids.map(|one| one.id).collect();
        let from = from.unwrap_or(0);
        let (found, why) = if newer {
            (ids.iter().find(|id| **id > from), "no newer one failed; N goes to those before")
        } else {
            (ids.iter().rfind(|id| **id < from), "no older one failed; n goes to those after")
        };
        found.copied().ok_or(if ids.is_empty() { "none of these failed" } else { why })
    }
}

/// Whether it went wrong, and not by the caller's mistake; as the filter's `error`.
fn is_failed(exchange: &Exchange) -> bool {
    exchange.end == Some(End::Cut)
        || exchange.status.is_some_and(|status| status >= 500)
        || exchange.grpc_status().is_some_and(|status| status != 0)
}
