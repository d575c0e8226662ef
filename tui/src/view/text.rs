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
    let room = usize::from(area.width).saturating_sub(2);
    let mut row = 1;
    for (number, text) in lines.iter().enumerate() {
        let role = if number == 0 { Role::Plain } else { Role::Dim };
        for part in words(text, room) {
            put(frame, area, row, &Line::of(role, format!("  {part}")), scene.look, Style::new());
            row += 1;
        }
    }
}

/// `10:41:03`
pub fn time(at_ms: u64, zone: &TimeZone) -> String {
    let at = i64::try_from(at_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.unwrap_or_default().to_zoned(zone.clone()).strftime("%H:%M:%S").to_string()
}

/// `45s`, `12m`, `3h`, `2d`
pub fn age(since: &str, now: Timestamp) -> String {
    since.parse().map(|since| between(since, now)).unwrap_or_default()
}

/// The same, of milliseconds since 1970.
pub fn age_ms(at_ms: u64, now: Timestamp) -> String {
    let at = i64::try_from(at_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.map(|at| between(at, now)).unwrap_or_default()
}

fn between(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(since.as_second()).max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// What is left of a text without its first columns.
pub fn after(text: &str, columns: usize) -> &str {
    let mut passed = 0;
    let wide = |c: char| fit::width(c.encode_utf8(&mut [0; 4]));
    let begun = text.char_indices().find(|(_, c)| {
        let begins = passed >= columns;
        passed += wide(*c);
        begins
    });
    begun.and_then(|(at, _)| text.get(at..)).unwrap_or_default()
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

/// The same, broken after spaces where there are any late enough. Nothing is left out.
pub fn words(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = text;
    loop {
        let (line, after) = rest.split_at(end(rest, width));
        if after.is_empty() {
            lines.push(line.to_owned());
            return lines;
        }
        let space = line.rfind(' ').map(|at| at + 1).filter(|at| *at > line.len() / 2);
        let (line, after) = rest.split_at(space.unwrap_or(line.len()));
        lines.push(line.to_owned());
        rest = after;
    }
}

/// Where the first line of a text ends: at least one character is in it.
fn end(text: &str, width: usize) -> usize {
    let mut columns = 0;
    let beyond = text.char_indices().find(|(at, c)| {
        columns += fit::width(c.encode_utf8(&mut [0; 4]));
        columns > width && *at > 0
    });
    beyond.map_or(text.len(), |(at, _)| at)
}

/// Parts of a line, over several where one has no room for all.
pub fn flow(parts: Vec<Line>, width: usize) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(last) if fit::width(&last.text()) + fit::width(&part.text()) <= width => {
                last.spans.extend(part.spans);
            }
            _ => lines.push(part),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_goes_on_after_a_space_if_that_is_not_too_early() {
        assert_eq!(words("the agent does not answer", 12), ["the agent ", "does not ", "answer"]);
        assert_eq!(words("a abcdefghijkl", 8), ["a abcdef", "ghijkl"]);
        assert_eq!(after("a注b", 1), "注b");
        assert_eq!((after("a注b", 2), after("a注b", 9)), ("b", ""));
    }

    proptest! {
        #[test]
        fn a_text_over_several_lines_is_all_there(text in "\\PC{0,60}|[a-z ]{0,60}", width in 0_usize..20) {
            for lines in [words(&text, width), wrapped(&text, width)] {
                prop_assert_eq!(lines.concat(), text.clone());
                prop_assert!(width < 2 || lines.iter().all(|line| fit::width(line) <= width));
            }
        }
    }
}
