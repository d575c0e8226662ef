//! How many requests come, and how fast they are answered.

use inspector::Exchange;
use jiff::Timestamp;

/// Seconds that a rate is taken over.
const WINDOW: i64 = 10;
/// Seconds that are drawn, each as a bar.
const BARS: usize = 30;

/// Of the last ten seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Rate {
    /// Requests that began.
    pub(crate) requests: usize,
    /// Within so many microseconds 95 of 100 were answered; none: none was.
    pub(crate) p95_us: Option<u64>,
}

impl Rate {
    /// `12`, `0.3`
    pub(crate) fn per_second(self) -> String {
        let rate = self.requests as f64 / WINDOW as f64;
        if self.requests == 0 || rate >= 10.0 { format!("{rate:.0}") } else { format!("{rate:.1}") }
    }
}

/// The rate of these exchanges, now. Replays do not count.
pub(crate) fn of<'a>(exchanges: impl Iterator<Item = &'a Exchange>, now: Timestamp) -> Rate {
    let recent = |exchange: &&Exchange| {
        let age = now.as_second() - exchange.started.as_second();
        (0..WINDOW).contains(&age) && exchange.replay_of.is_none()
    };
    let recent: Vec<_> = exchanges.filter(recent).collect();
    let mut micros: Vec<_> = recent.iter().filter_map(|exchange| exchange.timing.total_us).collect();
    micros.sort_unstable();
    let at = (micros.len() * 95).div_ceil(100).saturating_sub(1);
    Rate { requests: recent.len(), p95_us: micros.get(at).copied() }
}

/// How many began in each of the last seconds, oldest first.
pub(crate) fn seconds<'a>(exchanges: impl Iterator<Item = &'a Exchange>, now: Timestamp) -> Vec<usize> {
    let mut seconds = vec![0; BARS];
    for exchange in exchanges {
        let age = now.as_second() - exchange.started.as_second();
        let at = usize::try_from(age).ok().and_then(|age| BARS.checked_sub(age + 1));
        if let Some(count) = at.and_then(|at| seconds.get_mut(at)) {
            *count += 1;
        }
    }
    seconds
}

/// Numbers as bars, the highest in full, and what that stands for.
pub(crate) fn bars(numbers: &[usize], ascii: bool) -> String {
    let levels: &[char] = if ascii {
        &['_', '.', '-', '=', '#']
    } else {
        &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
    };
    let most = numbers.iter().copied().max().unwrap_or(0);
    let top = levels.len() - 1;
    let bar = |number: &usize| levels.get((number * top).div_ceil(most.max(1))).copied().unwrap_or(' ');
    format!("{} {most}", numbers.iter().map(bar).collect::<String>())
}

#[cfg(test)]
mod tests {
    use inspector::{Direction, Route};

    use super::*;

    fn exchange(second: i64, total_us: u64) -> Exchange {
        let started = Timestamp::from_second(second).unwrap();
        let route = Route::Laptop { why: String::new() };
        let mut exchange = Exchange::new(started, Direction::Requests, 80, route);
        exchange.timing.total_us = Some(total_us);
        exchange
    }

    #[test]
    fn a_rate_is_that_of_the_last_seconds() {
        let all: Vec<_> = (1..=100).map(|number| exchange(1000 + number % 10, number as u64)).collect();
        let now = Timestamp::from_second(1009).unwrap();
        let rate = of(all.iter(), now);
        assert_eq!((rate.requests, rate.p95_us, rate.per_second().as_str()), (100, Some(95), "10"));
        let later = of(all.iter(), Timestamp::from_second(1014).unwrap());
        assert_eq!((later.requests, later.per_second().as_str()), (50, "5.0"));
        assert_eq!(of(all.iter(), Timestamp::from_second(1100).unwrap()), Rate::default());
    }

    #[test]
    fn bars_are_as_high_as_their_numbers() {
        assert_eq!(bars(&[0, 1, 4, 8], false), "▁▂▅█ 8");
        assert_eq!(bars(&[0, 0], true), "__ 0");
    }
}
