//! Beside a filter that is being typed: what can be said, or what is wrong and where. It lies above the line that is typed in.

use inspector::filter::FilterError;
use inspector::text::{Line, Role, fit};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::widgets::Clear;

use crate::state::requests::filtering::Filtering;
use crate::view::{Scene, text};

/// What is asked for most, first.
const EXAMPLES: [&str; 8] = [
    "status>=500",
    "error",
    "method=POST",
    "path~^/api",
    "latency>100ms",
    "to=originals",
    "header.x-user=alice",
    "replay",
];

pub(super) fn draw(filtering: &Filtering, scene: &Scene, frame: &mut Frame<'_>, area: Rect) {
    let width = usize::from(area.width);
    let lines = match &filtering.error {
        Some(error) => wrong(error, width),
        None => help(width),
    };
    let height = u16::try_from(lines.len()).unwrap_or(area.height).min(area.height);
    let place = Rect { y: area.y + area.height - height, height, ..area };
    frame.render_widget(Clear, place);
    for (number, line) in lines.iter().enumerate() {
        text::put(frame, place, number, line, scene.look, Style::new());
    }
}

fn help(width: usize) -> Vec<Line> {
    let mut examples = Line::of(Role::Name, " such as");
    let mut used = fit::width(&examples.text());
    for example in EXAMPLES {
        used += 2 + fit::width(example);
        if used > width {
            break;
        }
        examples = examples.and(Role::Plain, format!("  {example}"));
    }
    let rules = " a b: both   a or b: either   !a: not a   empty: all requests";
    vec![examples, Line::of(Role::Dim, rules)]
}

fn wrong(error: &FilterError, width: usize) -> Vec<Line> {
    let said = error.to_string();
    let lines = said.lines().enumerate().flat_map(|(number, line)| {
        let role = if number == 0 { Role::Bad } else { Role::Plain };
        let parts = text::wrapped(line, width.saturating_sub(1));
        parts.into_iter().map(move |part| Line::of(role, format!(" {part}")))
    });
    lines.collect()
}
