//! STUB logs

use super::{Effect, Outcome};
use crate::command::Command;
use crate::data::Known;

/// See above.
#[derive(Debug, Default)]
pub struct Logs {}

impl Logs {
    pub(super) fn command(&mut self, _command: &Command, _known: Option<&Known>) -> Outcome {
        Outcome::NotConsumed
    }

    pub(super) fn entered(&mut self, _known: Option<&Known>) -> Vec<Effect> {
        Vec::new()
    }
}
