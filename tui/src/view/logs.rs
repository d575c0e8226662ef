//! What is written: whose, and the lines that are in view.

use std::collections::BTreeSet;

use inspector::decode::printable;
use inspector::text::{Line, Role, Span, fit};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use tunnel::status::Process;

use super::{Scene, journal, text};
use crate::data::{self, Known};
use crate::feed::Source;
use crate::state::State;
use crate::state::logs::{Logs, SOURCES, clean, matter};

pub(super) fn draw(state: &mut State, scene: &Scene, frame: &mut Frame<'_>, area: Rect) {
    let mut logs = std::mem::take(&mut state.logs);
    match state.known() {
        Some(known) => {
            logs.journal.about(&known.session.id);
            of(known, &mut logs, scene, frame, area);
        }
        None => text::empty(frame, area, scene, &["no session"]),
    }
    state.logs = logs;
}

fn of(known: &Known, logs: &mut Logs, scene: &Scene, frame: &mut Frame<'_>, area: Rect) {
    let all = known.lines.get(&logs.source);
    let count = all.map_or(0, |lines| lines.len());
    let lines = logs.lines(known);
    let numbers: Vec<_> = lines.iter().map(|line| line.number).collect();
    let [top, rest] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    let title = journal::about(sources(logs.source), &mut logs.journal, &numbers, count);
    text::put(frame, top, 0, &title, scene.look, Style::new());
    if lines.is_empty() {
        let hidden = journal::hidden(&logs.journal, count);
        let why = if count > 0 { hidden.each_ref().map(String::as_str) } else { nothing(known, logs.source) };
        return text::empty(frame, rest, scene, &why);
    }
    let pods = pods(all.into_iter().flatten());
    let times = logs.times;
    let entry = |at: usize| {
        let Some(line) = lines.get(at) else {
            return journal::Entry { before: Vec::new(), role: Role::Plain, text: String::new() };
        };
        let text = clean(&line.said.text).into_owned();
        let mut before = Vec::new();
        if times {
            before.push(Span::new(Role::Dim, format!("{} ", text::time(line.said.at_ms, &scene.zone))));
        }
        if let Some(width) = pods {
            let pod = line.pod.as_deref().map(short).unwrap_or_default();
            before.push(Span::new(Role::Name, format!("{} ", fit::pad(&printable(pod), width))));
        }
        journal::Entry { before, role: matter(&text).unwrap_or_default(), text }
    };
    journal::draw(frame, rest, scene, &mut logs.journal, &numbers, entry);
}

/// The sources, which one is shown.
fn sources(shown: Source) -> Line {
    let mut line = Line::of(Role::Plain, " ");
    for (source, name) in SOURCES {
        line = match source == shown {
            true => line.and(Role::Title, format!("[{name}]")),
            false => line.and(Role::Dim, format!(" {name} ")),
        };
    }
    line
}

/// The width of the pods' names, where more than one writes.
fn pods<'a>(lines: impl Iterator<Item = &'a data::Line>) -> Option<usize> {
    let pods: BTreeSet<_> = lines.filter_map(|line| line.pod.as_deref()).collect();
    let widest = pods.iter().map(|pod| fit::width(&printable(short(pod)))).max();
    widest.filter(|_| pods.len() > 1).map(|widest| widest.min(MOST))
}

/// Longer names of pods are cut.
const MOST: usize = 20;

/// What differs between pods of one workload.
fn short(pod: &str) -> &str {
    match pod.rsplit('-').next() {
        Some(last) if last.len() >= 5 => last,
        // `web-0`, of a StatefulSet.
        _ => pod,
    }
}

/// Why there is nothing, and what to do.
fn nothing(known: &Known, source: Source) -> [&'static str; 2] {
    match (source, &known.session.process) {
        (Source::Originals, _) => ["the originals have written nothing yet", "s shows the agent"],
        (Source::Agent, _) => ["devbridge's agent has written nothing yet", "s shows the process"],
        (Source::Process, _) if known.is_synced() => {
            ["the code in the pods has written nothing yet", "s shows the originals, then the agent"]
        }
        (Source::Process, Process::None) => [
            "devbridge has started no process; what you started yourself writes where you started it",
            "s shows the originals, then the agent",
        ],
        (Source::Process, _) => [
            "its output is in the terminal where it was started",
            "devbridge intercept --dashboard shows it here; s shows the originals, then the agent",
        ],
    }
}
