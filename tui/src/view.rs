//! Draws a [`State`]: the bar of screens, a line of state, the screen itself, a line to type or read in, hints.
//!
//! From 60 columns and 15 rows on; below, the screen with one line of state has all the room.

mod bar;
mod events;
mod hints;
mod journal;
mod logs;
mod network;
mod popup;
mod requests;
mod sessions;
mod status;
mod sync;
mod table;
pub mod text;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};

use crate::command::Screen;
use crate::state::State;
use crate::theme::Look;

/// Narrower or lower, and only what matters most is drawn.
const NARROW: u16 = 60;
const LOW: u16 = 15;

/// What the picture depends on, beside the state.
#[derive(Debug, Clone)]
pub struct Scene {
    /// How it looks.
    pub look: Look,
    /// In which zone times are shown.
    pub zone: TimeZone,
    /// When it is drawn.
    pub now: Timestamp,
}

/// Draws all of it. What is in view is remembered in `state`, for paging.
pub fn draw(state: &mut State, scene: &Scene, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width == 0 || area.height == 0 {
        return;
    }
    let small = area.width < NARROW || area.height < LOW;
    let heights = if small { [0, 1, 1, 0] } else { [1, 1, 1, 1] };
    let [bar, status, typing, hints] = heights.map(Constraint::Length);
    let [bar, status, screen, typing, hints] =
        Layout::vertical([bar, status, Constraint::Min(0), typing, hints]).areas::<5>(area);
    bar::draw(state, scene, frame, bar);
    status::draw(state, scene, frame, status);
    match state.screen {
        Screen::Sessions => sessions::draw(state, scene, frame, screen),
        Screen::Requests => requests::draw(state, scene, frame, screen),
        Screen::Network => network::draw(state, scene, frame, screen),
        Screen::Sync => sync::draw(state, scene, frame, screen),
        Screen::Logs => logs::draw(state, scene, frame, screen),
        Screen::Events => events::draw(state, scene, frame, screen),
    }
    popup::draw(state, scene, frame, screen);
    hints::typing(state, scene, frame, typing);
    hints::draw(state, scene, frame, hints);
}

/// The area of a line of it.
fn row(area: Rect, number: usize) -> Option<Rect> {
    let y = u16::try_from(number).ok()?;
    (y < area.height).then(|| Rect { y: area.y + y, height: 1, ..area })
}
