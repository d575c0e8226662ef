//! The list. Only the rows in view are made, so that it costs the same however many there are.

use inspector::decode::printable;
use inspector::text::{Line, Role, Span, fit, row};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;

use crate::data::Known;
use crate::state::list::List;
use crate::state::requests::Place;
use crate::state::requests::filtering::Filtering;
use crate::view::table::{self, Column, column, numbers, wide};
use crate::view::{Scene, text};

/// Those of [`inspector::text::TITLES`]. Who answered stands in all of it, too, and that it is a replay is worth more.
const COLUMNS: [Column; 9] = [
    numbers("ID", 1),
    column("TIME", 2),
    column("METHOD", 0),
    wide("PATH"),
    column("STATUS", 0),
    numbers("LATENCY", 0),
    numbers("SIZE", 4),
    column("FROM", 3),
    column("ROUTE", 5),
];
/// Where the time is.
const TIME: usize = 1;
/// From here on there is room for all columns and milliseconds.
const WIDE: u16 = 100;
/// From here on for when and from whom.
const USUAL: u16 = 72;

pub(super) fn draw(
    known: &Known,
    filtering: &Filtering,
    place: &mut Place,
    scene: &Scene,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let [above, rest] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    text::put(frame, above, 0, &title(known, filtering, place, scene, area.width), scene.look, Style::new());
    let listed = &mut place.listed;
    if listed.matching.is_empty() {
        return text::empty(frame, rest, scene, &nothing(known));
    }
    // As the table does it, which shows all that it gets.
    let room = usize::from(rest.height.saturating_sub(1));
    let view = listed.list.view(listed.matching.len(), room);
    let mut seen = List::default();
    seen.select(listed.list.selected(listed.matching.len()).saturating_sub(view.start));
    // The width decides, and not what is in view: columns stay where they are.
    let most = match area.width {
        WIDE.. => u8::MAX,
        USUAL.. => 3,
        _ => 1,
    };
    let shown = |at: usize| COLUMNS.get(at).is_some_and(|column| column.goes <= most);
    let rows = listed.matching.get(view).unwrap_or_default().iter().map(|exchange| {
        let mut cells = row(exchange, &scene.zone).cells;
        if listed.is_marked(exchange.id) {
            cells[0] = Span::new(Role::Name, format!("+{}", exchange.id));
        }
        if area.width < WIDE {
            let seconds = cells[TIME].text.find('.').unwrap_or(cells[TIME].text.len());
            cells[TIME].text.truncate(seconds);
        }
        let cells = cells.into_iter().enumerate().filter(|(at, _)| shown(*at));
        cells.map(|(_, cell)| cell).collect::<Vec<_>>()
    });
    let rows: Vec<_> = rows.collect();
    let columns: Vec<_> = COLUMNS.iter().filter(|column| column.goes <= most).copied().collect();
    table::draw(frame, rest, scene.look, &columns, &mut seen, &rows);
}

/// ` filter: status>=500  (12 of 812) · following`
fn title(known: &Known, filtering: &Filtering, place: &Place, scene: &Scene, width: u16) -> Line {
    let all = known.exchanges.len();
    let dot = || if scene.look.ascii { " - " } else { " · " };
    let mut line = if filtering.text.is_empty() {
        let count = if all == 1 { "1 request".into() } else { format!("{all} requests") };
        Line::of(Role::Title, format!(" {count}"))
    } else {
        let room = usize::from(width / 2);
        let filter = printable(&filtering.text);
        let count = format!("  ({} of {all})", place.listed.matching.len());
        Line::of(Role::Name, " filter: ").and(Role::Title, fit::fit(&filter, room)).and(Role::Plain, count)
    };
    line = line.and(Role::Dim, dot());
    line = match place.listed.list.follows {
        true => line.and(Role::Good, "following"),
        false => line.and(Role::Dim, "F follows the newest"),
    };
    if known.forgotten > 0 && all > 0 {
        line =
            line.and(Role::Dim, dot()).and(Role::Dim, format!("up to {} are kept no more", known.forgotten));
    }
    line
}

/// Why there may be nothing to see.
fn nothing(known: &Known) -> Vec<&'static str> {
    if !known.exchanges.is_empty() {
        vec!["no request matches", "esc takes the filter away, / changes it"]
    } else if known.is_synced() {
        let why = "its code runs in the cluster: requests do not come to this laptop";
        vec!["no requests here", why, "devbridge intercept brings them here"]
    } else if known.forgotten > 0 {
        vec!["all of them were forgotten", "new ones are shown as they come"]
    } else {
        let why = "or the session was started with --no-record";
        vec!["nothing that is HTTP has passed yet", why, "requests are shown here as they come"]
    }
}
