//! Which lines are known, so that each is printed once although connections are lost and logs are asked for again.
//!
//! The order of a log is not quite that of its times: a runtime stamps what comes from stdout and from stderr side by side
//! and writes it as it happens. So what was read last is no bound; the lines of the last seconds are remembered instead.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use jiff::{SignedDuration, Timestamp};

use super::{Line, Source};

/// So far apart a line's place and its time may be.
const DISORDER: SignedDuration = SignedDuration::from_secs(2);
/// So many lines are remembered of a container; more in two seconds may be printed twice when a connection is lost.
const MOST: usize = 1 << 16;

/// What is known of each container's log.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    containers: BTreeMap<Source, Known>,
}

impl Seen {
    pub(super) fn of(&mut self, source: &Source) -> &mut Known {
        self.containers.entry(source.clone()).or_default()
    }

    /// None: nobody has looked there yet.
    pub(super) fn get(&self, source: &Source) -> Option<&Known> {
        self.containers.get(source)
    }
}

/// What is known of a container's log: its newest lines.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    recent: BTreeSet<(Timestamp, u64)>,
    /// Of the first line that was read: what is older was not asked for.
    first: Option<Timestamp>,
}

impl Known {
    /// Whether `line` was not known; it is now. Lines without a time are always new.
    pub(super) fn add(&mut self, line: &Line) -> bool {
        let Some(time) = line.time else { return true };
        self.first.get_or_insert(time);
        let hash = BuildHasherDefault::<DefaultHasher>::new().hash_one(&line.text);
        let new = self.recent.insert((time, hash));
        while self.recent.len() > MOST
            || self.recent.first().is_some_and(|(oldest, _)| Some(*oldest) < self.complete_from())
        {
            self.recent.pop_first();
        }
        new
    }

    /// Whether `line` is older than what was asked for at first; a log that is asked for again begins with such lines.
    pub(super) fn is_before(&self, line: &Line) -> bool {
        line.time.is_some_and(|time| self.first.is_some_and(|first| time < first))
    }

    /// From when on all that was read is remembered, in whole seconds, as the API server counts. None: nothing was read.
    pub(super) fn complete_from(&self) -> Option<Timestamp> {
        let (newest, _) = self.recent.last()?;
        let from = newest.checked_sub(DISORDER).ok()?;
        Timestamp::from_second(from.as_second()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(time: &str, text: &str) -> Line {
        let time = Some(format!("2026-01-02T03:04:{time}Z").parse().unwrap());
        Line { pod: "p".into(), container: "c".into(), time, text: text.into() }
    }

    #[test]
    fn a_line_is_new_once_also_when_one_with_a_later_time_came_first() {
        let mut known = Known::default();
        let lines = [line("05.9", "stderr"), line("05.8", "stdout"), line("05.8", "another")];
        assert!(lines.iter().all(|line| known.add(line)));
        assert!(!lines.iter().any(|line| known.add(line)));
    }

    #[test]
    fn what_was_left_out_at_first_is_left_out_later() {
        let mut known = Known::default();
        assert!(!known.is_before(&line("04.0", "any")));
        assert!(known.add(&line("05.0", "first of the last three")));
        assert!(known.is_before(&line("04.9", "older")) && !known.is_before(&line("05.1", "newer")));
    }

    #[test]
    fn what_is_asked_for_again_is_remembered_and_no_more() {
        let mut known = Known::default();
        assert_eq!(known.complete_from(), None);
        for at in 10..50 {
            assert!(known.add(&line(&format!("{at}.5"), "x")));
        }
        assert_eq!(known.complete_from(), line("47", "").time);
        assert_eq!(known.recent.len(), 3);
        assert!((47..50).all(|at| !known.add(&line(&format!("{at}.5"), "x"))));
    }
}
