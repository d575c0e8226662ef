//! An exchange as a row of the list.

use jiff::tz::TimeZone;

use super::{Line, Role, Span, fit, grpc, numbers};
use crate::decode::printable;
use crate::exchange::{Direction, End, Exchange, Kind, Route};

/// What stands above the columns.
pub const TITLES: [&str; 9] = ["ID", "TIME", "METHOD", "PATH", "STATUS", "LATENCY", "SIZE", "FROM", "ROUTE"];

/// Which of them is cut when there is not enough room, and gets all that is left.
const PATH: usize = 3;
/// Fewer columns a path does not get: then the line is longer than wanted.
const SHORTEST: usize = 12;
/// Wider cells are cut: a method or a status may be anything.
const WIDEST: usize = 40;

/// The cells of a row, in the order of [`TITLES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// One for each title.
    pub cells: [Span; 9],
}

/// The row of an exchange; its time is that of `zone`.
pub fn row(exchange: &Exchange, zone: &TimeZone) -> Row {
    let plain = |text: String| Span::new(Role::Plain, text);
    let dim = |text: String| Span::new(Role::Dim, text);
    let time = exchange.started.to_zoned(zone.clone()).strftime("%H:%M:%S.%3f").to_string();
    let method = if is_grpc(exchange) { "gRPC".into() } else { printable(&exchange.method).into_owned() };
    let latency = exchange.timing.total_us.or(exchange.timing.answer_us).map(numbers::duration);
    let size = exchange.answer.as_ref().map(|answer| numbers::short_size(answer.body.size));
    let from = match (exchange.direction, exchange.from) {
        _ if exchange.replay_of.is_some() => "replay".into(),
        (Direction::Outbound, _) => "laptop".into(),
        (Direction::Requests, from) => from.map(|from| from.ip().to_string()).unwrap_or_default(),
    };
    let route = match &exchange.route {
        Route::Laptop { .. } => plain("laptop".into()),
        Route::Originals { .. } => dim("originals".into()),
        Route::Cluster { .. } => dim("cluster".into()),
    };
    Row {
        cells: [
            dim(exchange.id.to_string()),
            dim(time),
            plain(method),
            plain(printable(&exchange.target).into_owned()),
            status(exchange),
            plain(latency.unwrap_or_default()),
            plain(size.unwrap_or_default()),
            dim(from),
            route,
        ],
    }
}

/// Rows as lines with their columns below each other and titles above, paths cut so that all is `width` wide if that can be.
pub fn lay_out(rows: &[Row], width: usize) -> Vec<Line> {
    let widest = |column: usize| {
        let title = TITLES.get(column).map_or(0, |title| title.len());
        let cells = rows.iter().filter_map(|row| row.cells.get(column)).map(|cell| fit::width(&cell.text));
        cells.max().unwrap_or(0).max(title)
    };
    let mut widths: [usize; 9] = std::array::from_fn(widest);
    for (column, width) in widths.iter_mut().enumerate() {
        if column != PATH {
            *width = (*width).min(WIDEST);
        }
    }
    let between = 2 * (TITLES.len() - 1);
    let others = widths.iter().enumerate().filter(|(column, _)| *column != PATH).map(|(_, width)| width);
    let left = width.saturating_sub(others.sum::<usize>() + between).max(SHORTEST);
    if let Some(path) = widths.get_mut(PATH) {
        *path = (*path).min(left);
    }
    let titles = TITLES.map(|title| Span::new(Role::Title, title));
    std::iter::once(&titles)
        .chain(rows.iter().map(|row| &row.cells))
        .map(|cells| line(cells, &widths))
        .collect()
}

fn line(cells: &[Span; 9], widths: &[usize; 9]) -> Line {
    let mut line = Line::default();
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let number = matches!(TITLES.get(column), Some(&("ID" | "LATENCY" | "SIZE")));
        let text = if number { fit::pad_left(&cell.text, *width) } else { fit::pad(&cell.text, *width) };
        line = line.and(cell.role, text);
        if column + 1 < cells.len() {
            line = line.and(Role::Plain, "  ");
        }
    }
    if let Some(last) = line.spans.last_mut() {
        last.text.truncate(last.text.trim_end().len());
    }
    line
}

/// `200`, gRPC's name, `…` in progress, `cut`.
pub(super) fn status(exchange: &Exchange) -> Span {
    if exchange.end == Some(End::Cut) {
        return Span::new(Role::Bad, "cut");
    }
    if is_grpc(exchange)
        && let Some(code) = exchange.grpc_status()
    {
        let role = if code == 0 { Role::Good } else { Role::Bad };
        return Span::new(role, grpc::name(code).map_or_else(|| code.to_string(), str::to_owned));
    }
    match (exchange.status, exchange.end) {
        (Some(status), _) => Span::new(role(status), status.to_string()),
        (None, None) => Span::new(Role::Dim, fit::CUT.to_string()),
        (None, Some(End::Elsewhere)) => Span::new(Role::Dim, "unseen"),
        // Something is missing, and the status with it.
        (None, Some(_)) => Span::new(Role::Dim, "?"),
    }
}

pub(super) fn role(status: u16) -> Role {
    match status {
        200..300 => Role::Good,
        400..500 => Role::Warn,
        500.. => Role::Bad,
        _ => Role::Plain,
    }
}

pub(super) fn is_grpc(exchange: &Exchange) -> bool {
    exchange.messages.is_some_and(|messages| messages.kind == Kind::Grpc)
        || crate::decode::Media::of(&exchange.request).is_grpc()
}
