//! Two exchanges beside each other: those that are marked, or a replay and what it replays.

use std::sync::Arc;

use inspector::Exchange;
use inspector::diff::{Part, diff};
use inspector::text::{Line, Role};

use super::{Requests, Wanted, What};
use crate::action::Action;
use crate::data::Known;
use crate::state::popup::Popup;
use crate::state::{Effect, Notice};

impl Requests {
    /// Compares the two that are marked, else this one with what it replays.
    pub(super) fn diff(&mut self, known: &Known, id: u64) -> Vec<Effect> {
        let place = self.place(known);
        let replayed = place.replayed.filter(|(replay, _)| *replay == id).map(|(_, of)| of);
        let of = known.exchanges.get(&id).and_then(|exchange| exchange.replay_of).or(replayed);
        let Some(both) = place.listed.both().or(of.map(|of| [of, id])) else {
            let said = "mark two with space, then d compares them; or be on a replay";
            return vec![Effect::Say(Notice::warn(said))];
        };
        if let Some(gone) = both.iter().find(|id| **id <= known.forgotten) {
            return vec![Effect::Say(Notice::warn(format!("{gone} is kept no more")))];
        }
        let session = known.session.id.clone();
        // Both alike, or every secret would differ.
        let reveal = place.opened.as_ref().is_some_and(|opened| opened.revealed);
        let what = What::Diff(both.map(|id| (id, None)));
        self.wanted = Some(Wanted { session: session.clone(), revealed: reveal, what });
        both.map(|id| Effect::Do(Action::Open { session: session.clone(), id, reveal })).into()
    }
}

/// What differs.
pub(super) fn popup(a: &Arc<Exchange>, b: &Arc<Exchange>) -> Effect {
    let diff = diff(a, b, Part::Both);
    let title = format!("- {}  + {}: {}", a.id, b.id, diff.summary());
    // The title says the first.
    let mut lines: Vec<_> =
        diff.lines().into_iter().skip(1).skip_while(|line| line.text().is_empty()).collect();
    if lines.is_empty() {
        lines.push(Line::of(Role::Good, "request and answer are the same"));
    }
    Effect::Show(Popup::text(title, lines))
}
