//! STUB requests

use super::{Effect, Outcome};
use crate::command::Command;
use crate::data::Known;
use crate::feed::Answer;

/// See above.
#[derive(Debug, Default)]
pub struct Requests {}

impl Requests {
    pub(super) fn command(&mut self, _command: &Command, _known: Option<&Known>) -> Outcome {
        Outcome::NotConsumed
    }

    /// An exchange was opened, or a request was sent again.
    pub(super) fn answer(&mut self, _answer: Answer) -> Vec<Effect> {
        Vec::new()
    }
}
