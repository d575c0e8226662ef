//! The rows of a run as a table of Markdown, printed and written into a file.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::{Goal, Row};

/// The lines of a file between which the table is.
const MARKERS: [&str; 2] = ["<!-- faults: written by `just faults` -->", "<!-- end of faults -->"];
const HEAD: &str = "| fault | failed new requests | longest wait | originals serve after | laptop serves again after | \
    open flows lost | bytes lost | left behind | goal | test |\n|---|---|---|---|---|---|---|---|---|---|\n";

/// The rows of a run.
#[derive(Debug, Default)]
pub(crate) struct Rows(Mutex<Vec<Row>>);

impl Rows {
    pub(super) fn add(&self, row: Row) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(row);
    }

    /// The table, in the order of tests; `None` without a row.
    pub(crate) fn table(&self, tests: &[&str]) -> Option<String> {
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        rows.sort_by_key(|row| tests.iter().position(|test| *test == row.test));
        let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
        (!rows.is_empty()).then(|| format!("{HEAD}{lines}"))
    }
}

/// Puts a table between the markers of a file.
///
/// # Errors
///
/// When the file can't be read or written, or has no markers.
pub(crate) fn write(file: &Path, table: &str) -> Result<(), String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let written = between(&text, table).ok_or_else(|| format!("there are no lines {MARKERS:?}"))?;
    std::fs::write(file, written).map_err(|error| error.to_string())
}

fn between(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(MARKERS[0])?;
    let (_, after) = rest.split_once(MARKERS[1])?;
    Some(format!("{before}{}\n\n{table}\n{}{after}", MARKERS[0], MARKERS[1]))
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = self.requests.as_ref();
        let or_empty = |text: Option<String>| text.unwrap_or_default();
        let failed = or_empty(requests.map(|requests| {
            let more = |count: u64, what: &str| match count {
                0 => String::new(),
                count => format!("; {count} {what}"),
            };
            let (cut, later) = (more(requests.cut, "under way"), more(requests.later, "afterwards"));
            format!("{} of {}{cut}{later}", requests.failed, thousands(requests.new))
        }));
        let longest = or_empty(requests.map(|requests| seconds(requests.longest)));
        let originals = or_empty(requests.and_then(|requests| requests.originals).map(seconds));
        let laptop = or_empty(requests.and_then(|requests| requests.laptop).map(seconds));
        let flows = or_empty(self.flows.map(|(lost, of)| format!("{lost} of {}", thousands(of))));
        let bytes = or_empty(self.bytes.map(|(lost, of)| format!("{lost} of {}", thousands(of))));
        let nothing = self.nothing.map(|after| format!("nothing after {}", seconds(after)));
        let left = or_empty(self.stays.clone().or(nothing));
        let goals: Vec<_> = self.goals.iter().map(|goal| self.goal(*goal)).collect();
        let module = self.test.rsplit("::").nth(1).unwrap_or_default();
        write!(
            f,
            "| {} | {failed} | {longest} | {originals} | {laptop} | {flows} | {bytes} | {left} | {} | `e2e/{module}.rs` |",
            self.fault,
            goals.join(", "),
        )
    }
}

impl Row {
    fn goal(&self, goal: Goal) -> String {
        let text = match goal {
            Goal::Failed(count) => format!("{count} failed"),
            Goal::Refused(count) => format!("{count} refused"),
            Goal::Originals(within) => format!("originals ≤ {within} s"),
            Goal::Laptop(within) => format!("laptop ≤ {within} s"),
            Goal::Wait(within) => format!("wait ≤ {within} s"),
            Goal::Flows(count) => format!("{count} flows lost"),
            Goal::Nothing(within) => format!("nothing left ≤ {within} s"),
        };
        if self.meets(goal, 1.0) == Some(true) { text } else { format!("**missed:** {text}") }
    }
}

fn seconds(seconds: f64) -> String {
    if seconds < 0.1 { "< 0.1 s".to_owned() } else { format!("{seconds:.1} s") }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::measure::Measured;
    use super::*;

    #[test]
    fn a_row_shows_what_was_measured_and_which_goal_was_missed() {
        let requests = Measured {
            new: 3_500,
            failed: 0,
            later: 0,
            cut: 2,
            refused: 0,
            originals: Some(2.21),
            served: Some(2.21),
            laptop: None,
            longest: 0.01,
        };
        let row = Row {
            fault: "power".to_owned(),
            test: "cluster::nodes::it_fails",
            goals: vec![Goal::Failed(0), Goal::Originals(2.0)],
            requests: Some(requests),
            ..Row::default()
        };
        assert_eq!(row.meets(Goal::Originals(2.0), 3.0), Some(true));
        assert_eq!(row.meets(Goal::Laptop(2.0), 3.0), None);
        assert_eq!(
            row.to_string(),
            "| power | 0 of 3,500; 2 under way | < 0.1 s | 2.2 s |  |  |  |  | 0 failed, **missed:** originals ≤ 2 s \
             | `e2e/nodes.rs` |"
        );
    }

    #[test]
    fn a_table_replaces_what_is_between_its_markers() {
        let [begin, end] = MARKERS;
        let old = format!("text\n{begin}\nold\n{end}\nmore\n");
        assert_eq!(between(&old, "new\n"), Some(format!("text\n{begin}\n\nnew\n\n{end}\nmore\n")));
        assert_eq!(between("text", "new"), None);
    }
}
