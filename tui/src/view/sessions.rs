//! All sessions: who serves, how much passes, how fast it is answered; below, what is wrong and what to do about it.

use inspector::text::{Line, Role, Span, numbers};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use tunnel::message::Unavailable;
use tunnel::status::{Link, Phase, Process, Serving, Session};

use super::table::{self, column, numbers as right, wide};
use super::{Scene, text};
use crate::data::{Known, Reach};
use crate::rate;
use crate::state::State;

pub(super) fn draw(state: &mut State, scene: &Scene, frame: &mut Frame<'_>, area: Rect) {
    let sessions = &state.data().sessions;
    let focus = state.known().map(|known| &known.session.id);
    let Some(selected) = sessions.iter().position(|known| Some(&known.session.id) == focus) else {
        let lines =
            ["no session runs on this laptop", "devbridge intercept TARGET -- CMD", "devbridge sync TARGET"];
        return text::empty(frame, area, scene, &lines);
    };
    let rows: Vec<_> = sessions.iter().map(|known| row(known, scene)).collect();
    let passing = sessions.get(selected).map(|known| passing(known, scene));
    let mut below: Vec<_> = passing.into_iter().chain([Line::default()]).collect();
    below.extend(sessions.iter().flat_map(|known| troubles(known, scene)));
    let height = u16::try_from(below.len()).unwrap_or(area.height).min(area.height / 2);
    let [list, rest] = Layout::vertical([Constraint::Min(2), Constraint::Length(height)]).areas(area);
    let columns = [
        column("", 0),
        column("TARGET", 0),
        column("NAMESPACE", 3),
        column("MODE", 4),
        column("STATE", 0),
        wide("LOCAL"),
        right("REQ/S", 2),
        right("P95", 2),
        right("FAILED", 1),
        right("AGE", 3),
    ];
    state.sessions.list.select(selected);
    table::draw(frame, list, scene.look, &columns, &mut state.sessions.list, &rows);
    for (number, line) in below.iter().enumerate() {
        text::put(frame, rest, number, line, scene.look, Style::new());
    }
}

fn row(known: &Known, scene: &Scene) -> Vec<Span> {
    let session = &*known.session;
    let plain = |text: String| Span::new(Role::Plain, text);
    let (mark, role, state) = in_short(known, scene);
    let local = match &session.sync {
        Some(sync) => format!("{} {} {}", sync.from, arrow(scene), sync.to),
        None => {
            let ports = session.ports.iter().map(|port| {
                let (ascii, unicode) = if port.listening { ("ok", "✓") } else { ("no", "✗") };
                format!(":{} {}", port.laptop, scene.look.either(ascii, unicode))
            });
            ports.collect::<Vec<_>>().join(" ")
        }
    };
    let rate = rate::of(known.exchanges.values().map(|exchange| &**exchange), scene.now);
    let failed = session.requests.failed;
    vec![
        Span::new(role, mark),
        Span::new(Role::Title, session.target.clone()),
        plain(session.namespace.clone()),
        plain(if known.is_synced() { "sync" } else { "intercept" }.into()),
        Span::new(role, state),
        plain(local),
        plain(if known.is_synced() { "-".into() } else { rate.per_second() }),
        plain(rate.p95_us.map_or_else(|| "-".into(), numbers::duration)),
        Span::new(if failed > 0 { Role::Bad } else { Role::Plain }, failed.to_string()),
        Span::new(Role::Dim, text::age(&session.since, scene.now)),
    ]
}

fn arrow(scene: &Scene) -> &'static str {
    scene.look.either("->", "→")
}

/// A sign and a word: who serves, or why nobody knows.
pub(super) fn in_short(known: &Known, scene: &Scene) -> (&'static str, Role, String) {
    let sign = |ascii, unicode| scene.look.either(ascii, unicode);
    match (&known.reach, known.session.phase, &known.session.serving) {
        (Reach::Lost(_), ..) => (sign("x", "✗"), Role::Bad, "lost".into()),
        (Reach::Ended, ..) => (sign("o", "○"), Role::Dim, "ended".into()),
        (_, Phase::Attaching, _) => (sign("~", "◌"), Role::Warn, "attaching".into()),
        (_, Phase::Leaving, _) => (sign("~", "◌"), Role::Warn, "leaving".into()),
        // The agent that hears nothing from this laptop gives requests to others.
        (_, _, Serving::Laptop) if known.session.link == Link::Lost => match known.session.unavailable {
            Unavailable::Error => (sign("x", "✗"), Role::Bad, "nobody serves".into()),
            Unavailable::Cluster | Unavailable::Hold { .. } => {
                (sign("!", "◐"), Role::Warn, "originals serve".into())
            }
        },
        (_, _, Serving::Laptop) => (sign("*", "●"), Role::Good, "laptop serves".into()),
        (_, _, Serving::Pod) => (sign("*", "●"), Role::Good, "code serves".into()),
        (_, _, Serving::Originals { .. }) => (sign("!", "◐"), Role::Warn, "originals serve".into()),
        (_, _, Serving::Nobody { .. }) => (sign("x", "✗"), Role::Bad, "nobody serves".into()),
    }
}

/// The requests of the last minute, each second a column, and what has passed in all.
fn passing(known: &Known, scene: &Scene) -> Line {
    let session = &known.session;
    let requests = &session.requests;
    let counts = format!(
        "{} to {}, {} open, {} to originals, {} failed",
        requests.laptop,
        if known.is_synced() { "this code" } else { "the laptop" },
        requests.open,
        requests.originals,
        requests.failed
    );
    let mut line = Line::of(Role::Name, " connections ").and(Role::Plain, counts);
    if !known.is_synced() {
        let seconds = rate::seconds(known.exchanges.values().map(|exchange| &**exchange), scene.now);
        line = line.and(Role::Name, "  requests/s ").and(Role::Good, rate::bars(&seconds, scene.look.ascii));
    }
    line
}

/// What is wrong with a session, and what to do.
fn troubles(known: &Known, scene: &Scene) -> Vec<Line> {
    let session = &*known.session;
    let name = format!(" {} {}: ", scene.look.either("x", "✗"), session.target);
    let trouble = |what: String, fix: &str| {
        Line::of(Role::Bad, name.clone()).and(Role::Plain, what).and(Role::Dim, format!("  {fix}"))
    };
    match (&known.reach, &session.serving) {
        (Reach::Lost(why), _) => {
            return vec![trouble(
                format!("does not answer: {why}"),
                "originals serve; devbridge list, devbridge leave",
            )];
        }
        (Reach::Ended, _) => return Vec::new(),
        (Reach::Here, Serving::Originals { why } | Serving::Nobody { why })
            if session.phase == Phase::Attached =>
        {
            return vec![trouble(why.clone(), fix(session))];
        }
        (Reach::Here, _) if session.link == Link::Lost => {
            return vec![trouble("the agent does not answer".into(), "devbridge dials again by itself")];
        }
        _ => {}
    }
    Vec::new()
}

fn fix(session: &Session) -> &'static str {
    match (&session.link, &session.process) {
        (Link::Lost, _) => "devbridge dials again by itself",
        (_, Process::None) => "start it; requests come as soon as it listens",
        (_, Process::Exited { .. }) => "5 logs shows what it wrote last",
        (_, Process::Running { .. }) => "requests come as soon as it listens",
    }
}
