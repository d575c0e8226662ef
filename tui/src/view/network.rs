//! Names and addresses that the process has asked for, in two tables that share one selected row.

use inspector::decode::printable;
use inspector::text::{Line, Role, Span, numbers as said};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use tunnel::status::{Name, Peer, Process};

use super::table::{self, Column, column, numbers, wide};
use super::{Scene, text};
use crate::data::Known;
use crate::state::State;
use crate::state::list::List;
use crate::state::network::Rows;

const NAMES: [Column; 8] = [
    wide("NAME"),
    column("TYPE", 4),
    column("ANSWER", 0),
    numbers("ASKED", 1),
    numbers("FAILED", 0),
    numbers("LAST", 3),
    numbers("SLOWEST", 5),
    numbers("AGE", 2),
];
const PEERS: [Column; 11] = [
    column("ADDRESS", 0),
    wide("NAME"),
    numbers("CONNECTIONS", 3),
    numbers("OPEN", 1),
    numbers("FAILED", 0),
    column("WHY", 0),
    numbers("SENT", 5),
    numbers("RECEIVED", 5),
    numbers("CONNECT", 4),
    numbers("SLOWEST", 6),
    numbers("AGE", 2),
];
/// Rows around those of a table: what it is, and its titles.
const AROUND: usize = 2;

pub(super) fn draw(state: &mut State, scene: &Scene, frame: &mut Frame<'_>, area: Rect) {
    let mut network = std::mem::take(&mut state.network);
    match state.known() {
        None => text::empty(frame, area, scene, &["no session"]),
        Some(known) if known.network.dns.is_empty() && known.network.outbound.is_empty() => {
            text::empty(frame, area, scene, nothing(known));
        }
        Some(known) => {
            let rows = network.rows(known);
            let height = usize::from(area.height).saturating_sub(2 * AROUND);
            let selected = network.selected(&rows, Some(height));
            let filter = network.filter.text();
            tables(known, &rows, selected, filter, scene, frame, area);
        }
    }
    state.network = network;
}

/// Why there is nothing.
fn nothing(known: &Known) -> &'static [&'static str] {
    match (known.is_synced(), &known.session.process) {
        (true, _) => &[
            "the code runs in the cluster: its names and connections are the pod's own",
            "nothing of them passes this laptop, so there is nothing to show",
        ],
        (false, Process::None) => &[
            "devbridge has started no process, so none asks through it",
            "devbridge intercept TARGET -- CMD starts one that sees the cluster as the pod does",
        ],
        (false, _) => &[
            "the process has asked for no name and no address yet",
            "every one that it asks for is shown here, with the answer, or why there is none",
        ],
    }
}

fn tables(
    known: &Known,
    rows: &Rows<'_>,
    selected: usize,
    filter: &str,
    scene: &Scene,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let network = &known.network;
    let names: Vec<_> = rows.names.iter().map(|row| name(row, rows.is_in_vain(row), scene)).collect();
    let peers: Vec<_> = rows.peers.iter().map(|row| peer(row, scene)).collect();
    let dns = &known.session.dns;
    let count = format!("{} names, {} answers", network.dns.len(), dns.answered);
    let names_title = (" DNS", count, (rows.in_vain() as u64, "in vain"));
    let outbound = &known.session.outbound;
    let count = format!("{} addresses, {} connections", network.outbound.len(), outbound.connections);
    let peers_title = (" OUTBOUND", count, (outbound.failed, "failed"));
    let first = height(names.len(), peers.len(), usize::from(area.height));
    let [above, below] = Layout::vertical([Constraint::Length(first), Constraint::Min(0)]).areas(area);
    let in_first = selected < names.len();

    let place = |selected: usize| {
        let mut list = List::default();
        list.select(selected);
        list
    };
    let mut list = place(if in_first { selected } else { 0 });
    let shown = (names.len(), network.dns.len());
    put_title(frame, above, scene, names_title, filter, shown);
    table::draw_part(frame, rest(above), scene.look, &NAMES, &mut list, &names, in_first);

    let mut list = place(selected.saturating_sub(names.len()));
    let shown = (peers.len(), network.outbound.len());
    put_title(frame, below, scene, peers_title, filter, shown);
    table::draw_part(frame, rest(below), scene.look, &PEERS, &mut list, &peers, !in_first);
}

/// Rows for the first table: as many as it has, or its half.
fn height(names: usize, peers: usize, height: usize) -> u16 {
    let half = height / 2;
    let (names, peers) = (names + AROUND, peers + AROUND);
    // A row between them, where there is room.
    let first =
        if names + peers < height { names + 1 } else { names.min(half.max(height.saturating_sub(peers))) };
    u16::try_from(first).unwrap_or(u16::MAX)
}

/// What is below the first row.
fn rest(area: Rect) -> Rect {
    let first = area.height.min(1);
    Rect { y: area.y + first, height: area.height - first, ..area }
}

fn put_title(
    frame: &mut Frame<'_>,
    area: Rect,
    scene: &Scene,
    (title, count, (failed, word)): (&'static str, String, (u64, &'static str)),
    filter: &str,
    (shown, all): (usize, usize),
) {
    let role = if failed > 0 { Role::Bad } else { Role::Dim };
    let mut line = Line::of(Role::Title, title).and(Role::Dim, format!("  {count}, "));
    line = line.and(role, format!("{failed} {word}"));
    if !filter.is_empty() {
        line = line.and(Role::Warn, format!("  {shown} of {all} hold \"{}\"", printable(filter)));
        line = line.and(Role::Dim, "  esc shows all");
    } else if all == 0 {
        line = line.and(Role::Dim, "  none yet");
    }
    text::put(frame, area, 0, &line, scene.look, Style::new());
}

fn name(name: &Name, in_vain: bool, scene: &Scene) -> Vec<Span> {
    let plain = |text: String| Span::new(Role::Plain, text);
    let answer = match (in_vain, name.failed < name.asked) {
        (true, _) => Role::Bad,
        (false, true) => Role::Plain,
        (false, false) => Role::Dim,
    };
    vec![
        plain(printable(&name.name).into_owned()),
        Span::new(Role::Dim, printable(&name.kind)),
        Span::new(answer, printable(&name.answer)),
        plain(name.asked.to_string()),
        Span::new(if in_vain { Role::Bad } else { Role::Dim }, name.failed.to_string()),
        plain(said::duration(name.last_us)),
        plain(said::duration(name.most_us)),
        Span::new(Role::Dim, text::age_ms(name.at_ms, scene.now)),
    ]
}

fn peer(peer: &Peer, scene: &Scene) -> Vec<Span> {
    let plain = |text: String| Span::new(Role::Plain, text);
    let none = || "-".to_owned();
    vec![
        plain(printable(&peer.address).into_owned()),
        plain(peer.name.as_deref().map_or_else(none, |name| printable(name).into_owned())),
        plain(peer.connections.to_string()),
        plain(peer.open.to_string()),
        failed(peer.failed),
        Span::new(Role::Bad, peer.why.as_deref().map(printable).unwrap_or_default()),
        plain(said::short_size(peer.sent)),
        plain(said::short_size(peer.received)),
        plain(said::duration(peer.last_us)),
        plain(said::duration(peer.most_us)),
        Span::new(Role::Dim, text::age_ms(peer.at_ms, scene.now)),
    ]
}

fn failed(count: u64) -> Span {
    Span::new(if count > 0 { Role::Bad } else { Role::Dim }, count.to_string())
}
