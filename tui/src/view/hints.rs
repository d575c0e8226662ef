//! The last lines: what is typed or was answered, and the keys that matter here.

use inspector::text::{Line, Role, fit};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::{Scene, text};
use crate::command::Command;
use crate::input::palette;
use crate::state::State;
use crate::state::typing::What;

/// What is typed, or was answered.
pub(super) fn typing(state: &State, scene: &Scene, frame: &mut Frame<'_>, area: Rect) {
    let Some(typing) = &state.typing else {
        if let Some(notice) = &state.notice {
            let line = Line::of(notice.role, format!(" {}", notice.text));
            text::put(frame, area, 0, &line, scene.look, Style::new());
        }
        return;
    };
    let sign = if typing.what == What::Command { ":" } else { "/" };
    // The end of what is typed is what matters where there is no room.
    let room = usize::from(area.width).saturating_sub(2);
    let skip = typing.cursor().saturating_sub(room);
    let shown: String = typing.text().chars().skip(skip).collect();
    let mut line = Line::of(Role::Name, sign).and(Role::Plain, shown);
    if let Some(notice) = &state.notice {
        line = line.and(notice.role, format!("   {}", notice.text));
    } else if typing.what == What::Command {
        let all = palette::completions(&state.bindings, state.screen, typing.text());
        let some: Vec<_> = match &all[..] {
            [(name, help)] => vec![format!("{name}: {help}")],
            all => all.iter().map(|(name, _)| (*name).to_owned()).collect(),
        };
        line = line.and(Role::Dim, format!("   {}", some.join("  ")));
    }
    text::put(frame, area, 0, &line, scene.look, Style::new());
    let column =
        u16::try_from(typing.cursor() - skip + 1).unwrap_or(u16::MAX).min(area.width.saturating_sub(1));
    if area.height > 0 {
        frame.set_cursor_position(Position { x: area.x + column, y: area.y });
    }
}

/// The keys that matter here. Help and the way out are always among them.
pub(super) fn draw(state: &State, scene: &Scene, frame: &mut Frame<'_>, area: Rect) {
    let hinted = state.bindings.iter().filter(|binding| binding.is_for(state.screen));
    let hinted = hinted
        .filter_map(|binding| Some((binding.keys.first()?.to_string(), binding.hint?, &binding.command)));
    let width = |key: &str, hint: &str| fit::width(key) + 1 + fit::width(hint) + 3;
    let all: Vec<_> = hinted.collect();
    let is_always = |command: &Command| matches!(command, Command::Help | Command::Quit);
    let always: usize =
        all.iter().filter(|(.., command)| is_always(command)).map(|(key, hint, _)| width(key, hint)).sum();
    let mut left = usize::from(area.width).saturating_sub(always);
    let mut line = Line::of(Role::Plain, " ");
    for (key, hint, command) in &all {
        if !is_always(command) {
            let Some(less) = left.checked_sub(width(key, hint)) else { continue };
            left = less;
        }
        let dot = if scene.look.ascii { " - " } else { " · " };
        line = line.and(Role::Name, key.clone()).and(Role::Plain, format!(" {hint}")).and(Role::Dim, dot);
    }
    line.spans.pop();
    text::put(frame, area, 0, &line, scene.look, Style::new());
}
