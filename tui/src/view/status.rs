//! One line that is always there: which session, where it is, who serves, whether the picture is whole.

use inspector::text::{Line, Role, numbers};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use tunnel::status::{Link, Session};

use super::{Scene, sessions, text};
use crate::state::State;

pub(super) fn draw(state: &State, scene: &Scene, frame: &mut Frame<'_>, area: Rect) {
    text::put(frame, area, 0, &line(state, scene), scene.look, Style::new());
}

fn line(state: &State, scene: &Scene) -> Line {
    let data = state.data();
    // First what may not be cut off.
    let mut line = Line::of(Role::Plain, " ");
    let dot = if scene.look.ascii { " - " } else { " · " };
    if state.is_frozen() {
        line = line.and(Role::Warn, "frozen").and(Role::Dim, dot);
    }
    let Some(known) = state.known() else { return line.and(Role::Dim, "no session") };
    let session = &*known.session;
    let (mark, role, word) = sessions::in_short(known, scene);
    line = line.and(role, format!("{mark} ")).and(Role::Title, session.target.clone());
    line = line.and(Role::Dim, dot).and(role, word);
    let (role, agent) = link(session);
    line = line.and(Role::Dim, dot).and(role, agent);
    let unsynced = unsynced(session);
    if unsynced > 0 {
        line = line.and(Role::Dim, dot).and(Role::Warn, format!("{unsynced} not in sync"));
    }
    let missed = data.dropped + known.missed;
    if missed > 0 {
        line = line.and(Role::Dim, dot).and(Role::Warn, format!("{missed} dropped"));
    }
    let place = format!("ns {} · ctx {}", session.namespace, session.context);
    line = line.and(Role::Dim, dot).and(Role::Dim, place);
    if data.sessions.len() > 1 {
        line = line.and(Role::Dim, dot).and(Role::Dim, format!("{} sessions ([ ])", data.sessions.len()));
    }
    line
}

fn link(session: &Session) -> (Role, String) {
    match session.link {
        Link::Connecting => (Role::Dim, "agent not there yet".into()),
        Link::Up { round_trip_us } => (Role::Plain, format!("agent {}", numbers::duration(round_trip_us))),
        Link::Lost => (Role::Bad, "agent lost, dialling again".into()),
    }
}

/// Pods that do not have what the laptop has.
fn unsynced(session: &Session) -> usize {
    let Some(sync) = &session.sync else { return 0 };
    sync.pods.iter().filter(|pod| !pod.in_sync || pod.generation != sync.generation).count()
}
