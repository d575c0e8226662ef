//! The list of sessions: which one is selected is which one the other screens are about.

use super::list::List;
use super::{Effect, Outcome};
use crate::command::{Command, Screen};
use crate::data::Data;

/// See above.
#[derive(Debug, Default)]
pub struct Sessions {
    /// Where in the list.
    pub list: List,
}

impl Sessions {
    pub(super) fn command(&mut self, command: &Command, data: &Data, focus: &mut Option<String>) -> Outcome {
        let of = |known: &crate::data::Known| known.session.id.clone();
        if let Some(at) = data.sessions.iter().position(|known| Some(&of(known)) == focus.as_ref()) {
            self.list.select(at);
        }
        if *command == Command::Open {
            return Outcome::with(Effect::Go(Screen::Requests));
        }
        let moved = self.list.command(command, data.sessions.len(), false);
        if moved && let Some(known) = data.sessions.get(self.list.selected(data.sessions.len())) {
            *focus = Some(of(known));
        }
        Outcome::done(moved)
    }
}
