//! Lines of which others come at the end, and where the user is among them: at the end, or at a line that stays where it is
//! while others come and go.

use std::ops::Range;

use super::filter::Filter;
use super::list::List;
use super::{Effect, Notice, Outcome};
use crate::command::Command;

/// Columns that one key moves to the side.
const STEP: usize = 8;
/// Longer lines are not kept.
const LONGEST: usize = 8 << 10;

/// See above. Lines are known by their numbers.
#[derive(Debug)]
pub struct Journal {
    list: List,
    /// The line that is selected, unless it follows.
    at: u64,
    /// The session that the lines are of.
    session: String,
    /// What they are to hold.
    pub filter: Filter,
    /// Long lines go on below.
    pub wraps: bool,
    /// Only what matters more.
    pub important: bool,
    /// So many columns are left out of each, where they are cut.
    pub right: usize,
}

impl Journal {
    /// At the end.
    pub(super) fn new(wraps: bool) -> Self {
        Self {
            list: List::following(),
            at: 0,
            session: String::new(),
            filter: Filter::default(),
            wraps,
            important: false,
            right: 0,
        }
    }

    /// Whether it stays at the end.
    pub fn follows(&self) -> bool {
        self.list.follows
    }

    /// The selected one of these lines; what is selected is only shown where it does not follow.
    pub fn selected(&mut self, numbers: &[u64]) -> usize {
        self.place(numbers);
        self.list.selected(numbers.len())
    }

    /// To the end.
    pub(super) fn rewind(&mut self) {
        (self.list, self.right) = (List::following(), 0);
    }

    /// The lines that it shows are now of this session.
    pub fn about(&mut self, session: &str) {
        if self.session != session {
            self.session = session.to_owned();
            self.rewind();
        }
    }

    /// Does what is to be done with any lines; `matters` says which of them are worth a jump. None: it is not for it.
    pub(super) fn command(
        &mut self,
        command: &Command,
        numbers: &[u64],
        matters: impl Fn(usize) -> bool,
    ) -> Option<Outcome> {
        if let Some(outcome) = self.filter.command(command) {
            return Some(outcome);
        }
        match command {
            Command::Wrap => (self.wraps, self.right) = (!self.wraps, 0),
            Command::Level => self.important = !self.important,
            Command::Left | Command::Right if self.wraps => {
                let notice =
                    Notice::warn("long lines go on below; W cuts them, then there is more to the side");
                return Some(Outcome::with(Effect::Say(notice)));
            }
            Command::Left => self.right = self.right.saturating_sub(STEP),
            Command::Right => self.right = (self.right + STEP).min(LONGEST),
            Command::NextMatch | Command::PreviousMatch => {
                let at = self.selected(numbers);
                let found = match command {
                    Command::NextMatch => (at + 1..numbers.len()).find(|line| matters(*line)),
                    // The last line is not passed over by who has only followed so far.
                    _ => (0..at + usize::from(self.follows())).rev().find(|line| matters(*line)),
                };
                let Some(found) = found.filter(|found| *found < numbers.len()) else {
                    let way = if *command == Command::NextMatch { "below" } else { "above" };
                    let notice = Notice::warn(format!("no warning and no error {way}"));
                    return Some(Outcome::with(Effect::Say(notice)));
                };
                self.list.select(found);
                self.at = numbers.get(found).copied().unwrap_or_default();
            }
            command => {
                self.place(numbers);
                if !self.list.command(command, numbers.len(), true) {
                    return None;
                }
                let at = self.list.selected(numbers.len());
                self.at = numbers.get(at).copied().unwrap_or_default();
            }
        }
        Some(Outcome::DONE)
    }

    /// Finds the line where it was. One that is there no more, or not shown, is the next one that is.
    fn place(&mut self, numbers: &[u64]) {
        if self.follows() {
            return;
        }
        let same = numbers.iter().position(|number| *number == self.at);
        let next = || numbers.iter().position(|number| *number >= self.at);
        self.list.carry(same.or_else(next).unwrap_or(numbers.len().saturating_sub(1)));
    }

    /// Which of these lines are in view, where each takes so many rows.
    pub fn view(&mut self, numbers: &[u64], height: usize, rows: impl Fn(usize) -> usize) -> Range<usize> {
        self.place(numbers);
        self.list.view_rows(numbers.len(), height, rows)
    }
}
