//! The screen of saves.

use tunnel::status::{Save, SyncedPod};

use super::{Rig, sample};
use crate::action::Action;
use crate::feed::Update;

/// The session whose code runs in the cluster.
fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.keys("] 4");
    rig
}

#[test]
fn sync() {
    insta::assert_snapshot!(rig().pictures());
}

#[test]
fn a_save_in_full() {
    let mut rig = rig();
    rig.keys("enter");
    insta::assert_snapshot!(rig.picture((80, 24)));
}

#[test]
fn without_sync_and_without_saves_it_says_how_to_get_it() {
    let mut rig = Rig::new();
    rig.keys("4");
    insta::assert_snapshot!(rig.picture((100, 15)));
    assert_eq!(rig.keys("v"), [], "there is nothing to compare");
    assert!(rig.picture((100, 15)).contains("nothing to compare"));
}

#[test]
fn saves_of_a_process_on_the_laptop_are_restarts() {
    let mut rig = Rig::new();
    for (generation, listens_ms, failed) in
        [(1, Some(1380), None), (2, None, Some("the process ended with 1")), (3, None, None)]
    {
        let save = Save {
            generation,
            at_ms: sample::ago_ms(10 - generation),
            what: "src/api.ts".into(),
            files: 1,
            listens_ms,
            failed: failed.map(str::to_owned),
            ..Save::default()
        };
        rig.update(Update::Save { session: "0a1b2c3d".into(), save });
    }
    rig.keys("4");
    insta::assert_snapshot!(rig.pictures());
}

#[test]
fn v_compares_and_r_asks_before_it_sends() {
    let mut rig = rig();
    let verify = |repair| Action::Verify { session: "1b2c3d4e".into(), repair };
    assert_eq!(rig.keys("v"), [verify(false)]);
    assert!(rig.picture((80, 24)).contains("comparing…"));
    assert_eq!(rig.keys("R"), []);
    insta::assert_snapshot!(rig.picture((60, 15)));
    assert_eq!(rig.keys("n"), []);
    assert_eq!(rig.keys("R y"), [verify(true)]);
}

#[test]
fn of_many_pods_those_that_are_not_in_sync_come_first() {
    let mut rig = Rig::new();
    let mut session = sample::cart();
    let pod =
        |number| SyncedPod { name: format!("cart-{number:02}"), generation: 418, in_sync: true, why: None };
    if let Some(sync) = &mut session.sync {
        sync.pods.extend((0..20).map(pod));
    }
    rig.update(Update::Session(Box::new(session)));
    rig.keys("] 4");
    insta::assert_snapshot!(rig.picture((80, 24)));
}

#[test]
fn a_save_stays_selected_when_others_come() {
    let mut rig = rig();
    rig.keys("j");
    for generation in 419..425 {
        let save = Save { generation, what: format!("src/{generation}.ts"), ..Save::default() };
        rig.update(Update::Save { session: "1b2c3d4e".into(), save });
    }
    let picture = rig.picture((80, 24));
    let selected = picture.lines().find(|line| line.starts_with('▸')).unwrap_or_default();
    assert!(selected.contains("417"), "{picture}");
}
