//! Columns below titles: one of them gets the room that is left, and those of least interest go when there is none.

use inspector::text::{Line, Role, Span, fit};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::text::put;
use crate::state::list::List;
use crate::theme::Look;

/// A column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// Above it.
    pub(super) title: &'static str,
    /// Numbers stand at the right.
    pub(super) right: bool,
    /// Its cells are cut where there is no room.
    pub(super) wide: bool,
    /// The highest goes first when there is no room; 0 never goes.
    pub(super) goes: u8,
}

/// A column with text.
pub(super) const fn column(title: &'static str, goes: u8) -> Column {
    Column { title, right: false, wide: false, goes }
}

/// A column with numbers.
pub(super) const fn numbers(title: &'static str, goes: u8) -> Column {
    Column { title, right: true, wide: false, goes }
}

/// The column that is cut.
pub(super) const fn wide(title: &'static str) -> Column {
    Column { title, right: false, wide: true, goes: 0 }
}

/// Wider cells are cut, but for those of the wide column.
const WIDEST: usize = 40;
/// The wide column has at least this, or others go.
const SHORTEST: usize = 12;

/// Draws rows below their titles, those in view of `list`, which are as many as `len`.
pub(super) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    look: Look,
    columns: &[Column],
    list: &mut List,
    rows: &[Vec<Span>],
) {
    draw_part(frame, area, look, columns, list, rows, true);
}

/// The same for one of several tables, which may have the selected row or not.
pub(super) fn draw_part(
    frame: &mut Frame<'_>,
    area: Rect,
    look: Look,
    columns: &[Column],
    list: &mut List,
    rows: &[Vec<Span>],
    has_selected: bool,
) {
    let room = usize::from(area.height.saturating_sub(1));
    let view = list.view(rows.len(), room);
    let selected = has_selected.then(|| list.selected(rows.len()));
    let seen = rows.get(view.clone()).unwrap_or_default();
    let widths = widths(columns, seen, usize::from(area.width).saturating_sub(2));
    let titles: Vec<_> = columns.iter().map(|column| Span::new(Role::Title, column.title)).collect();
    put(frame, area, 0, &line(columns, &widths, &titles, "  "), look, Style::new());
    for (number, (at, cells)) in view.zip(seen).enumerate() {
        // Seen without colours, too.
        let (mark, over) = match Some(at) == selected {
            true => (look.either("> ", "▸ "), look.selected()),
            false => ("  ", Style::new()),
        };
        put(frame, area, number + 1, &line(columns, &widths, cells, mark), look, over);
    }
}

/// None: the column has gone.
fn widths(columns: &[Column], rows: &[Vec<Span>], width: usize) -> Vec<Option<usize>> {
    let natural = |(at, column): (usize, &Column)| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| fit::width(&cell.text));
        let most = if column.wide { usize::MAX } else { WIDEST };
        Some(cells.max().unwrap_or(0).max(column.title.len()).min(most))
    };
    let mut widths: Vec<_> = columns.iter().enumerate().map(natural).collect();
    loop {
        let there = || widths.iter().zip(columns).filter_map(|(width, column)| Some(((*width)?, column)));
        let fixed: usize = there().filter(|(_, column)| !column.wide).map(|(width, _)| width).sum();
        let between = 2 * there().count().saturating_sub(1);
        let wanted = there().filter(|(_, column)| column.wide).map(|(width, _)| width).sum::<usize>();
        let left = width.saturating_sub(fixed + between);
        let next = (0..columns.len())
            .filter(|at| widths.get(*at).is_some_and(Option::is_some))
            .max_by_key(|at| columns.get(*at).map_or(0, |column| column.goes))
            .filter(|at| columns.get(*at).is_some_and(|column| column.goes > 0));
        if left >= wanted.min(SHORTEST) && fixed + between <= width || next.is_none() {
            for (own, column) in widths.iter_mut().zip(columns).filter(|(_, column)| column.wide) {
                *own = own.map(|own| if column.wide { own.min(left) } else { own });
            }
            return widths;
        }
        if let Some(own) = next.and_then(|at| widths.get_mut(at)) {
            *own = None;
        }
    }
}

fn line(columns: &[Column], widths: &[Option<usize>], cells: &[Span], mark: &str) -> Line {
    let mut line = Line::of(Role::Plain, mark);
    for ((column, width), cell) in columns.iter().zip(widths).zip(cells) {
        let Some(width) = *width else { continue };
        if line.spans.len() > 1 {
            line = line.and(Role::Plain, "  ");
        }
        let text = if column.right { fit::pad_left(&cell.text, width) } else { fit::pad(&cell.text, width) };
        line = line.and(cell.role, text);
    }
    line
}
