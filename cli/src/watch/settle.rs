//! When what was seen belongs together: a save, a checkout, the output of a compiler.
//!
//! From the first sign on, a few milliseconds of quiet end a batch. It is held longer where something is visibly under way:
//! a file that was taken away (editors put the new one in its place at once), one that is open for writing, a large
//! operation. All waits are bounded. A file that some program keeps open for longer (a log, a large copy) holds nothing up any more,
//! and is a batch of its own only when nobody writes to it for a while.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Nothing more for so long: most editors do all they do within one.
const QUIET: Duration = Duration::from_millis(5);
/// The same while a file is missing that was there.
const QUIET_GONE: Duration = Duration::from_millis(25);
/// A batch of a few files lasts so long at most.
const LONGEST: Duration = Duration::from_millis(50);
/// From so many signs on it is no save but a checkout or an installation, which lasts longer.
const MANY: usize = 200;
const LONGEST_OF_MANY: Duration = Duration::from_millis(300);
/// A file that is open for writing is waited for so long after the last write to it, …
const WRITING: Duration = Duration::from_millis(500);
/// … and all of them so long after the first sign.
const LONGEST_WRITING: Duration = Duration::from_secs(2);

/// What a sign says of its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// Something is there that was not, or is another one.
    Appeared,
    /// A new file, which who made it has open.
    Created,
    /// A program wrote to it, and may go on.
    Written,
    /// Who wrote to it is done.
    Closed,
    /// Nothing has this name any more.
    Gone,
    /// Mode, owner or times.
    Attributes,
}

/// Waits for the end of a batch.
#[derive(Debug, Default)]
pub(super) struct Settle {
    first: Option<Instant>,
    last: Option<Instant>,
    signs: usize,
    gone: HashSet<PathBuf>,
    writing: HashMap<PathBuf, Instant>,
    /// Waited for in vain.
    kept_open: HashSet<PathBuf>,
    /// When one of those was written to.
    written: Option<Instant>,
}

impl Settle {
    /// Something was seen.
    pub(super) fn sign(&mut self, path: &Path, sign: Sign, now: Instant) {
        if sign == Sign::Written && self.kept_open.contains(path) {
            self.written = Some(now);
            return;
        }
        self.first.get_or_insert(now);
        self.last = Some(now);
        self.signs += 1;
        if sign != Sign::Gone {
            self.gone.remove(path);
        }
        match sign {
            Sign::Gone => {
                self.writing.remove(path);
                self.kept_open.remove(path);
                self.gone.insert(path.to_owned());
            }
            Sign::Created | Sign::Written => {
                self.writing.insert(path.to_owned(), now);
            }
            Sign::Closed | Sign::Appeared => {
                self.writing.remove(path);
                self.kept_open.remove(path);
            }
            Sign::Attributes => {}
        }
    }

    /// When the batch is complete if nothing more is seen; none: there is no batch.
    pub(super) fn due(&self) -> Option<Instant> {
        let (Some(first), Some(last)) = (self.first, self.last) else {
            return self.written.map(|written| written + WRITING);
        };
        let quiet = if self.gone.is_empty() { QUIET } else { QUIET_GONE };
        let longest = if self.signs > MANY { LONGEST_OF_MANY } else { LONGEST };
        let due = (last + quiet).min(first + longest);
        let written = self.writing.values().max().map(|last| (*last + WRITING).min(first + LONGEST_WRITING));
        Some(written.map_or(due, |written| written.max(due)))
    }

    /// The batch was not taken when it was due, because more was known to come; now that may have come, and was not heard yet.
    pub(super) fn held(&mut self, now: Instant) {
        self.first = Some(now);
        self.last = Some(now);
    }

    /// The batch is taken; the next sign begins another one.
    pub(super) fn taken(&mut self) {
        self.kept_open.extend(self.writing.drain().map(|(path, _)| path));
        self.first = None;
        self.last = None;
        self.written = None;
        self.signs = 0;
        self.gone.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds from the first sign to the end of the batch.
    fn due(settle: &Settle, start: Instant) -> u128 {
        settle.due().map_or(0, |due| due.duration_since(start).as_millis())
    }

    fn after(signs: &[(u64, &str, Sign)]) -> u128 {
        let (start, mut settle) = (Instant::now(), Settle::default());
        for (ms, path, sign) in signs {
            settle.sign(Path::new(path), *sign, start + Duration::from_millis(*ms));
        }
        due(&settle, start)
    }

    #[test]
    fn a_save_ends_with_a_few_milliseconds_of_quiet() {
        assert_eq!(Settle::default().due(), None);
        assert_eq!(after(&[(0, "a", Sign::Created), (1, "a", Sign::Written), (2, "a", Sign::Closed)]), 7);
        // A temporary file, renamed.
        assert_eq!(after(&[(0, "a", Sign::Appeared)]), 5);
    }

    #[test]
    fn a_file_that_an_editor_takes_away_for_a_moment_is_waited_for() {
        assert_eq!(after(&[(0, "a", Sign::Gone)]), 25);
        assert_eq!(after(&[(0, "a", Sign::Gone), (10, "a", Sign::Created), (11, "a", Sign::Closed)]), 16);
    }

    #[test]
    fn what_is_being_written_is_waited_for_but_not_for_ever() {
        assert_eq!(after(&[(0, "a", Sign::Created)]), 500);
        assert_eq!(after(&[(0, "a", Sign::Created), (400, "a", Sign::Written)]), 900);
        let long: Vec<_> = (0..10).map(|at| (at * 400, "a", Sign::Written)).collect();
        assert_eq!(after(&long), 2000);
    }

    #[test]
    fn a_file_that_stays_open_delays_one_batch_only_and_is_then_waited_for_alone() {
        let (start, mut settle) = (Instant::now(), Settle::default());
        let log = Path::new("log");
        settle.sign(log, Sign::Written, start);
        assert_eq!(due(&settle, start), 500);
        settle.taken();
        assert_eq!(settle.due(), None);
        settle.sign(log, Sign::Written, start);
        settle.sign(log, Sign::Written, start + Duration::from_millis(400));
        assert_eq!(due(&settle, start), 900);
        settle.sign(Path::new("code"), Sign::Appeared, start);
        assert_eq!(due(&settle, start), 5);
        settle.taken();
        settle.sign(log, Sign::Closed, start);
        assert_eq!(due(&settle, start), 5);
    }

    #[test]
    fn a_steady_stream_of_signs_is_cut_into_batches() {
        let stream = |signs: u64, every: u64| -> Vec<_> {
            (0..signs).map(|at| (at * every, "a", Sign::Appeared)).collect()
        };
        assert_eq!(after(&stream(100, 4)), 50);
        assert_eq!(after(&stream(300, 2)), 300);
    }
}
