//! Lines of [`inspector::text`] as the terminal's, and times, ages and rates in words.

use inspector::text::{Line, Role, fit};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text as terminal;

use super::{Scene, row};
use crate::theme::Look;

/// A line as it is drawn.
pub fn line(line: &Line, look: Look) -> terminal::Line<'static> {
    let ascii;
    let line = if look.ascii {
        ascii = line.to_ascii();
        &ascii
    } else {
        line
    };
    let spans = line.spans.iter();
    terminal::Line::from_iter(
        spans.map(|span| terminal::Span::styled(span.text.clone(), look.role(span.role))),
    )
}

/// Draws a line in row `number` of `area`; `over` lies over the roles' styles.
pub fn put(frame: &mut Frame<'_>, area: Rect, number: usize, text: &Line, look: Look, over: Style) {
    let Some(area) = row(area, number) else { return };
    let drawn = line(text, look);
    frame.render_widget(drawn, area);
    frame.buffer_mut().set_style(area, over);
}

/// Says something where there is nothing else.
pub fn empty(frame: &mut Frame<'_>, area: Rect, scene: &Scene, lines: &[&str]) {
    for (number, text) in lines.iter().enumerate() {
        let role = if number == 0 { Role::Plain } else { Role::Dim };
        put(frame, area, number + 1, &Line::of(role, format!("  {text}")), scene.look, Style::new());
    }
}

/// `10:41:03`
pub fn time(at_ms: u64, zone: &TimeZone) -> String {
    let at = i64::try_from(at_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.unwrap_or_default().to_zoned(zone.clone()).strftime("%H:%M:%S").to_string()
}

/// `45s`, `12m`, `3h`, `2d`
pub fn age(since: &str, now: Timestamp) -> String {
    let Ok(since) = since.parse::<Timestamp>() else { return String::new() };
    let seconds = now.as_second().saturating_sub(since.as_second()).max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A text over several lines, none wider than `width`.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut now = String::new();
    let mut columns = 0;
    for c in text.chars() {
        let wide = fit::width(c.encode_utf8(&mut [0; 4]));
        if columns + wide > width && !now.is_empty() {
            lines.push(std::mem::take(&mut now));
            columns = 0;
        }
        now.push(c);
        columns += wide;
    }
    lines.push(now);
    lines
}
