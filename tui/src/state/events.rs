//! What happened, as devbridge and Kubernetes tell it: by time, newest last.

use std::collections::BTreeSet;

use inspector::text::Role;
use tunnel::status::Level;

use super::journal::Journal;
use super::{Effect, Outcome, about};
use crate::action::Action;
use crate::command::Command;
use crate::data::{Happened, Known, Reach};
use crate::feed::By;

/// See above.
#[derive(Debug)]
pub struct Events {
    /// Where in them.
    pub journal: Journal,
    /// Sessions whose Kubernetes events were asked for already.
    asked: BTreeSet<String>,
}

impl Default for Events {
    fn default() -> Self {
        Self { journal: Journal::new(true), asked: BTreeSet::new() }
    }
}

impl Events {
    /// What is shown, oldest first. Kubernetes tells of what was before the session, and later than devbridge does.
    pub fn lines<'a>(&self, known: &'a Known) -> Vec<&'a Happened> {
        let important = |level| !self.journal.important || level >= Level::Warning;
        let holds = |event: &Happened| {
            let filter = &self.journal.filter;
            [by(event.by), level(event.event.level).0, &event.event.text]
                .iter()
                .any(|text| filter.takes(text))
        };
        let all = known.events.iter();
        let mut shown: Vec<_> = all.filter(|event| important(event.event.level) && holds(event)).collect();
        shown.sort_by_key(|event| (event.event.at_ms, event.number));
        shown
    }

    pub(super) fn command(&mut self, command: &Command, known: Option<&Known>) -> Outcome {
        if let Some(known) = known {
            self.journal.about(&known.session.id);
        }
        let lines = known.map(|known| self.lines(known)).unwrap_or_default();
        let numbers: Vec<_> = lines.iter().map(|line| line.number).collect();
        if *command == Command::Open {
            let line = lines.get(self.journal.selected(&numbers));
            return Outcome::Consumed(line.map(|line| open(line)).into_iter().collect());
        }
        let matters = |line: usize| lines.get(line).is_some_and(|line| line.event.level >= Level::Warning);
        self.journal.command(command, &numbers, matters).unwrap_or_default()
    }

    /// Asks for Kubernetes' events, once.
    pub(super) fn entered(&mut self, known: Option<&Known>) -> Vec<Effect> {
        let Some(known) = known.filter(|known| known.reach == Reach::Here) else { return Vec::new() };
        let session = known.session.id.clone();
        if !self.asked.insert(session.clone()) {
            return Vec::new();
        }
        vec![Effect::Do(Action::Events { session })]
    }
}

fn open(line: &Happened) -> Effect {
    let fields = [
        ("at", about::time(line.event.at_ms)),
        ("by", by(line.by).to_owned()),
        ("level", level(line.event.level).0.to_owned()),
        ("text", line.event.text.clone()),
    ];
    Effect::Show(about::popup("an event", &fields))
}

/// Who says so, as a word.
pub fn by(by: By) -> &'static str {
    match by {
        By::Devbridge => "devbridge",
        By::Kubernetes => "kubernetes",
    }
}

/// How much it matters, as a word, and how that looks.
pub fn level(level: Level) -> (&'static str, Role) {
    match level {
        Level::Info => ("info", Role::Plain),
        Level::State => ("state", Role::Name),
        Level::Warning => ("warning", Role::Warn),
        Level::Failure => ("failure", Role::Bad),
    }
}
