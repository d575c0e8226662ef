//! Lines of which others come at the end: each with something before it, whole or cut, one of them selected unless the end
//! is followed.

use inspector::decode::printable;
use inspector::text::{Line, Role, Span, fit};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Scene, text};
use crate::state::journal::Journal;

/// A line as it is drawn.
pub(super) struct Entry {
    /// Before it, equally wide for all.
    pub(super) before: Vec<Span>,
    /// How it looks.
    pub(super) role: Role,
    /// All of it.
    pub(super) text: String,
}

/// Columns of the sign before the selected line.
const SIGN: usize = 2;

/// Draws those of the lines with these numbers that are in view; only they are asked for.
pub(super) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    scene: &Scene,
    journal: &mut Journal,
    numbers: &[u64],
    entry: impl Fn(usize) -> Entry,
) {
    let height = usize::from(area.height);
    let parts = |entry: &Entry| {
        let before: usize = entry.before.iter().map(|span| fit::width(&span.text)).sum();
        let room = usize::from(area.width).saturating_sub(SIGN + before).max(1);
        (before, room)
    };
    let wraps = journal.wraps;
    let rows = |line: usize| {
        if !wraps {
            return 1;
        }
        let entry = entry(line);
        text::words(&entry.text, parts(&entry).1).len()
    };
    let view = journal.view(numbers, height, rows);
    let selected = (!journal.follows()).then(|| journal.selected(numbers));
    let entries: Vec<_> = view.map(|line| (line, entry(line))).collect();
    let widest = entries.iter().map(|(_, entry)| fit::width(&entry.text)).max().unwrap_or(0);
    journal.right = journal.right.min(widest.saturating_sub(1));
    // Of the last one the end is what matters, where it alone has no room.
    let skip = match &entries[..] {
        [(_, entry)] if wraps && journal.follows() => {
            text::words(&entry.text, parts(entry).1).len().saturating_sub(height)
        }
        _ => 0,
    };
    let mut row = 0;
    for (line, entry) in entries {
        let (mark, over) = match selected == Some(line) {
            true => (scene.look.either("> ", "▸ "), scene.look.selected()),
            false => ("  ", Style::new()),
        };
        let (before, room) = parts(&entry);
        let texts = match wraps {
            true => text::words(&entry.text, room),
            false => vec![fit::fit(text::after(&entry.text, journal.right), room).into_owned()],
        };
        for (part, text) in texts.into_iter().enumerate().skip(skip) {
            let mut drawn = Line::of(Role::Plain, if part == 0 { mark } else { "  " });
            match part {
                0 => drawn.spans.extend(entry.before.iter().cloned()),
                _ => drawn = drawn.and(Role::Plain, " ".repeat(before)),
            }
            text::put(frame, area, row, &drawn.and(entry.role, text), scene.look, over);
            row += 1;
        }
    }
}

/// What is shown, of how many, and whether the end is followed; behind what the screen says itself.
pub(super) fn about(line: Line, journal: &mut Journal, numbers: &[u64], all: usize) -> Line {
    let shown = numbers.len();
    let mut line = line;
    if journal.filter.is_on() {
        let filter = format!("  {shown} of {all} hold \"{}\"", printable(journal.filter.text()));
        line = line.and(Role::Warn, filter).and(Role::Dim, " (esc)");
    }
    if journal.important {
        line = line.and(Role::Warn, "  warnings only").and(Role::Dim, " (l)");
    }
    if journal.follows() {
        line = line.and(Role::Good, if shown > 0 { "  following" } else { "" });
    } else {
        line = match shown.saturating_sub(journal.selected(numbers) + 1) {
            0 => line.and(Role::Dim, "  not following (F)"),
            below => line.and(Role::Warn, format!("  {below} below")).and(Role::Dim, " (G)"),
        };
    }
    if journal.right > 0 {
        line = line.and(Role::Dim, format!("  from column {}", journal.right + 1));
    }
    line
}

/// Why nothing is shown although there is something.
pub(super) fn hidden(journal: &Journal, all: usize) -> [String; 2] {
    let what = if journal.important { "no warning and no error" } else { "no line" };
    let holding = match journal.filter.is_on() {
        true => format!(" holds \"{}\"", printable(journal.filter.text())),
        false => String::new(),
    };
    let keys = match (journal.filter.is_on(), journal.important) {
        (true, true) => "esc takes the filter away, l shows all levels",
        (true, false) => "esc takes the filter away",
        _ => "l shows all",
    };
    [format!("{what} of {all}{holding}"), keys.to_owned()]
}
