//! The bar at the top: the screens with their keys.

use inspector::text::{Line, Role};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Scene, text};
use crate::command::Screen;
use crate::state::State;

pub(super) fn draw(state: &State, scene: &Scene, frame: &mut Frame<'_>, area: Rect) {
    let mut line = Line::default();
    for (number, screen) in (1..).zip(Screen::ALL) {
        let name = format!("{number} {}", screen.name());
        // Understood without colours, too. All of it fits into 60 columns.
        let (before, after, role) = match screen == state.screen {
            true => ("[", "]", Role::Title),
            false if number == 1 => ("", " ", Role::Dim),
            false => (" ", " ", Role::Dim),
        };
        line = line.and(role, format!("{before}{name}{after}"));
    }
    text::put(frame, area, 0, &line, scene.look, Style::new());
}
