//! What is written: by the process, by the originals, by devbridge's agent.

mod clean;

use std::collections::BTreeSet;

use inspector::text::Role;

use super::journal::Journal;
use super::{Effect, Outcome, about};
use crate::action::Action;
use crate::command::Command;
use crate::data::{Known, Line, Reach};
use crate::feed::Source;

pub use clean::clean;

/// See above.
#[derive(Debug)]
pub struct Logs {
    /// Whose lines.
    pub source: Source,
    /// When each was written is shown.
    pub times: bool,
    /// Where in them.
    pub journal: Journal,
    /// What was asked for already.
    followed: BTreeSet<(String, Source)>,
}

impl Default for Logs {
    fn default() -> Self {
        Self {
            source: Source::default(),
            times: true,
            journal: Journal::new(false),
            followed: BTreeSet::new(),
        }
    }
}

/// Sources in their order, and what each is called.
pub const SOURCES: [(Source, &str); 3] =
    [(Source::Process, "process"), (Source::Originals, "originals"), (Source::Agent, "agent")];

impl Logs {
    /// Lines that are shown, oldest first.
    pub fn lines<'a>(&self, known: &'a Known) -> Vec<&'a Line> {
        let all = known.lines.get(&self.source).into_iter().flatten();
        let (filter, important) = (&self.journal.filter, self.journal.important);
        if !filter.is_on() && !important {
            return all.collect();
        }
        // Whether a line that goes on from the one before belongs to something that matters.
        let mut matters = false;
        let shown = all.filter(|line| {
            let text = clean(&line.said.text);
            matters = matter(&text).is_some() || matters && text.starts_with(' ');
            (matters || !important) && filter.takes(&text)
        });
        shown.collect()
    }

    pub(super) fn command(&mut self, command: &Command, known: Option<&Known>) -> Outcome {
        match command {
            Command::Source => {
                let at = SOURCES.iter().position(|(source, _)| *source == self.source).unwrap_or(0);
                let next = SOURCES.iter().cycle().nth(at + 1);
                self.source = next.map(|(source, _)| *source).unwrap_or_default();
                self.journal.rewind();
                return Outcome::Consumed(self.entered(known));
            }
            Command::Times => {
                self.times = !self.times;
                return Outcome::DONE;
            }
            _ => {}
        }
        if let Some(known) = known {
            self.journal.about(&known.session.id);
        }
        let lines = known.map(|known| self.lines(known)).unwrap_or_default();
        let numbers: Vec<_> = lines.iter().map(|line| line.number).collect();
        if *command == Command::Open {
            let line = lines.get(self.journal.selected(&numbers));
            return Outcome::Consumed(line.map(|line| self.open(line)).into_iter().collect());
        }
        let text = |line: usize| lines.get(line).map(|line| clean(&line.said.text)).unwrap_or_default();
        let outcome = self.journal.command(command, &numbers, |line| matter(&text(line)).is_some());
        outcome.unwrap_or_default()
    }

    /// Asks for what nobody tells unasked, once.
    pub(super) fn entered(&mut self, known: Option<&Known>) -> Vec<Effect> {
        let source = self.source;
        let Some(known) = known.filter(|known| known.reach == Reach::Here) else { return Vec::new() };
        let session = known.session.id.clone();
        if source == Source::Process || !self.followed.insert((session.clone(), source)) {
            return Vec::new();
        }
        vec![Effect::Do(Action::Follow { session, source })]
    }

    fn open(&self, line: &Line) -> Effect {
        let name = SOURCES.iter().find(|(source, _)| *source == self.source).map_or("", |(_, name)| *name);
        let fields = [
            ("written at", about::time(line.said.at_ms)),
            ("pod", line.pod.clone().unwrap_or_default()),
            ("line", clean(&line.said.text).into_owned()),
        ];
        Effect::Show(about::popup(&format!("a line of: {name}"), &fields))
    }
}

/// Words that make a line matter, in whatever case and word they stand.
const ERRORS: [&str; 6] = ["error", "fail", "panic", "exception", "fatal", "traceback"];

/// How a line looks that says so of itself.
pub fn matter(text: &str) -> Option<Role> {
    let text = text.to_ascii_lowercase();
    if ERRORS.iter().any(|word| text.contains(word)) {
        return Some(Role::Bad);
    }
    text.contains("warn").then_some(Role::Warn)
}
