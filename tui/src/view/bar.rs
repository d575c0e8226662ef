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
        let name = format!(" {number} {} ", screen.name());
        if screen == state.screen {
            // Understood without colours, too.
            line = line.and(Role::Title, format!("[{}]", name.trim()));
        } else {
            line = line.and(Role::Dim, name);
        }
    }
    text::put(frame, area, 0, &line, scene.look, Style::new());
}
