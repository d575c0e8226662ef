//! How counts, sizes and ends are said.

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
