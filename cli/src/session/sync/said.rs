//! How counts, sizes and ends are said.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::runner::End;

/// Why the process does not run.
pub(super) fn ended(end: &End) -> String {
    match end {
        End::Code(code) => format!("the process ended with {code}"),
        End::Not(why) => format!("the process can't be started: {why}"),
    }
}

/// `1 file`, `2 files`.
pub(super) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// `640 B`, `12 KiB`, `3.4 MiB`.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes / 1024),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

/// A name that a pod chose: what would move a terminal's cursor is spelled out.
pub(super) fn name(path: &Path) -> String {
    let text = path.to_string_lossy();
    let spelled = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if spelled(c) { c.escape_default().to_string() } else { c.to_string() }).collect()
}

/// `gen/a.ts and 3 more`; none of nothing.
pub(super) fn names(paths: &BTreeSet<PathBuf>) -> Option<String> {
    let first = name(paths.first()?);
    Some(match paths.len() {
        1 => first,
        more => format!("{first} and {} more", more - 1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_pod_leave_the_terminal_alone() {
        assert_eq!(name(Path::new("gen/\u{1b}[2Ja\n\u{202e}b\u{e4}")), "gen/\\u{1b}[2Ja\\n\\u{202e}b\u{e4}");
        let paths: BTreeSet<_> = ["b", "a"].map(PathBuf::from).into();
        assert_eq!(names(&paths).as_deref(), Some("a and 1 more"));
    }
}
