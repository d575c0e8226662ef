//! A place in a list or a text: what is selected, what is in view.

use std::ops::Range;

use crate::command::Command;

/// Which line is selected, which are in view. Lines are counted from 0.
#[derive(Debug, Clone, Default)]
pub struct List {
    selected: usize,
    first: usize,
    /// Lines in view when it was drawn last.
    height: usize,
    /// The last line is selected, also when others come.
    pub follows: bool,
}

impl List {
    /// One that stays at the end.
    pub fn following() -> Self {
        Self { follows: true, ..Self::default() }
    }

    /// The selected line of so many.
    pub fn selected(&self, len: usize) -> usize {
        let last = len.saturating_sub(1);
        if self.follows { last } else { self.selected.min(last) }
    }

    /// Selects a line.
    pub fn select(&mut self, line: usize) {
        (self.selected, self.follows) = (line, false);
    }

    /// The selected line is at this place now, because others came or went before it: it stays in its row.
    pub fn carry(&mut self, line: usize) {
        let row = self.selected.saturating_sub(self.first);
        (self.selected, self.first) = (line, line.saturating_sub(row));
    }

    /// Moves as told; false: it was something else. At the last line of a list that `grows` it follows.
    pub fn command(&mut self, command: &Command, len: usize, grows: bool) -> bool {
        let at = self.selected(len);
        let last = len.saturating_sub(1);
        let to = match moved(command, at, last, self.height) {
            Some(to) => to,
            None if *command == Command::Follow && grows => {
                (self.selected, self.follows) = (at, !self.follows);
                return true;
            }
            None => return false,
        };
        self.selected = to;
        self.follows = grows && *command == Command::Last || self.follows && self.selected == last;
        true
    }

    /// The lines that are in view, of `len`, with room for `height`; the selected one is among them.
    pub fn view(&mut self, len: usize, height: usize) -> Range<usize> {
        self.height = height;
        let selected = self.selected(len);
        let earliest = (selected + 1).saturating_sub(height);
        self.first = self.first.clamp(earliest, selected.max(earliest)).min(len.saturating_sub(height));
        self.first..len.min(self.first + height)
    }

    /// The same where a line may take several rows. The last of them may be in view in part.
    pub fn view_rows(&mut self, len: usize, height: usize, rows: impl Fn(usize) -> usize) -> Range<usize> {
        self.height = height;
        let selected = self.selected(len);
        // The earliest line from which on a line is in view as a whole, or alone.
        let before = |line: usize| {
            let mut used = if line < len { rows(line) } else { 0 };
            let fits = |earlier: &usize| {
                used += rows(*earlier);
                used <= height
            };
            (0..line).rev().take_while(fits).last().unwrap_or(line)
        };
        let (earliest, latest) = (before(selected), before(len.saturating_sub(1)));
        self.first = self.first.clamp(earliest, selected).min(latest);
        let mut used = 0;
        let seen = (self.first..len).take_while(|line| {
            let room = used < height;
            used += rows(*line);
            room
        });
        self.first..self.first + seen.count()
    }
}

/// Which lines of a text are in view.
#[derive(Debug, Clone, Default)]
pub struct Scroll {
    first: usize,
    height: usize,
    len: usize,
    /// The end is in view, also when lines come.
    pub follows: bool,
}

impl Scroll {
    /// One that stays at the end.
    pub fn following() -> Self {
        Self { follows: true, ..Self::default() }
    }

    /// Brings a line to the top, as far as that can be.
    pub fn to(&mut self, line: usize) {
        (self.first, self.follows) = (line, false);
    }

    /// The line at the top.
    pub fn top(&self) -> usize {
        self.first
    }

    /// Moves as told; false: it was something else.
    pub fn command(&mut self, command: &Command, grows: bool) -> bool {
        let end = self.len.saturating_sub(self.height);
        let at = if self.follows { end } else { self.first.min(end) };
        let to = match moved(command, at, end, self.height) {
            Some(to) => to,
            None if *command == Command::Follow && grows => {
                (self.first, self.follows) = (at, !self.follows);
                return true;
            }
            None => return false,
        };
        self.first = to;
        self.follows = grows && *command == Command::Last || self.follows && self.first == end;
        true
    }

    /// The lines that are in view, of `len`, with room for `height`.
    pub fn view(&mut self, len: usize, height: usize) -> Range<usize> {
        (self.len, self.height) = (len, height);
        let end = len.saturating_sub(height);
        self.first = if self.follows { end } else { self.first.min(end) };
        self.first..len.min(self.first + height)
    }
}

/// Where a move leads from line `at`, of those up to `last`, by pages of `height`; none: it is no move.
fn moved(command: &Command, at: usize, last: usize, height: usize) -> Option<usize> {
    let page = height.max(2) - 1;
    let to = match command {
        Command::Up => at.saturating_sub(1),
        Command::Down => at + 1,
        Command::PageUp => at.saturating_sub(page),
        Command::PageDown => at + page,
        Command::HalfUp => at.saturating_sub(page.div_ceil(2)),
        Command::HalfDown => at + page.div_ceil(2),
        Command::First => 0,
        Command::Last => last,
        _ => return None,
    };
    Some(to.min(last))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOVES: [Command; 9] = [
        Command::Up,
        Command::Down,
        Command::PageUp,
        Command::PageDown,
        Command::HalfUp,
        Command::HalfDown,
        Command::First,
        Command::Last,
        Command::Follow,
    ];

    #[test]
    fn a_list_follows_from_its_end_until_it_is_moved() {
        let mut list = List::following();
        assert_eq!((list.view(10, 4), list.selected(10)), (6..10, 9));
        assert_eq!((list.view(12, 4), list.selected(12)), (8..12, 11));
        list.command(&Command::Up, 12, true);
        assert_eq!((list.view(20, 4), list.selected(20)), (8..12, 10), "it stays with what was selected");
        list.command(&Command::Last, 20, true);
        assert_eq!((list.view(30, 4), list.selected(30)), (26..30, 29));
    }

    proptest! {
        #[test]
        fn what_is_selected_is_in_view_whatever_was_done(
            steps in prop::collection::vec((0..MOVES.len(), 0..30usize, 0..12usize), 0..60)
        ) {
            let (mut list, mut scroll) = (List::default(), Scroll::default());
            for (step, len, height) in steps {
                list.command(&MOVES[step], len, true);
                scroll.command(&MOVES[step], true);
                let (view, selected) = (list.view(len, height), list.selected(len));
                prop_assert!(view.len() == len.min(height) && view.end <= len);
                prop_assert!(view.contains(&selected) || view.is_empty());
                let rows = |line| 1 + line % 3;
                let view = list.view_rows(len, height, rows);
                prop_assert!(view.end <= len && view.clone().map(rows).sum::<usize>() < height + 3);
                prop_assert!(view.contains(&selected) || view.is_empty());
                let whole = view.start..=selected;
                prop_assert!(whole.clone().count() < 2 || whole.map(rows).sum::<usize>() <= height);
                prop_assert!(height == 0 || list.view_rows(len, height, |_| 1) == list.view(len, height));
                let view = scroll.view(len, height);
                prop_assert!(view.len() == len.min(height) && view.end <= len);
            }
        }
    }
}
