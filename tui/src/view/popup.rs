//! What lies above a screen.

use inspector::text::{Line, Role};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::symbols::border;
use ratatui::widgets::{Block, Clear};

use super::{Scene, text};
use crate::state::State;
use crate::state::popup::Kind;

/// A frame in ASCII.
const ASCII: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

pub(super) fn draw(state: &mut State, scene: &Scene, frame: &mut Frame<'_>, area: Rect) {
    let Some(popup) = &mut state.popup else { return };
    let look = scene.look;
    let inside = usize::from(area.width.saturating_sub(4));
    let mut selected = None;
    let (lines, hint) = match &mut popup.kind {
        Kind::Text { lines, scroll } => {
            let lines: Vec<_> = lines.iter().flat_map(|line| wrapped(line, inside)).collect();
            let height = usize::from(area.height.saturating_sub(2)).min(lines.len());
            let view = scroll.view(lines.len(), height);
            let more = if height < lines.len() { "j/k move · " } else { "" };
            (lines.get(view).unwrap_or_default().to_vec(), format!("{more}esc close"))
        }
        Kind::Question { about, .. } => {
            let about = about.lines().flat_map(|line| wrapped(&Line::of(Role::Plain, line), inside));
            (about.collect(), "y yes · n no".to_owned())
        }
        Kind::Menu { items, list } => {
            let height = usize::from(area.height.saturating_sub(2)).min(items.len());
            let view = list.view(items.len(), height);
            selected = Some(list.selected(items.len()).saturating_sub(view.start));
            let lines = items.get(view).unwrap_or_default().iter();
            let lines = lines.map(|(key, word, _)| {
                Line::of(Role::Name, key.to_string()).and(Role::Plain, format!("  {word}"))
            });
            (lines.collect(), "enter choose · esc close".to_owned())
        }
    };
    let widest = lines.iter().map(|line| inspector::text::fit::width(&line.text())).max().unwrap_or(0);
    let title = inspector::text::fit::width(&popup.title);
    let width = (widest.max(title).max(hint.len()) + 4).min(usize::from(area.width));
    let height = (lines.len() + 2).min(usize::from(area.height));
    let (width, height) =
        (u16::try_from(width).unwrap_or(area.width), u16::try_from(height).unwrap_or(area.height));
    let place =
        Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    frame.render_widget(Clear, place);
    let mut block = Block::bordered().title(format!(" {} ", popup.title));
    let hint = if look.ascii { hint.replace('·', "-") } else { hint };
    block = block.title_bottom(format!(" {hint} ")).border_style(look.border());
    if look.ascii {
        block = block.border_set(ASCII);
    }
    let inner = block.inner(place);
    frame.render_widget(block, place);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    for (number, line) in lines.iter().enumerate() {
        let over = if selected == Some(number) { look.selected() } else { Style::new() };
        text::put(frame, inner, number, line, look, over);
    }
}

/// A line over several, where there is no room for it.
fn wrapped(line: &Line, width: usize) -> Vec<Line> {
    if inspector::text::fit::width(&line.text()) <= width || width == 0 {
        return vec![line.clone()];
    }
    let role = line.spans.first().map(|span| span.role).unwrap_or_default();
    text::wrapped(&line.text(), width).into_iter().map(|part| Line::of(role, part)).collect()
}
