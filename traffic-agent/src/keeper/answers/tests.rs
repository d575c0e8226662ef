use std::ops::Range;

use super::*;

const SECOND: u64 = 1_000;

/// A machine, the keeper's network and the API server, of which each may be away; in milliseconds.
struct World {
    /// Since when questions are asked; the API server is asked since zero.
    phase: u64,
    machine_away: Range<u64>,
    api_away: Range<u64>,
    /// From a packet to the answer, after 5 s; 1 ms before.
    delay: u64,
    /// A packet of which so many are lost, one after the other, of so many.
    lost: (u64, u64),
}

impl Default for World {
    fn default() -> Self {
        Self { phase: 0, machine_away: 0..0, api_away: 0..0, delay: 1, lost: (0, 1) }
    }
}

enum Seen {
    Answer { asked: u64, answer: Answer },
    Heard { asked: u64 },
}

impl World {
    /// When the machine is called gone, in 20 s.
    fn gone(&self) -> Option<u64> {
        let start = Instant::now();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let mut answers = Answers::default();
        let mut seen = self.seen();
        seen.sort_by_key(|(when, _)| *when);
        seen.into_iter().find_map(|(when, seen)| {
            match seen {
                Seen::Answer { asked, answer } => answers.take(at(asked), answer),
                Seen::Heard { asked } => answers.heard(at(asked), at(when)),
            }
            answers.is_gone().then_some(when)
        })
    }

    fn seen(&self) -> Vec<(u64, Seen)> {
        let mut all = Vec::new();
        let every = EVERY.as_millis() as u64;
        for (number, asked) in (self.phase..20 * SECOND).step_by(every as usize).enumerate() {
            let taken = self.taken(number as u64, asked);
            let mut tell = |when: u64, answer| all.push((when, Seen::Answer { asked, answer }));
            match taken {
                Some(taken) if taken <= asked + 400 => tell(taken, Answer::Ready),
                other => {
                    tell(asked + 400, Answer::Silence);
                    if let Some(taken) = other.filter(|taken| *taken <= asked + 2_500) {
                        tell(taken, Answer::Late);
                    }
                }
            }
        }
        // One question after the other; one that got no answer is sent again until it does, for 3 s.
        let mut asked = 0;
        while asked < 20 * SECOND {
            let sent = (asked..asked + 3 * SECOND).step_by(100).find(|sent| !self.api_away.contains(sent));
            if let Some(sent) = sent {
                all.push((sent + 20, Seen::Heard { asked }));
            }
            asked = sent.map_or(asked + 3 * SECOND, |sent| (sent + 20).max(asked + SECOND));
        }
        all
    }

    /// When a connection is taken: the kernel sends its packet again after 1 s and after 2 s more.
    fn taken(&self, number: u64, asked: u64) -> Option<u64> {
        let (lost, of) = self.lost;
        let arrives = |(again, sent): (u64, &u64)| {
            !self.machine_away.contains(sent) && (number + again) % of >= lost.min(of)
        };
        let sent = [asked, asked + SECOND, asked + 3 * SECOND];
        let arrived = (0..).zip(&sent).find(|one| arrives(*one)).map(|(_, sent)| *sent);
        arrived.map(|sent| sent + if sent < 5 * SECOND { 1 } else { self.delay })
    }
}

/// From which millisecond on something happens, as questions see it.
fn moments() -> impl Iterator<Item = u64> {
    (5 * SECOND..6 * SECOND).step_by(10)
}

#[test]
fn a_machine_that_is_gone_is_known_to_be_within_three_seconds() {
    for phase in (0..500).step_by(50) {
        for at in moments() {
            let gone = World { phase, machine_away: at..u64::MAX, ..World::default() }.gone();
            let after = gone.expect("never") - at;
            assert!((2_400..=2_900).contains(&after), "{phase}, {at}: {after}");
        }
    }
}

#[test]
fn two_seconds_without_a_network_are_not_the_end_of_a_machine() {
    for at in moments() {
        let gone = World { machine_away: at..at + 2 * SECOND, ..World::default() }.gone();
        assert_eq!(gone, None, "{at}");
    }
}

#[test]
fn a_slow_way_is_one() {
    for delay in [300, 500, 900, 1_500, 2_300] {
        assert_eq!(World { delay, ..World::default() }.gone(), None, "{delay}");
    }
}

#[test]
fn a_way_on_which_packets_are_lost_is_one() {
    for lost in [(1, 2), (2, 3), (3, 4)] {
        assert_eq!(World { lost, ..World::default() }.gone(), None, "{lost:?}");
    }
}

#[test]
fn a_keeper_that_hears_nobody_calls_nobody_gone() {
    for at in moments() {
        for long in [3 * SECOND, 4 * SECOND, 10 * SECOND] {
            let away = at..at + long;
            let gone = World { machine_away: away.clone(), api_away: away, ..World::default() }.gone();
            assert_eq!(gone, None, "{at}, {long}");
        }
    }
}

#[test]
fn a_machine_is_gone_even_if_it_takes_the_api_server_along_for_a_while() {
    let gone = World { machine_away: 5_000..u64::MAX, api_away: 5_000..9_000, ..World::default() }.gone();
    assert!(gone.is_some_and(|gone| (9_000..11_000).contains(&gone)), "{gone:?}");
}

#[test]
fn whoever_was_never_ready_is_neither_missing_nor_gone() {
    let gone = World { machine_away: 0..u64::MAX, ..World::default() }.gone();
    assert_eq!(gone, None);
}

#[test]
fn three_misses_in_a_row_are_needed_and_in_the_order_of_questions() {
    let start = Instant::now();
    let mut answers = Answers::default();
    let mut take = |number: u32, answer| {
        answers.take(start + EVERY * number, answer);
        answers.are_missing()
    };
    take(0, Answer::Ready);
    assert!(!take(2, Answer::Ready));
    // It was asked before the one that is ready.
    assert!(!take(1, Answer::Unready));
    assert!(!take(3, Answer::Unready));
    assert!(!take(4, Answer::Silence));
    assert!(!take(4, Answer::Late));
    assert!(take(5, Answer::Unready));
    assert!(!take(6, Answer::Ready));
}

#[test]
fn words_that_were_waited_for_since_before_do_not_end_a_silence() {
    let start = Instant::now();
    let mut answers = Answers::default();
    answers.take(start, Answer::Ready);
    for number in 2..=6 {
        answers.take(start + EVERY * number, Answer::Silence);
    }
    answers.heard(start + EVERY * 3, start + EVERY * 4);
    // Taken just before the machine went.
    answers.take(start + EVERY, Answer::Unready);
    assert!(answers.is_gone());
    answers.take(start + EVERY * 4, Answer::Late);
    assert!(!answers.is_gone());
}
