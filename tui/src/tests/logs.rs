//! The screen of what is written.

use tunnel::status::Said;

use super::{Rig, sample};
use crate::action::Action;
use crate::feed::{Source, Update};

fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.keys("5");
    rig
}

fn say(rig: &mut Rig, source: Source, pod: Option<&str>, text: &str) {
    let line = Said { at_ms: sample::ago_ms(3), text: text.into() };
    rig.update(Update::Line { session: "0a1b2c3d".into(), source, pod: pod.map(str::to_owned), line });
}

fn follow(source: Source) -> Action {
    Action::Follow { session: "0a1b2c3d".into(), source }
}

#[test]
fn logs() {
    insta::assert_snapshot!(rig().pictures());
}

#[test]
fn s_goes_round_and_what_needs_it_is_followed_once() {
    let mut rig = rig();
    assert_eq!(rig.keys("1 5"), [], "the process's lines come by themselves");
    assert_eq!(rig.keys("s"), [follow(Source::Originals)]);
    assert_eq!(rig.keys("s"), [follow(Source::Agent)]);
    assert_eq!(rig.keys("s"), []);
    assert_eq!(rig.keys("s s"), [], "they are followed already");
    let of_cart = Action::Follow { session: "1b2c3d4e".into(), source: Source::Agent };
    assert_eq!(rig.keys("]"), [of_cart], "another session is another's lines");
    assert_eq!(rig.keys("["), []);
}

#[test]
fn pods_are_told_apart_where_several_write() {
    let mut rig = rig();
    rig.keys("s");
    say(&mut rig, Source::Originals, Some("orders-6d9f4-abcde"), "GET /healthz 200");
    assert!(!rig.picture((80, 24)).contains("abcde"), "there is only one");
    say(&mut rig, Source::Originals, Some("orders-6d9f4-x2x4z"), "WARN: slow query\t1.2s");
    insta::assert_snapshot!(rig.picture((80, 24)));
}

#[test]
fn why_there_is_nothing() {
    let mut rig = Rig::new();
    rig.keys("] 5");
    let mut pictures = vec![rig.picture((100, 15))];
    rig.keys("s");
    pictures.push(rig.picture((100, 15)));
    rig.keys("s");
    pictures.push(rig.picture((100, 15)));
    let mut rig = Rig::empty();
    rig.keys("5");
    rig.update(Update::Session(Box::new(sample::orders())));
    pictures.push(rig.picture((100, 15)));
    let mut rig = self::rig();
    rig.keys("/");
    rig.text("nowhere");
    rig.keys("enter");
    pictures.push(rig.picture((100, 15)));
    insta::assert_snapshot!(pictures.join("\n---\n"));
}

#[test]
fn a_filter_shows_what_holds_it_without_colours_between() {
    let mut rig = rig();
    say(&mut rig, Source::Process, None, "no \u{1b}[1mSto\u{1b}[0mck at all");
    rig.keys("/");
    rig.text("no sto");
    rig.keys("enter");
    let picture = rig.picture((80, 24));
    assert!(picture.contains("2 of 4 hold \"no sto\"") && !picture.contains("listening"), "{picture}");
}

#[test]
fn only_what_warns_is_shown_with_what_belongs_to_it() {
    let mut rig = rig();
    for text in ["TypeError: x is undefined", "    at api.ts:3", "GET / 200", "  indented"] {
        say(&mut rig, Source::Process, None, text);
    }
    rig.keys("l");
    let picture = rig.picture((80, 24));
    for (text, shown) in [("TypeError", true), ("at api.ts", true), ("GET /", false), ("indented", false)] {
        assert_eq!(picture.contains(text), shown, "{text}: {picture}");
    }
    assert!(picture.contains("warnings only"));
}

#[test]
fn what_is_read_stays_where_it_is_while_lines_come_and_go() {
    let mut rig = rig();
    (0..30).for_each(|number| say(&mut rig, Source::Process, None, &format!("line {number}")));
    rig.picture((80, 24));
    rig.keys("k k k");
    let before = rig.picture((80, 24));
    (0..1975).for_each(|number| say(&mut rig, Source::Process, None, &format!("later {number}")));
    let after = rig.picture((80, 24));
    let selected = |picture: &str| {
        let mut lines = picture.lines().map(str::to_owned).enumerate();
        lines.find(|(_, line)| line.starts_with('▸') && line.ends_with("line 26"))
    };
    assert!(selected(&before).is_some(), "{before}");
    assert_eq!(selected(&before), selected(&after), "in the same row, too: {after}");
    assert!(after.contains(" below (G)"));
    rig.keys("G");
    let end = rig.picture((80, 24));
    assert!(end.contains("following") && end.contains("later 1974"), "{end}");
}

#[test]
fn n_goes_to_what_matters() {
    let mut rig = rig();
    (0..30).for_each(|number| say(&mut rig, Source::Process, None, &format!("line {number}")));
    rig.picture((80, 24));
    rig.keys("N");
    let picture = rig.picture((80, 24));
    let selected = picture.lines().find(|line| line.starts_with('▸')).unwrap_or_default();
    assert!(selected.contains("Error: no stock"), "{picture}");
    rig.keys("n");
    assert!(rig.picture((80, 24)).contains("no warning and no error below"));
}

#[test]
fn long_lines_are_cut_moved_or_go_on_below() {
    let mut rig = rig();
    let long = (0..40).map(|number| format!("word{number}")).collect::<Vec<_>>().join(" ");
    say(&mut rig, Source::Process, None, &long);
    let cut = rig.picture((60, 15));
    rig.keys("right right t");
    let moved = rig.picture((60, 15));
    rig.keys("W");
    let wrapped = rig.picture((60, 15));
    insta::assert_snapshot!([cut, moved, wrapped].join("\n---\n"));
}
