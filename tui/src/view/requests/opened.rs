//! One exchange in full, below a line that says which.

use std::sync::Arc;

use inspector::text::{Line, Role, fit, parts, row};
use inspector::{Exchange, mask};
use jiff::tz::TimeZone;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;

use crate::data::Known;
use crate::state::requests::opened::{LaidOut, Opened};
use crate::theme::Look;
use crate::view::{Scene, text};

/// Words that are longer are parted where a line ends.
const NEAR: usize = 16;
const PARTS: [&str; 3] = ["request", "answer", "facts"];
/// Narrower, and only the part that one is in is named.
const WIDE: u16 = 100;
/// A target has at least this, or notes beside it are left out.
const TARGET: usize = 12;

pub(super) fn draw(known: &Known, opened: &mut Opened, scene: &Scene, frame: &mut Frame<'_>, area: Rect) {
    let [title, rest] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    let look = scene.look;
    // Without its bodies, until they come.
    let exchange = opened.exchange.clone().or_else(|| known.exchanges.get(&opened.id).cloned());
    let Some(exchange) = exchange else {
        let line = Line::of(Role::Title, format!(" request {}", opened.id));
        text::put(frame, title, 0, &line, look, look.selected());
        let lines = if opened.waits { ["it has not come yet"] } else { ["it is kept no more"] };
        return text::empty(frame, rest, scene, &lines);
    };
    let width = usize::from(rest.width.saturating_sub(2));
    if !opened.laid_out.as_ref().is_some_and(|old| Arc::ptr_eq(&old.of, &exchange) && old.width == width) {
        opened.laid_out = Some(lay_out(&exchange, width, &scene.zone));
    }
    let count = opened.laid_out.as_ref().map_or(0, |laid_out| laid_out.lines.len());
    let view = opened.scroll.view(count, usize::from(rest.height));
    let place = (view.len() < count).then(|| {
        let part = opened.part();
        let named = PARTS.iter().enumerate().filter(|(at, _)| area.width >= WIDE || *at == part);
        let named =
            named.map(|(at, name)| if at == part { format!("[{name}]") } else { format!(" {name} ") });
        format!("{} {}-{}/{count}", named.collect::<String>(), view.start + 1, view.end)
    });
    let line = about(&exchange, opened, place.as_deref().unwrap_or_default(), look, area.width);
    text::put(frame, title, 0, &line, look, look.selected());
    let lines = opened.laid_out.as_ref().and_then(|laid_out| laid_out.lines.get(view));
    for (number, line) in lines.unwrap_or_default().iter().enumerate() {
        let mut line = line.clone();
        line.spans.insert(0, inspector::text::Span::new(Role::Plain, " "));
        text::put(frame, rest, number, &line, look, Style::new());
    }
}

/// ` 2 POST /api/orders  500  31ms · u reveals · esc closes      [request] answer  facts  1-20/48`
fn about(exchange: &Exchange, opened: &Opened, place: &str, look: Look, width: u16) -> Line {
    let [id, _, method, path, status, latency, ..] = row(exchange, &TimeZone::UTC).cells;
    let before = format!(" {} {} ", id.text, method.text);
    let after = format!("  {}  {}", status.text, latency.text);
    let dot = if look.ascii { " - " } else { " · " };
    let secrets = match (opened.waits, opened.revealed) {
        (true, _) => "waiting for its bodies",
        (_, true) => "revealed, u covers",
        _ if mask::is_covered(exchange) => "u reveals",
        _ => "",
    };
    let mut note = String::new();
    let room = usize::from(width).saturating_sub(1);
    let left = |note: &str| {
        room.saturating_sub([&*before, &*after, note, place].map(fit::width).iter().sum::<usize>() + 1)
    };
    for part in [secrets, "esc closes"].into_iter().filter(|part| !part.is_empty()) {
        let more = format!("{note}{dot}{part}");
        // That secrets are on the screen is worth more than a path.
        if opened.revealed && note.is_empty() || left(&more) >= TARGET.min(fit::width(&path.text)) {
            note = more;
        }
    }
    let path = fit::fit(&path.text, left(&note));
    let line =
        Line::of(Role::Title, before).and(Role::Title, path).and(status.role, after).and(Role::Plain, note);
    let gap = room.saturating_sub(fit::width(&line.text()) + fit::width(place));
    line.and(Role::Plain, " ".repeat(gap)).and(Role::Plain, place)
}

fn lay_out(exchange: &Arc<Exchange>, width: usize, zone: &TimeZone) -> LaidOut {
    let mut lines = Vec::new();
    let begins = parts(exchange, zone).map(|part| {
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        let begins = lines.len();
        lines.extend(part.iter().flat_map(|line| wrapped(line, width)));
        begins
    });
    LaidOut { of: exchange.clone(), width, lines, parts: begins }
}

/// A line over several where there is no room for it; each part stays what it is.
fn wrapped(line: &Line, width: usize) -> Vec<Line> {
    if width == 0 || fit::width(&line.text()) <= width {
        return vec![line.clone()];
    }
    let mut lines = vec![Line::default()];
    let mut used = 0;
    for span in &line.spans {
        let mut rest = span.text.as_str();
        while !rest.is_empty() {
            let end = end(rest, width - used);
            let (now, later) = rest.split_at(end);
            // One character that is wider than all of it goes alone.
            let alone = used == 0 && end == 0;
            let (now, later) = if alone { rest.split_at(first(rest)) } else { (now, later) };
            if let Some(last) = lines.last_mut()
                && !now.is_empty()
            {
                last.spans.push(inspector::text::Span::new(span.role, now));
            }
            used = (used + fit::width(now)).min(width);
            rest = later;
            if !rest.is_empty() {
                lines.push(Line::default());
                used = 0;
            }
        }
    }
    lines
}

/// Bytes of the first character.
fn first(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

/// Bytes of the characters that have room; up to a space, where one is near.
fn end(text: &str, room: usize) -> usize {
    let mut used = 0;
    let over = text.char_indices().find(|(at, c)| {
        used += fit::width(text.get(*at..at + c.len_utf8()).unwrap_or_default());
        used > room
    });
    let Some((end, _)) = over else { return text.len() };
    let space = text.get(..end).and_then(|fits| fits.rfind(' ')).map(|at| at + 1);
    space.filter(|at| end - at <= NEAR).unwrap_or(end)
}
