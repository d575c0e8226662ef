//! One exchange in full.

use std::sync::Arc;

use inspector::Exchange;
use inspector::text::Line;

use crate::action::Action;
use crate::command::Command;
use crate::state::Effect;
use crate::state::list::Scroll;

/// See above.
#[derive(Debug, Default)]
pub struct Opened {
    /// Which.
    pub id: u64,
    /// With its bodies; none: they have not come yet.
    pub exchange: Option<Arc<Exchange>>,
    /// Its secrets are to be shown.
    pub revealed: bool,
    /// It was asked for.
    pub waits: bool,
    /// Where in its lines.
    pub scroll: Scroll,
    /// The part that was gone to, until it is scrolled.
    part: Option<usize>,
    /// Its lines, as they were laid out last.
    pub laid_out: Option<LaidOut>,
}

/// An exchange as lines.
#[derive(Debug)]
pub struct LaidOut {
    /// Of which one, in which state.
    pub of: Arc<Exchange>,
    /// None is wider than this.
    pub width: usize,
    /// All of them.
    pub lines: Vec<Line>,
    /// Where request, answer and facts begin.
    pub parts: [usize; 3],
}

impl Opened {
    /// One that is asked for with its secrets covered.
    pub(super) fn new(id: u64) -> Self {
        Self { id, waits: true, ..Self::default() }
    }

    /// The part that is at the top: 0 request, 1 answer, 2 facts.
    pub fn part(&self) -> usize {
        let Some(laid_out) = &self.laid_out else { return 0 };
        let top = self.scroll.top();
        self.part.or_else(|| laid_out.parts.iter().rposition(|part| *part <= top)).unwrap_or(0)
    }

    /// Shows its secrets, or covers them: what is here is not shown until it is as wanted.
    pub(super) fn reveal(&mut self, session: &str) -> Effect {
        self.revealed = !self.revealed;
        self.exchange = None;
        self.ask(session)
    }

    /// Asks for it, again.
    pub(super) fn ask(&mut self, session: &str) -> Effect {
        self.waits = true;
        Effect::Do(Action::Open { session: session.to_owned(), id: self.id, reveal: self.revealed })
    }

    /// One has come, maybe this.
    pub(super) fn came(&mut self, exchange: &Arc<Exchange>, revealed: bool) {
        if exchange.id == self.id && revealed == self.revealed {
            (self.exchange, self.waits) = (Some(exchange.clone()), false);
        }
    }

    /// Moves as told; false: it was something else.
    pub(super) fn command(&mut self, command: &Command) -> bool {
        let part = match command {
            Command::Left => self.part().saturating_sub(1),
            Command::Right => self.part() + 1,
            command => {
                let moved = self.scroll.command(command, false);
                self.part = self.part.filter(|_| !moved);
                return moved;
            }
        };
        // It may be too near to the end to stand at the top, and is where one is all the same.
        if let Some(begins) = self.laid_out.as_ref().and_then(|laid_out| laid_out.parts.get(part)) {
            self.scroll.to(*begins);
            self.part = Some(part);
        }
        true
    }
}
