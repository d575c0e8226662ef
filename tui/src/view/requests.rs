//! STUB requests

use ratatui::Frame;
use ratatui::layout::Rect;

use super::{Scene, text};
use crate::state::State;

pub(super) fn draw(_state: &mut State, scene: &Scene, frame: &mut Frame<'_>, area: Rect) {
    text::empty(frame, area, scene, &["nothing yet"]);
}
