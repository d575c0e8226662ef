//! What a pod's answers say of it: that it is ready, that it is down, or that its machine is gone. No sockets, no clock.
//!
//! Times are those at which a question was asked: a pod is asked again before the last answer is there, and an answer
//! that comes late must not undo a later one. To be gone is not a matter of one packet, of a network that is away for 2 s,
//! of a slow one, or of the keeper's own network: see [`Answers::is_gone`].

use std::time::Duration;

use tokio::time::Instant;

use super::ask::Answer;

/// Between two questions to a pod. Half of it passes, on average, before a machine that is gone is asked.
pub(super) const EVERY: Duration = Duration::from_millis(500);
/// A pod that was not ready so often in a row, for 1 s from the first question to the last, is down.
const MISSES: u32 = 3;
/// A machine that took no connection so often in a row, for 2 s from the first question to the last, is gone.
const SILENCES: u32 = 5;

/// All that is kept of the answers of one pod.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// When the newest question was asked that was answered with "ready".
    ready: Option<Instant>,
    /// When the newest question was asked whose connection was taken or refused.
    there: Option<Instant>,
    /// Questions since that were not answered with "ready".
    misses: u32,
    silence: Option<Silence>,
}

/// Questions in a row that nobody took.
#[derive(Debug)]
struct Silence {
    times: u32,
    /// When the first of them was asked, and the last.
    first: Instant,
    last: Instant,
    /// When the API server first answered what it was asked after the first of them.
    heard: Option<Instant>,
}

impl Answers {
    /// Takes in what came of a question.
    pub(super) fn take(&mut self, asked: Instant, answer: Answer) {
        let newer_than = |other: Option<Instant>| other.is_none_or(|other| other < asked);
        if answer == Answer::Ready {
            self.ready = self.ready.max(Some(asked));
            self.misses = 0;
        } else if answer != Answer::Late && newer_than(self.ready) {
            self.misses = self.misses.saturating_add(1);
        }
        if answer != Answer::Silence {
            self.there = self.there.max(Some(asked));
            // What was taken earlier may still be waiting for words.
            self.silence = self.silence.take().filter(|silence| asked < silence.first);
        } else if newer_than(self.there) {
            let new = Silence { times: 0, first: asked, last: asked, heard: None };
            let silence = self.silence.get_or_insert(new);
            silence.times = silence.times.saturating_add(1);
            silence.first = silence.first.min(asked);
            silence.last = silence.last.max(asked);
        }
    }

    /// The API server answered: there is a way from the keeper to somebody.
    pub(super) fn heard(&mut self, asked: Instant, answered: Instant) {
        if let Some(silence) = self.silence.as_mut().filter(|silence| silence.first <= asked) {
            silence.heard.get_or_insert(answered);
        }
    }

    /// Whether it was ever ready, and so can be asked from where the keeper is.
    pub(super) fn are_known(&self) -> bool {
        self.ready.is_some()
    }

    /// Whether it was ready once and is not any more, for as long as that takes to be sure.
    pub(super) fn are_missing(&self) -> bool {
        self.are_known() && self.misses >= MISSES
    }

    /// Whether its machine is gone. So many questions in a row were lost, the first of them 2 s before the last, and nobody
    /// took any of them later; the API server answered meanwhile, so it is not the keeper that is cut off.
    pub(super) fn is_gone(&self) -> bool {
        let gone = |silence: &Silence| {
            silence.times >= SILENCES && silence.heard.is_some_and(|heard| heard <= silence.last)
        };
        self.are_known() && self.silence.as_ref().is_some_and(gone)
    }
}

#[cfg(test)]
mod tests;
