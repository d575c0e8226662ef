//! What passed: a line that says which and how many, the list, and one of them in full; below the list where there is room for
//! both, else in its place.

mod filtering;
mod list;
mod opened;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};

use super::{Scene, text};
use crate::state::State;
use crate::state::typing::What;

/// From this size of the terminal on both have room.
const ROOMY: (u16, u16) = (100, 30);

pub(super) fn draw(state: &mut State, scene: &Scene, frame: &mut Frame<'_>, area: Rect) {
    let types = state.typing.as_ref().is_some_and(|typing| typing.what == What::Filter);
    let whole = frame.area();
    let Some((known, requests)) = state.requests_of() else {
        return text::empty(frame, area, scene, &["no session runs on this laptop"]);
    };
    let (filtering, place) = requests.shown(known);
    let roomy = whole.width >= ROOMY.0 && whole.height >= ROOMY.1;
    let below = match &place.opened {
        None => 0,
        // The list needs no more than its rows; what is open gets the rest.
        Some(_) if roomy => {
            let rows = u16::try_from(place.listed.matching.len()).unwrap_or(u16::MAX).saturating_add(2);
            area.height - rows.min(area.height * 2 / 5)
        }
        Some(_) => area.height,
    };
    let [above, detail] = Layout::vertical([Constraint::Min(0), Constraint::Length(below)]).areas(area);
    if above.height > 0 {
        list::draw(known, filtering, place, scene, frame, above);
    }
    if let Some(opened) = &mut place.opened {
        opened::draw(known, opened, scene, frame, detail);
    }
    if types {
        filtering::draw(filtering, scene, frame, area);
    }
}
