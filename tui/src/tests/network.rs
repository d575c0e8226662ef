//! The screen of names and addresses.

use tunnel::status::{Network, Process};

use super::{Rig, sample};
use crate::feed::Update;

fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.keys("3");
    rig
}

#[test]
fn network() {
    insta::assert_snapshot!(rig().pictures());
}

#[test]
fn a_row_in_full() {
    let mut rig = rig();
    // The name that failed, the one that did not, the address that failed.
    rig.keys("j j enter");
    insta::assert_snapshot!(rig.picture((80, 24)));
}

#[test]
fn why_there_is_nothing() {
    let mut rig = rig();
    rig.keys("]");
    let synced = rig.picture((60, 15));
    let mut rig = self::rig();
    let update = |rig: &mut Rig, process| {
        let mut session = sample::orders();
        session.process = process;
        let network = Box::<Network>::default();
        rig.update(Update::Network { session: session.id.clone(), network });
        rig.update(Update::Session(Box::new(session)));
        rig.picture((100, 15))
    };
    let none = update(&mut rig, Process::None);
    let silent = update(&mut rig, Process::Running { pid: 8 });
    insta::assert_snapshot!([synced, none, silent].join("\n---\n"));
}

#[test]
fn a_filter_looks_at_names_addresses_and_answers() {
    for (filter, shown, hidden) in [
        ("NXDOMAIN", "redis", "10.0.0.7"),
        ("CART.", "10.96.3.9:80", "redis"),
        ("0.7:443", "refused", "redis"),
    ] {
        let mut rig = rig();
        rig.keys("/");
        rig.text(filter);
        rig.keys("enter");
        let picture = rig.picture((120, 36));
        assert!(picture.contains(shown) && !picture.contains(hidden), "{filter}: {picture}");
        rig.keys("esc");
        assert!(rig.picture((120, 36)).contains(hidden), "esc takes it away");
    }
}

#[test]
fn the_selected_row_stays_when_others_are_sorted_before_it() {
    let mut rig = rig();
    rig.keys("j");
    let selected = |rig: &mut Rig| {
        let picture = rig.picture((120, 36));
        picture.lines().find(|line| line.starts_with('▸')).unwrap_or_default().to_owned()
    };
    let before = selected(&mut rig);
    assert!(before.contains("cart.shop"), "{before}");
    let mut network = sample::network();
    for number in 0..5 {
        let name = tunnel::status::Name { name: format!("new{number}"), failed: 1, ..network.dns[1].clone() };
        network.dns.push(name);
    }
    rig.update(Update::Network { session: "0a1b2c3d".into(), network: Box::new(network) });
    assert!(selected(&mut rig).contains("cart.shop"));
}

#[test]
fn n_goes_to_the_next_that_failed_over_both_tables() {
    let mut rig = rig();
    rig.keys("n enter");
    assert!(rig.picture((80, 24)).contains("10.0.0.7:443 ─"));
    rig.keys("esc n");
    assert!(rig.picture((80, 24)).contains("nothing failed below"));
    rig.keys("N enter");
    assert!(rig.picture((80, 24)).contains("redis ─"));
}

#[test]
fn many_rows_leave_room_for_both_tables() {
    let mut rig = rig();
    let mut network = sample::network();
    for number in 0..60 {
        let name = tunnel::status::Name { name: format!("name{number:02}"), ..network.dns[0].clone() };
        let peer =
            tunnel::status::Peer { address: format!("10.1.0.{number}:80"), ..network.outbound[0].clone() };
        network.dns.push(name);
        network.outbound.push(peer);
    }
    rig.update(Update::Network { session: "0a1b2c3d".into(), network: Box::new(network) });
    rig.keys("G");
    insta::assert_snapshot!(rig.picture((80, 24)));
}
