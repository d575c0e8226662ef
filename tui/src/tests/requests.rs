use std::path::PathBuf;
use std::sync::Arc;

use inspector::filter::Filter;
use inspector::{Exchange, Header, mask};
use proptest::prelude::*;

use super::sample::{cart, exchange, orders};
use super::{Rig, key_of};
use crate::action::{Action, To};
use crate::feed::{Answer, Update};
use crate::state::Effect;

/// A rig on this screen.
fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.keys("2");
    rig
}

/// The failed one of the samples, with a secret.
fn failed() -> Exchange {
    let mut failed = exchange(2, 8, "POST", "/api/orders", 500);
    let header = Header { name: "authorization".into(), value: "Bearer abc".into() };
    failed.request.headers.push(header);
    failed
}

/// It, sent again.
fn replay() -> Exchange {
    let mut replay = exchange(6, 0, "POST", "/api/orders", 201);
    replay.request.headers = failed().request.headers;
    (replay.replay_of, replay.from) = (Some(2), None);
    if let Some(answer) = &mut replay.answer {
        answer.body.kept = "{\"ok\":true,\"id\":43}".into();
        answer.body.size = answer.body.kept.len() as u64;
    }
    replay
}

fn came(exchange: Exchange) -> Update {
    Update::Exchange { session: orders().id, exchange: Arc::new(exchange) }
}

/// Answers what was asked with this exchange; what came of it.
fn opens(rig: &mut Rig, asked: &[Action], exchange: &Exchange) -> Vec<Effect> {
    let asks = |action: &&Action| matches!(action, Action::Open { id, .. } if *id == exchange.id);
    let Some(Action::Open { session, reveal, .. }) = asked.iter().find(asks) else { panic!("{asked:?}") };
    let exchange = if *reveal { exchange.clone() } else { mask::cover(exchange) };
    let exchange = Arc::new(exchange);
    let answer = Answer::Opened { session: session.clone(), exchange, revealed: *reveal };
    rig.state.update(Update::Answer(answer))
}

fn open_failed(rig: &mut Rig) {
    rig.update(came(mask::cover(&failed())));
    rig.keys("N");
    let asked = rig.keys("enter");
    opens(rig, &asked, &failed());
}

fn filter(rig: &mut Rig, filter: &str) -> Vec<Action> {
    rig.keys("/");
    rig.keys("ctrl-u");
    rig.text(filter);
    rig.keys("enter")
}

#[test]
fn all_of_them() {
    let mut rig = rig();
    rig.update(came(replay()));
    rig.keys("k space");
    insta::assert_snapshot!(rig.pictures());
}

#[test]
fn those_that_match() {
    let mut rig = rig();
    filter(&mut rig, "status>=400 method!=DELETE");
    insta::assert_snapshot!(rig.pictures());
    filter(&mut rig, "status=418");
    assert!(rig.picture((80, 24)).contains("no request matches"));
    rig.keys("esc");
    assert!(rig.picture((80, 24)).contains("5 requests"));
}

#[test]
fn one_in_full() {
    let mut rig = rig();
    open_failed(&mut rig);
    insta::assert_snapshot!(rig.pictures());
}

#[test]
fn what_a_replay_changed() {
    let mut rig = rig();
    open_failed(&mut rig);
    assert_eq!(rig.keys("r"), [], "it is not idempotent, so there is a question first");
    insta::assert_snapshot!("question", rig.picture((80, 24)));
    let session = orders().id;
    assert_eq!(rig.keys("y"), [Action::Replay { session: session.clone(), id: 2, to: To::Process }]);
    let answer = Answer::Replayed { session, of: 2, id: 6 };
    let effects = rig.state.update(Update::Answer(answer));
    let [Effect::Do(asked)] = &effects[..] else { panic!("{effects:?}") };
    assert!(rig.picture((80, 24)).contains("it has not come yet"));
    opens(&mut rig, std::slice::from_ref(asked), &replay());
    assert!(rig.picture((80, 24)).contains("201 Created"), "the answer is opened");
    let asked = rig.keys("d");
    opens(&mut rig, &asked, &replay());
    opens(&mut rig, &asked, &failed());
    let pictures = rig.pictures();
    assert!(pictures.contains("- 500 Internal Server Error") && pictures.contains("+ 201 Created"));
    insta::assert_snapshot!(pictures);
}

#[test]
fn a_copy_is_in_the_clipboard_and_to_be_seen() {
    let mut rig = rig();
    open_failed(&mut rig);
    rig.keys("esc y");
    insta::assert_snapshot!("menu", rig.pictures());
    let asked = rig.keys("c");
    let effects = opens(&mut rig, &asked, &failed());
    let [Effect::Clipboard(text)] = &effects[..] else { panic!("{effects:?}") };
    assert!(text.contains("curl") && text.contains("'http://127.0.0.1:3000/api/orders'"), "{text}");
    assert!(!text.contains("abc"), "{text}");
    insta::assert_snapshot!("copied", rig.picture((80, 24)));
    rig.keys("esc y");
    let asked = rig.keys("u");
    let effects = opens(&mut rig, &asked, &failed());
    assert_eq!(effects, [Effect::Clipboard("http://127.0.0.1:3000/api/orders".into())]);
}

#[test]
fn secrets_are_shown_when_somebody_wants_them() {
    let mut rig = rig();
    open_failed(&mut rig);
    assert!(rig.picture((80, 24)).contains("Bearer ••••"));
    let asked = rig.keys("u");
    opens(&mut rig, &asked, &failed());
    assert!(rig.picture((80, 24)).contains("Bearer abc"));
    let again = rig.keys("u");
    assert!(!rig.picture((80, 24)).contains("Bearer abc"), "at once");
    opens(&mut rig, &asked, &failed());
    assert!(!rig.picture((80, 24)).contains("Bearer abc"), "an answer from before changes nothing");
    opens(&mut rig, &again, &failed());
    assert!(rig.picture((80, 24)).contains("Bearer ••••"));
}

#[test]
fn a_wrong_filter_stays_to_be_mended() {
    let mut rig = rig();
    rig.keys("/");
    insta::assert_snapshot!("typing", rig.picture((80, 24)));
    filter(&mut rig, "method=POST statsu>=500");
    insta::assert_snapshot!("mistake", rig.picture((80, 24)));
    rig.keys("backspace");
    assert_eq!(rig.state.typing.as_ref().unwrap().text(), "method=POST statsu>=50");
    assert!(rig.picture((80, 24)).contains("`status`"), "the hint is there while it is mended");
    filter(&mut rig, "body~sku");
    assert!(rig.picture((80, 24)).contains("this list knows no bodies"));
}

#[test]
fn the_next_that_failed_is_found() {
    let mut rig = rig();
    let current = |rig: &mut Rig| {
        let (known, requests) = rig.state.requests_of().unwrap();
        requests.shown(known).1.current()
    };
    assert_eq!(current(&mut rig), Some(5), "the newest");
    rig.keys("N");
    assert_eq!(current(&mut rig), Some(2), "a 404 is none where something is worse");
    rig.update(came(exchange(6, 0, "GET", "/", 503)));
    assert_eq!(current(&mut rig), Some(2), "it stays when others come");
    rig.keys("n");
    assert_eq!(current(&mut rig), Some(6));
    filter(&mut rig, "status<500");
    rig.keys("g n");
    assert_eq!(current(&mut rig), Some(4), "or else those that the caller is blamed for");
    rig.keys("n");
    assert!(rig.picture((80, 24)).contains("no newer one failed"));
    rig.keys("G");
    rig.update(came(exchange(7, 0, "GET", "/", 200)));
    assert_eq!(current(&mut rig), Some(7), "it follows again");
    let up_to = Update::Forgotten { session: orders().id, up_to: 6 };
    rig.keys("k");
    rig.update(up_to);
    assert_eq!(current(&mut rig), Some(7), "the next one, where it is no more");
}

#[test]
fn what_is_done_with_them_is_asked_for() {
    let mut rig = rig();
    let session = orders().id;
    assert_eq!(rig.keys("k R"), [Action::Edit { session: session.clone(), id: 4 }]);
    assert_eq!(rig.keys("r"), [Action::Replay { session: session.clone(), id: 4, to: To::Process }]);
    assert_eq!(rig.keys("O"), []);
    insta::assert_snapshot!("to_the_cluster", rig.picture((60, 15)));
    assert_eq!(rig.keys("y"), [Action::Replay { session: session.clone(), id: 4, to: To::Cluster }]);
    assert_eq!(rig.keys("c y"), [Action::Clear { session: session.clone() }]);
    filter(&mut rig, "status>=400");
    let har =
        |path: &str| Action::Export { session: session.clone(), ids: vec![2, 4], path: PathBuf::from(path) };
    assert_eq!(rig.keys("w"), [har("devbridge-orders-20260102-104105.har")]);
    rig.keys(":");
    rig.text("har a b.har");
    assert_eq!(rig.keys("enter"), [har("a b.har")]);
}

#[test]
fn two_that_are_marked_are_compared() {
    let mut rig = rig();
    assert_eq!(rig.keys("d"), []);
    assert!(rig.picture((80, 24)).contains("mark two with space"));
    let open = |id| Action::Open { session: orders().id, id, reveal: false };
    assert_eq!(rig.keys("space k space k space d"), [open(3), open(4)], "a third drops the first");
}

#[test]
fn what_is_open_is_asked_for_again_when_it_has_ended() {
    let mut rig = rig();
    let mut open = exchange(6, 0, "GET", "/slow", 200);
    (open.end, open.answer, open.status) = (None, None, None);
    rig.update(came(open.clone()));
    let asked = rig.keys("enter");
    opens(&mut rig, &asked, &open);
    assert!(rig.picture((80, 24)).contains("no answer yet"));
    assert_eq!(rig.state.update(came(open)), []);
    let ended = exchange(6, 0, "GET", "/slow", 200);
    let effects = rig.state.update(came(ended.clone()));
    let [Effect::Do(asked)] = &effects[..] else { panic!("{effects:?}") };
    opens(&mut rig, std::slice::from_ref(asked), &ended);
    assert!(rig.picture((80, 24)).contains("200 OK"));
}

#[test]
fn where_nothing_is_it_says_why() {
    let mut rig = rig();
    rig.keys("]");
    assert!(rig.picture((80, 24)).contains("its code runs in the cluster"));
    let mut rig = Rig::empty();
    rig.update(Update::Session(Box::new(tunnel::status::Session { sync: None, ..cart() })));
    rig.keys("2");
    assert!(rig.picture((80, 24)).contains("--no-record"));
    for key in ["enter", "r", "d", "y", "w", "n", "space", "u", "O", "R"] {
        assert_eq!(rig.state.key(key_of(key)), [], "{key}");
    }
}

#[test]
fn in_ascii_and_however_small() {
    let mut rig = rig().ascii();
    open_failed(&mut rig);
    for size in [(120, 36), (80, 24), (60, 15), (30, 6), (10, 3), (1, 1)] {
        let picture = rig.picture(size);
        assert!(picture.is_ascii(), "{picture}");
    }
    rig.keys("l l h u");
    filter(&mut rig, "wrong (");
    for size in [(120, 36), (30, 6), (10, 3), (1, 1)] {
        rig.picture(size);
    }
}

#[test]
fn long_lines_go_on_below() {
    let mut rig = rig();
    let mut long = exchange(6, 0, "GET", "/", 200);
    let value = (0..60).map(|number| format!("word{number:02}")).collect::<Vec<_>>().join(" ");
    long.request.headers =
        vec![Header { name: "x-long".into(), value: format!("{value} 注{}end", "注".repeat(80)) }];
    rig.update(came(long.clone()));
    let asked = rig.keys("enter");
    opens(&mut rig, &asked, &long);
    let picture = rig.picture((60, 30));
    (0..60).for_each(|number| assert!(picture.contains(&format!("word{number:02}")), "{number}: {picture}"));
    assert!(picture.contains("end"), "{picture}");
}

proptest! {
    #[test]
    fn what_is_listed_is_what_matches(
        steps in prop::collection::vec((0..4_u8, 1..20_u64, prop::sample::select(vec![200_u16, 404, 500])), 0..40)
    ) {
        let mut rig = rig();
        let mut asked = String::new();
        for (step, id, status) in steps {
            match step {
                0 => rig.update(Update::Forgotten { session: orders().id, up_to: id / 2 }),
                1 => {
                    asked = format!("status={status}");
                    filter(&mut rig, &asked);
                }
                _ => rig.update(came(exchange(id, 0, "GET", "/", status))),
            }
            let (known, requests) = rig.state.requests_of().unwrap();
            let filter = Filter::parse(&[&asked]).unwrap();
            let matches = known.exchanges.values().filter(|exchange| filter.matches(&***exchange));
            let matches: Vec<_> = matches.map(|exchange| (exchange.id, exchange.status)).collect();
            let listed = requests.shown(known).1.listed.matching.iter();
            prop_assert_eq!(listed.map(|exchange| (exchange.id, exchange.status)).collect::<Vec<_>>(), matches);
        }
    }
}
