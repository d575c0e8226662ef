//! What happened: when, who says so, how much it matters.

use inspector::decode::printable;
use inspector::text::{Line, Role, Span, fit};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;

use super::{Scene, journal, text};
use crate::data::Known;
use crate::feed::By;
use crate::state::State;
use crate::state::events::{Events, by, level};

/// Widths of what stands before the text.
const TIME: usize = 8;
const BY: usize = 10;
const LEVEL: usize = 7;
/// Narrower, and it is said shorter who says so.
const NARROW: u16 = 80;

pub(super) fn draw(state: &mut State, scene: &Scene, frame: &mut Frame<'_>, area: Rect) {
    let mut events = std::mem::take(&mut state.events);
    match state.known() {
        Some(known) => {
            events.journal.about(&known.session.id);
            of(known, &mut events, scene, frame, area);
        }
        None => text::empty(frame, area, scene, &["no session"]),
    }
    state.events = events;
}

fn of(known: &Known, events: &mut Events, scene: &Scene, frame: &mut Frame<'_>, area: Rect) {
    let all = known.events.len();
    let lines = events.lines(known);
    let numbers: Vec<_> = lines.iter().map(|line| line.number).collect();
    let [top, titles, rest] =
        Layout::vertical([Constraint::Length(1), Constraint::Length(1), Constraint::Min(0)]).areas(area);
    let title = Line::of(Role::Plain, format!(" {all} events"));
    let title = journal::about(title, &mut events.journal, &numbers, all);
    text::put(frame, top, 0, &title, scene.look, Style::new());
    if lines.is_empty() {
        let hidden = journal::hidden(&events.journal, all);
        let none = [
            "nothing has happened yet",
            "what devbridge does and meets is shown here, and what Kubernetes says of the target",
        ];
        let why = if all > 0 { hidden.each_ref().map(String::as_str) } else { none };
        return text::empty(frame, titles.union(rest), scene, &why);
    }
    let width = if area.width < NARROW { 3 } else { BY };
    let before = |time: &str, by: &str, level: &str, role: Role, head: bool| {
        let dim = if head { Role::Title } else { Role::Dim };
        let cell = |role, text: &str, width| Span::new(role, format!("{}  ", fit::pad(text, width)));
        vec![cell(dim, time, TIME), cell(dim, by, width), cell(role, level, LEVEL)]
    };
    let mut head = Line::of(Role::Plain, "  ");
    head.spans.extend(before("TIME", "BY", "LEVEL", Role::Title, true));
    text::put(frame, titles, 0, &head.and(Role::Title, "WHAT"), scene.look, Style::new());
    let entry = |at: usize| {
        let Some(line) = lines.get(at) else {
            return journal::Entry { before: Vec::new(), role: Role::Plain, text: String::new() };
        };
        let who = match line.by {
            By::Kubernetes if width < BY => "k8s",
            By::Devbridge if width < BY => "dev",
            who => by(who),
        };
        let (word, role) = level(line.event.level);
        let before = before(&text::time(line.event.at_ms, &scene.zone), who, word, role, false);
        // A state is told by its word; only what is wrong is coloured as a whole.
        let role = if matches!(role, Role::Warn | Role::Bad) { role } else { Role::Plain };
        journal::Entry { before, role, text: printable(&line.event.text).into_owned() }
    };
    journal::draw(frame, rest, scene, &mut events.journal, &numbers, entry);
}
