//! The screen of what happened.

use tunnel::status::{Event, Level};

use super::{Rig, sample};
use crate::action::Action;
use crate::feed::{By, Update};

fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.keys("6");
    rig
}

fn tell(rig: &mut Rig, by: By, seconds: u64, level: Level, text: &str) {
    let event = Event { at_ms: sample::ago_ms(seconds), level, text: text.into() };
    rig.update(Update::Event { session: "0a1b2c3d".into(), by, event });
}

#[test]
fn events() {
    let mut rig = rig();
    let text =
        "pod orders-devbridge-6d9f-abcde: Back-off pulling image \"registry.example/agent:0.4\": not found";
    tell(&mut rig, By::Kubernetes, 700, Level::Failure, text);
    insta::assert_snapshot!(rig.pictures());
}

#[test]
fn kubernetes_is_asked_once_for_each_session() {
    let mut rig = Rig::new();
    let asked = |session: &str| Action::Events { session: session.into() };
    assert_eq!(rig.keys("6"), [asked("0a1b2c3d")]);
    assert_eq!(rig.keys("5 6"), []);
    assert_eq!(rig.keys("]"), [asked("1b2c3d4e")]);
    let mut rig = Rig::empty();
    rig.keys("6");
    let effects = rig.state.update(Update::Session(Box::new(sample::orders())));
    assert_eq!(effects, [crate::state::Effect::Do(asked("0a1b2c3d"))], "it came later");
}

#[test]
fn what_kubernetes_tells_late_is_where_its_time_is() {
    let mut rig = rig();
    rig.keys("g j");
    tell(&mut rig, By::Kubernetes, 9000, Level::Info, "deployment orders: ScalingReplicaSet");
    let picture = rig.picture((120, 36));
    let lines: Vec<_> = picture.lines().skip(4).collect();
    assert!(lines[0].contains("ScalingReplicaSet"), "{picture}");
    assert!(lines[2].starts_with('▸'), "what is selected stays so: {picture}");
}

#[test]
fn what_a_session_tells_again_is_there_once() {
    let mut rig = rig();
    tell(&mut rig, By::Kubernetes, 20, Level::Info, "pod orders: Pulled");
    for _ in 0..2 {
        rig.update(Update::Anew { session: "0a1b2c3d".into() });
        tell(&mut rig, By::Devbridge, 10, Level::State, "the way to the agent is back");
    }
    let picture = rig.picture((120, 36));
    let shown = |text: &str| picture.matches(text).count();
    assert_eq!((shown("is back"), shown("Pulled")), (1, 1), "{picture}");
}

#[test]
fn only_warnings_or_what_holds_a_text() {
    let mut rig = rig();
    rig.keys("l");
    let picture = rig.picture((120, 36));
    assert!(picture.contains("refused") && !picture.contains("Started"), "{picture}");
    rig.keys("l /");
    rig.text("KUBERNETES");
    rig.keys("enter");
    let picture = rig.picture((120, 36));
    assert!(!picture.contains("refused") && picture.contains("Started"), "{picture}");
    rig.keys("l");
    insta::assert_snapshot!(rig.picture((60, 15)));
}

#[test]
fn an_event_in_full() {
    let mut rig = rig();
    rig.keys("enter");
    insta::assert_snapshot!(rig.picture((80, 24)));
}
