//! What the pods have, and what was saved.

use inspector::decode::printable;
use inspector::text::{Line, Role, Span, numbers as said};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use tunnel::status::{Save, Sync, SyncedPod};

use super::table::{self, Column, column, numbers, wide};
use super::{Scene, text};
use crate::data::Known;
use crate::state::State;
use crate::state::sync::saves;

const GENERATIONS: [Column; 9] = [
    column("", 0),
    column("TIME", 1),
    numbers("GEN", 0),
    numbers("FILES", 3),
    numbers("SIZE", 4),
    numbers("SYNCED", 0),
    numbers("LISTENS", 2),
    column("WHAT", 0),
    wide("FAILED"),
];
/// Nothing is sent anywhere.
const RESTARTS: [Column; 7] = [
    column("", 0),
    column("TIME", 1),
    numbers("RESTART", 0),
    numbers("FILES", 3),
    numbers("LISTENS", 0),
    column("WHAT", 0),
    wide("FAILED"),
];

/// Rows that are left to saves, with their titles and what is before them.
const SAVES: usize = 4;

const NOTHING: [&str; 3] = [
    "nothing is sent anywhere: the code runs on this laptop, and --watch was not given",
    "devbridge sync TARGET: the code runs in the cluster, and saves are sent there",
    "devbridge intercept TARGET --watch -- CMD: saves start the process on this laptop anew",
];

pub(super) fn draw(state: &mut State, scene: &Scene, frame: &mut Frame<'_>, area: Rect) {
    let mut screen = std::mem::take(&mut state.sync);
    if let Some(known) = state.known() {
        let width = usize::from(area.width);
        let above = match &known.session.sync {
            Some(sync) => synced(sync, known, scene, width, usize::from(area.height / 3).max(1)),
            None if known.saves.is_empty() => {
                text::empty(frame, area, scene, &NOTHING);
                state.sync = screen;
                return;
            }
            None => text::flow(restarted(known), width),
        };
        let mut above: Vec<_> = above.into_iter().chain(failure(known, scene)).collect();
        above.truncate(usize::from(area.height).saturating_sub(SAVES));
        let height = u16::try_from(above.len() + 1).unwrap_or(area.height);
        let [top, rest] = Layout::vertical([Constraint::Length(height), Constraint::Min(0)]).areas(area);
        for (number, line) in above.iter().enumerate() {
            text::put(frame, top, number, line, scene.look, Style::new());
        }
        let rows: Vec<_> = saves(known).map(|save| row(save, known.is_synced(), scene)).collect();
        let columns: &[Column] = if known.is_synced() { &GENERATIONS } else { &RESTARTS };
        if rows.is_empty() {
            text::put(
                frame,
                rest,
                0,
                &Line::of(Role::Dim, "  nothing was saved yet"),
                scene.look,
                Style::new(),
            );
        } else {
            table::draw(frame, rest, scene.look, columns, screen.list(known), &rows);
        }
    } else {
        text::empty(frame, area, scene, &["no session"]);
    }
    state.sync = screen;
}

/// Where files go, how fast, and what each pod has; at most so many lines of pods.
fn synced(sync: &Sync, known: &Known, scene: &Scene, width: usize, most: usize) -> Vec<Line> {
    let arrow = scene.look.either("->", "→");
    let command: Vec<_> = sync.command.iter().map(|word| printable(word)).collect();
    let way = format!(" {} {arrow} {} ", printable(&sync.from), printable(&sync.to));
    let runs = Line::of(Role::Name, " runs ").and(Role::Plain, command.join(" "));
    let mut above = text::flow(vec![Line::of(Role::Title, way), runs], width);

    let is_there = |pod: &&SyncedPod| pod.in_sync && pod.generation == sync.generation;
    let there = sync.pods.iter().filter(is_there).count();
    let role = if there == sync.pods.len() { Role::Good } else { Role::Warn };
    let generation = Line::of(Role::Name, " generation ").and(Role::Plain, format!("{} ", sync.generation));
    let count = Line::of(role, format!(" {there} of {} pods in sync ", sync.pods.len()));
    let parts = [generation, count].into_iter().chain(times("save to pod", known, |save| save.synced_ms));
    above.extend(text::flow(parts.collect(), width));

    // What is not as it should be is seen first, and always.
    let (good, bad): (Vec<_>, Vec<_>) = sync.pods.iter().partition(is_there);
    let shown = if sync.pods.len() > most { most.saturating_sub(1) } else { most };
    for pod in bad.into_iter().chain(good).take(shown) {
        above.extend(text::flow(pod_parts(pod, sync, scene), width));
    }
    let left = sync.pods.len().saturating_sub(shown);
    above.extend((left > 0).then(|| Line::of(Role::Dim, format!("   and {left} more"))));
    above
}

fn pod_parts(pod: &SyncedPod, sync: &Sync, scene: &Scene) -> Vec<Line> {
    let name = printable(&pod.name);
    let sign = |role, ascii, unicode| {
        let mark = scene.look.either(ascii, unicode);
        Line::of(role, format!(" {mark} ")).and(Role::Plain, name.clone())
    };
    if pod.in_sync && pod.generation == sync.generation {
        return vec![sign(Role::Good, "ok", "✓").and(Role::Good, format!("  in sync @ {}", pod.generation))];
    }
    let at = match pod.generation == sync.generation {
        true => format!("  not in sync @ {}", pod.generation),
        false => format!("  at {}, not {}", pod.generation, sync.generation),
    };
    let why = pod.why.as_deref().unwrap_or("it has not come there yet");
    let why = Line::of(Role::Plain, format!("   {}", printable(why)));
    vec![sign(Role::Bad, "no", "✗").and(Role::Bad, at), why]
}

fn restarted(known: &Known) -> Vec<Line> {
    let restarts =
        Line::of(Role::Title, " restarts ").and(Role::Plain, format!("{} ", known.session.restarts));
    let here = Line::of(Role::Dim, " the process runs on this laptop; a save starts it anew ");
    let times = times("save to listening", known, |save| save.listens_ms);
    [restarts, here].into_iter().chain(times).collect()
}

/// How long the last one took, and 95 of 100.
fn times(name: &str, known: &Known, of: impl Fn(&Save) -> Option<u64>) -> Option<Line> {
    let mut all: Vec<_> = saves(known).filter_map(of).collect();
    let last = all.first().copied()?;
    all.sort_unstable();
    let p95 = all.get((all.len() * 95).div_ceil(100).saturating_sub(1)).copied().unwrap_or(last);
    let line = Line::of(Role::Name, format!(" {name} ")).and(Role::Plain, duration(last));
    Some(line.and(Role::Name, "  p95 ").and(Role::Plain, format!("{} ", duration(p95))))
}

/// Why the newest one has not come so far: its column may have no room for that.
fn failure(known: &Known, scene: &Scene) -> Option<Line> {
    let newest = saves(known).next()?;
    let why = printable(newest.failed.as_deref()?);
    let mark = scene.look.either("x", "✗");
    let word = if known.is_synced() { "save" } else { "restart" };
    Some(Line::of(Role::Bad, format!(" {mark} {word} {}: ", newest.generation)).and(Role::Plain, why))
}

fn duration(ms: u64) -> String {
    said::duration(ms.saturating_mul(1000))
}

fn row(save: &Save, synced: bool, scene: &Scene) -> Vec<Span> {
    let plain = |text: String| Span::new(Role::Plain, text);
    let time = |ms: Option<u64>| plain(ms.map_or_else(|| "-".into(), duration));
    let done = if synced { save.synced_ms } else { save.listens_ms };
    let sign = |ascii, unicode| scene.look.either(ascii, unicode);
    let (role, mark) = match (&save.failed, done) {
        (Some(_), _) => (Role::Bad, sign("x", "✗")),
        (None, Some(_)) => (Role::Good, sign("*", "✓")),
        (None, None) => (Role::Dim, sign("~", "◌")),
    };
    let mut cells = vec![
        Span::new(role, mark),
        Span::new(Role::Dim, text::time(save.at_ms, &scene.zone)),
        plain(save.generation.to_string()),
        plain(save.files.to_string()),
    ];
    if synced {
        cells.extend([plain(said::short_size(save.bytes)), time(save.synced_ms)]);
    }
    let failed = save.failed.as_deref().map(printable).unwrap_or_default();
    cells.extend([
        time(save.listens_ms),
        plain(printable(&save.what).into_owned()),
        Span::new(Role::Bad, failed),
    ]);
    cells
}
