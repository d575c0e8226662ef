//! From single requests to the figures of a row.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::load::Counted;

/// By how much the load's clock and the test's may differ, in seconds: a request that began so soon after a fault may
/// have begun before it.
const CLOCKS: f64 = 0.1;
/// For so long an agent may take a laptop for present that is gone. A POST on a kept connection that it hands over
/// meanwhile is lost, as it may not be asked twice: it is under way, like those from before.
const BELIEVED: f64 = 2.0;
/// Who answers on the laptop, in tests that tell a row.
const LAPTOP: &str = "laptop";

/// What a load saw of a fault. Times are in seconds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Measured {
    /// Requests that began after the fault.
    pub(super) new: u64,
    /// Those of them that failed.
    pub(super) failed: u64,
    /// Those that began when all was settled, and failed.
    pub(super) later: u64,
    /// Those that were under way, and failed.
    pub(super) cut: u64,
    /// Failures of both kinds whose connection was refused.
    pub(super) refused: u64,
    /// From the fault to an original's first answer and the beginning of the last request that failed.
    pub(super) originals: Option<f64>,
    /// The same, with the laptop's first answer where no original was needed.
    pub(super) served: Option<f64>,
    /// From the fault, or its end, to the laptop's first answer to a request that began after originals served.
    pub(super) laptop: Option<f64>,
    /// The longest that a request lasted, of those that began after the fault.
    pub(super) longest: f64,
}

/// When things happened; in seconds, on the load's clock the first, the others after it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moments {
    happened: f64,
    /// The fault ended.
    over: f64,
    /// What it did was over.
    settled: f64,
}

impl Moments {
    /// What was only ordered at `happened` was carried out before `done`.
    pub(super) fn new(
        counted: &Counted,
        happened: Instant,
        done: Option<Instant>,
        over: Option<Instant>,
        settled: Option<Instant>,
    ) -> Self {
        let ordered = counted.clock(happened);
        let carried_out = |done| carried_out(&counted.each, ordered, counted.clock(done));
        let at = done.map_or(ordered, carried_out);
        let after = |instant: Option<Instant>, never: f64| {
            instant.map_or(never, |instant| counted.clock(instant) - at)
        };
        Self { happened: at, over: after(over, 0.0), settled: after(settled, f64::INFINITY) }
    }
}

/// When the laptop was cut off, which was ordered at one moment and done at another: with its last answer between them,
/// and before an original's first.
fn carried_out(each: &BTreeMap<String, Vec<tool::load::Asked>>, ordered: f64, done: f64) -> f64 {
    let answers = |laptop: bool| {
        let by = each.iter().filter(move |(by, _)| !by.is_empty() && (*by == LAPTOP) == laptop);
        let ends = by.flat_map(|(_, all)| all.iter().map(|asked| f64::from(asked.0 + asked.1) / 1e3));
        ends.filter(move |end| (ordered..done).contains(end))
    };
    let original = answers(false).fold(done, f64::min);
    answers(true).filter(|end| *end < original).fold(ordered, f64::max)
}

/// One request, on the clock of the fault.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Asked<'a> {
    began: f64,
    ended: f64,
    /// Nobody where it failed.
    by: &'a str,
    /// It was lost with whom it had been handed to.
    handed: bool,
}

impl Measured {
    pub(super) fn new(counted: &Counted, moments: &Moments) -> Self {
        let at = moments.happened;
        let lost = counted
            .failures
            .iter()
            .filter(|one| one.kind == "kept" && one.method == "POST" && one.step == "wait");
        let lost: Vec<_> = lost.map(|one| one.at - one.after_ms / 1e3 - at).collect();
        let lost = &lost;
        let asked = counted.each.iter().flat_map(|(by, all)| {
            all.iter().map(move |asked| {
                let began = f64::from(asked.0) / 1e3 - at;
                // Told in whole milliseconds.
                let lost = lost.iter().any(|lost| (lost - began).abs() < 0.002);
                let handed = by.is_empty() && lost && began < BELIEVED;
                Asked { began, ended: began + f64::from(asked.1) / 1e3, by, handed }
            })
        });
        let refused = counted.failures.iter().filter(|failure| failure.step == "connect" && failure.at > at);
        Self { refused: refused.count() as u64, ..of(&asked.collect::<Vec<_>>(), moments) }
    }
}

fn of(asked: &[Asked<'_>], moments: &Moments) -> Measured {
    let over = moments.over;
    let after = || asked.iter().filter(|one| one.began > CLOCKS && !one.handed);
    let failed = |one: &&Asked<'_>| one.by.is_empty();
    let cut = |one: &&Asked<'_>| one.by.is_empty() && one.ended > 0.0 && (one.began <= CLOCKS || one.handed);
    let least = |times: &mut dyn Iterator<Item = f64>| times.reduce(f64::min);
    let in_time = |one: &&Asked<'_>| (0.0..moments.settled).contains(&one.ended);
    let by_originals = asked.iter().filter(in_time).filter(|one| !one.by.is_empty() && one.by != LAPTOP);
    let original = least(&mut by_originals.map(|one| one.ended));
    let later = |one: &&Asked<'_>| one.began >= moments.settled;
    let last_failed =
        after().filter(failed).filter(|one| !later(one)).map(|one| one.began).fold(0.0, f64::max);
    let by_laptop = after().filter(|one| one.by == LAPTOP && one.ended > over);
    let laptop = least(&mut by_laptop.filter(|one| one.began > original.unwrap_or(0.0)).map(|one| one.ended));
    Measured {
        new: after().count() as u64,
        failed: after().filter(failed).filter(|one| !later(one)).count() as u64,
        later: after().filter(failed).filter(later).count() as u64,
        cut: asked.iter().filter(cut).count() as u64,
        refused: 0,
        originals: original.map(|original| original.max(last_failed)),
        served: original.or(laptop).map(|answer| answer.max(last_failed)),
        laptop: laptop.map(|laptop| laptop - over),
        longest: after().map(|one| one.ended - one.began).fold(0.0, f64::max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn over(over: f64) -> Moments {
        Moments { happened: 0.0, over, settled: 100.0 }
    }

    const fn asked(began: f64, ended: f64, by: &str) -> Asked<'_> {
        Asked { began, ended, by, handed: false }
    }

    #[test]
    fn what_was_under_way_is_counted_apart_from_what_began_after_the_fault() {
        let all = [
            asked(-2.0, -1.0, ""),
            asked(-1.0, 0.5, ""),
            asked(-1.0, -0.5, LAPTOP),
            asked(1.0, 3.0, ""),
            asked(4.0, 4.5, "web-1"),
            asked(100.0, 101.0, ""),
            Asked { handed: true, ..asked(0.3, 2.3, "") },
        ];
        let seen = of(&all, &over(0.0));
        assert_eq!((seen.new, seen.failed, seen.later, seen.cut), (3, 1, 1, 2));
        assert_eq!(seen.longest, 2.0);
    }

    #[test]
    fn what_was_ordered_was_carried_out_when_the_laptop_answered_last() {
        let asked = |all: &[(u32, u32)]| all.iter().map(|one| tool::load::Asked(one.0, one.1)).collect();
        let mut each = BTreeMap::from([
            (LAPTOP.to_owned(), asked(&[(900, 50), (1_100, 200), (1_250, 10), (4_000, 100)])),
            (String::new(), asked(&[(1_350, 10_000)])),
        ]);
        assert_eq!(carried_out(&each, 1.0, 2.0), 1.3);
        assert_eq!(carried_out(&each, 1.4, 2.0), 1.4);
        // It serves again before all is done.
        each.insert("web-1".to_owned(), asked(&[(3_000, 100)]));
        assert_eq!(carried_out(&each, 1.0, 5.0), 1.3);
    }

    #[test]
    fn originals_serve_when_one_has_answered_and_nothing_fails_that_begins_later() {
        let serve = |all: &[Asked<'_>]| of(all, &over(0.0)).originals;
        assert_eq!(serve(&[asked(0.5, 1.5, "web-1"), asked(0.2, 9.0, "")]), Some(1.5));
        assert_eq!(serve(&[asked(0.5, 1.5, "web-1"), asked(2.0, 9.0, "")]), Some(2.0));
        assert_eq!(serve(&[asked(0.5, 1.5, LAPTOP)]), None);
        let laptop_was_faster = of(&[asked(0.2, 0.3, ""), asked(0.5, 1.5, LAPTOP)], &over(0.0));
        assert_eq!((laptop_was_faster.originals, laptop_was_faster.served), (None, Some(1.5)));
        // After leave.
        assert_eq!(serve(&[asked(101.0, 102.0, "web-1")]), None);
    }

    #[test]
    fn the_laptop_serves_again_with_its_first_answer_to_a_request_that_began_after_originals_served() {
        let all = [
            asked(-1.0, 0.5, LAPTOP),
            asked(0.5, 2.5, LAPTOP),
            asked(1.0, 2.0, "web-1"),
            asked(7.0, 8.0, LAPTOP),
        ];
        assert_eq!(of(&all, &over(0.0)).laptop, Some(8.0));
        assert_eq!(of(&all, &over(6.0)).laptop, Some(2.0));
        // Held back: there was no original.
        assert_eq!(of(&[asked(0.5, 2.5, LAPTOP)], &over(2.0)).laptop, Some(0.5));
    }
}
