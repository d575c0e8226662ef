use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;
use tunnel::status::{Name, Save};

use super::*;

fn texts(news: &[News]) -> Vec<String> {
    let text = |news: &News| match news {
        News::Event(event) => event.text.clone(),
        News::Said(said) => format!("> {}", said.text),
        News::Save(save) => format!("save {}", save.generation),
        News::Network(network) => format!("{} names", network.dns.len()),
        News::Missed(missed) => format!("missed {missed}"),
        News::Session(_) => "session".into(),
    };
    news.iter().map(text).collect()
}

fn save(generation: u64) -> Save {
    Save { generation, files: 1, ..Save::default() }
}

#[test]
fn a_reader_gets_all_of_it_in_the_order_of_time_and_then_what_is_new() {
    let journal = Journal::new();
    let (mut place, mut changes) = (Place::default(), journal.changes());
    journal.event(Level::Info, "one");
    journal.said("two");
    journal.network(Network { dns: vec![Name::default()], ..Network::default() });
    journal.saves(|saves| saves.noticed(save(1), Instant::now()));
    journal.event(Level::State, "five\n  six\n");
    assert!(changes.has_changed().unwrap());
    assert_eq!(*changes.borrow_and_update(), 5);
    let all = journal.since(&mut place, 100);
    assert_eq!(texts(&all), ["one", "> two", "1 names", "save 1", "five; six"]);
    assert_eq!(journal.since(&mut place, 100), []);
    journal.saves(|saves| saves.failed(1, "no"));
    assert_eq!(texts(&journal.since(&mut place, 100)), ["save 1"]);
    assert_eq!(texts(&journal.since(&mut Place::default(), 100)).last().unwrap(), "save 1");
}

#[test]
fn what_is_kept_no_more_is_counted() {
    let journal = Journal::new();
    let mut place = Place::default();
    journal.event(Level::Info, "first");
    assert_eq!(texts(&journal.since(&mut place, 10)), ["first"]);
    for number in 0..EVENTS.entries + 5 {
        journal.event(Level::Info, &number.to_string());
    }
    assert_eq!(texts(&journal.since(&mut place, 2)), ["missed 5", "5"]);
    assert_eq!(journal.since(&mut place, EVENTS.entries).len(), EVENTS.entries - 1);
    assert_eq!(journal.since(&mut place, 10), []);
    // Who comes later hears that there was more.
    assert_eq!(texts(&journal.since(&mut Place::default(), 1)), ["missed 6"]);
}

#[test]
fn lines_are_bounded_in_length_number_and_bytes() {
    let journal = Journal::new();
    journal.said(&"ä".repeat(MAX_LINE));
    let News::Said(said) = &journal.since(&mut Place::default(), 1)[0] else { panic!("a line") };
    assert_eq!(said.text.len(), MAX_LINE);
    (0..LINES.entries).for_each(|_| journal.said("x"));
    assert_eq!(journal.kept().lines.size(), (LINES.entries, LINES.entries));
    (0..LINES.entries).for_each(|_| journal.said(&"x".repeat(MAX_LINE)));
    assert_eq!(journal.kept().lines.size(), (LINES.bytes / MAX_LINE, LINES.bytes));
}

#[test]
fn an_event_leaves_the_terminal_alone() {
    let journal = Journal::new();
    journal.event(Level::Warning, "a\u{1b}[2Jb");
    assert_eq!(texts(&journal.since(&mut Place::default(), 1)), ["a\\u{1b}[2Jb"]);
}

/// The saves that have changed.
fn saves(journal: &Journal, place: &mut Place) -> Vec<Save> {
    let of = |news| match news {
        News::Save(save) => Some(save),
        _ => None,
    };
    journal.since(place, 1).into_iter().filter_map(of).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_true_of_a_save_is_true_of_those_before_it() {
    let (journal, mut place) = (Journal::new(), Place::default());
    let noticed = |generation| journal.saves(|saves| saves.noticed(save(generation), Instant::now()));
    noticed(2);
    tokio::time::advance(Duration::from_millis(10)).await;
    noticed(3);
    tokio::time::advance(Duration::from_millis(5)).await;
    journal.saves(|saves| saves.synced(3, 70, true));
    tokio::time::advance(Duration::from_millis(100)).await;
    journal.saves(Saves::listens);
    let told = saves(&journal, &mut place);
    let figures = |save: &Save| (save.generation, save.bytes, save.synced_ms, save.listens_ms);
    let figures: Vec<_> = told.iter().map(figures).collect();
    assert_eq!(figures, [(2, 0, Some(15), Some(115)), (3, 70, Some(5), Some(105))]);
    noticed(4);
    journal.saves(|saves| saves.failed(4, "`make` failed"));
    assert_eq!(saves(&journal, &mut place)[0].failed.as_deref(), Some("`make` failed"));
    assert_eq!(saves(&journal, &mut place), [], "those that have come farther are as they were");
    noticed(4);
    journal.saves(|saves| saves.synced(4, 1, false));
    journal.saves(Saves::listens);
    let told = saves(&journal, &mut place);
    assert_eq!((told[0].failed.clone(), told[0].listens_ms), (None, None), "not started anew");
}

#[test]
fn saves_are_bounded_and_another_session_has_its_own() {
    let journal = Journal::new();
    (1..=150).for_each(|generation| journal.saves(|saves| saves.noticed(save(generation), Instant::now())));
    assert_eq!(journal.since(&mut Place::default(), 1000).len(), 100);
    journal.begin();
    assert_eq!(texts(&journal.since(&mut Place::default(), 1000)), ["0 names"]);
}

/// What happens to a journal.
#[derive(Debug, Clone)]
enum Step {
    Event,
    Line(usize),
    Save(u64),
    Read(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Event),
        4 => (0..3 * MAX_LINE).prop_map(Step::Line),
        1 => (0..5u64).prop_map(Step::Save),
        2 => (0..20usize).prop_map(Step::Read),
    ];
    prop::collection::vec(step, 0..300)
}

proptest! {
    #[test]
    fn a_reader_hears_of_each_event_and_line_once_in_order_or_that_it_missed_it(steps in steps()) {
        let kept = Kept {
            events: Log::new(Room { entries: 20, bytes: 1 << 20 }),
            lines: Log::new(Room { entries: 20, bytes: 64 << 10 }),
            ..Kept::default()
        };
        let journal = Journal { kept: Arc::new(Mutex::new(kept)), ..Journal::new() };
        let (mut slow, mut swift) = (Place::default(), Place::default());
        let (mut made, mut missed) = (0, 0);
        let (mut by_slow, mut by_swift) = (Vec::new(), Vec::new());
        let number = |news: &News| match news {
            News::Event(event) => event.text.parse::<u64>().ok(),
            News::Said(said) => said.text.split(' ').next().and_then(|number| number.parse().ok()),
            _ => None,
        };
        for step in steps.into_iter().chain([Step::Read(usize::MAX)]) {
            match step {
                Step::Event => journal.event(Level::Info, &made.to_string()),
                Step::Line(length) => journal.said(&format!("{made} {}", "x".repeat(length))),
                Step::Save(generation) => {
                    journal.saves(|saves| saves.noticed(save(generation), Instant::now()));
                }
                Step::Read(most) => {
                    let news = journal.since(&mut slow, most);
                    missed += news.iter().map(|news| if let News::Missed(n) = news { *n } else { 0 }).sum::<u64>();
                    by_slow.extend(news.iter().filter_map(number));
                }
            }
            made += u64::from(matches!(step, Step::Event | Step::Line(_)));
            loop {
                let news = journal.since(&mut swift, 3);
                if news.is_empty() {
                    break;
                }
                by_swift.extend(news.iter().filter_map(number));
            }
        }
        prop_assert_eq!(by_swift, (0..made).collect::<Vec<_>>());
        prop_assert!(by_slow.is_sorted_by(|a, b| a < b));
        prop_assert_eq!(by_slow.len() as u64 + missed, made);
    }
}
