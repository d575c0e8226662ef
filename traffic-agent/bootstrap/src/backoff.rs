//! How long to wait before an agent that died is started again.
//!
//! A pure function of how long each one lived. The first restart is immediate: requests wait in the
//! sockets' queues meanwhile. An agent that keeps dying must not take a whole core.

use core::time::Duration;

const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(1);
/// An agent that lived as long as this was fine; its death starts a new series.
const HEALTHY: Duration = Duration::from_secs(10);

/// The wait before the next start.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    /// The wait after an agent that lived for `lifetime`: 0, 10 ms, 20 ms, … 1 s.
    pub(crate) fn after(&mut self, lifetime: Duration) -> Duration {
        if lifetime >= HEALTHY {
            self.next = Duration::ZERO;
        }
        let wait = self.next;
        self.next = (wait * 2).clamp(FIRST, LONGEST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_restart_is_immediate_and_later_ones_wait_longer_up_to_a_second() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..10).map(|_| backoff.after(Duration::ZERO).as_millis()).collect();
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    }

    #[test]
    fn a_healthy_life_starts_the_series_again() {
        let mut backoff = Backoff::default();
        for _ in 0..5 {
            backoff.after(Duration::ZERO);
        }
        assert_eq!(backoff.after(Duration::from_secs(10)), Duration::ZERO);
        assert_eq!(backoff.after(Duration::ZERO), Duration::from_millis(10));
    }
}
