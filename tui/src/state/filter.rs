//! A text that lines are to hold, whatever the case of its letters.

use super::{Effect, Outcome};
use crate::command::Command;

/// See above. An empty text is in every line.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    text: String,
    lower: String,
}

impl Filter {
    /// As it was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it takes anything away.
    pub fn is_on(&self) -> bool {
        !self.text.is_empty()
    }

    /// Whether it is in this.
    pub fn takes(&self, text: &str) -> bool {
        !self.is_on() || text.to_lowercase().contains(&self.lower)
    }

    /// None: the command is not for it.
    pub(super) fn command(&mut self, command: &Command) -> Option<Outcome> {
        match command {
            Command::Filter => return Some(Outcome::with(Effect::Type(self.text.clone()))),
            Command::FilterBy(text) => (self.text, self.lower) = (text.clone(), text.to_lowercase()),
            Command::Back if self.is_on() => *self = Self::default(),
            _ => return None,
        }
        Some(Outcome::DONE)
    }
}
