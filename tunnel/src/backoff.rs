//! How long to wait before the agent is dialled again.
//!
//! A pure function of the attempt, so that the schedule can be read and tested without a clock. Jitter is the
//! caller's random number: laptops that lost the same API server must not come back in step.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// The pause before attempt number `attempt` after the link was lost. Attempt 0 is made at once; then 0.1 s,
/// doubled up to 5 s. `jitter` of 0 takes a quarter off, of `u8::MAX` adds a quarter.
pub(crate) fn pause(attempt: u32, jitter: u8) -> Duration {
    let Some(doublings) = attempt.checked_sub(1) else { return Duration::ZERO };
    let pause = FIRST.saturating_mul(2u32.saturating_pow(doublings)).min(LONGEST);
    pause * 3 / 4 + pause * u32::from(jitter) / u32::from(u8::MAX) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_attempt_is_made_at_once() {
        assert_eq!(pause(0, 255), Duration::ZERO);
    }

    #[test]
    fn pauses_double_from_a_tenth_of_a_second_to_five_seconds() {
        let middle: Vec<u128> = (1..=8).map(|n| (pause(n, 0) + pause(n, 255)).as_millis() / 2).collect();
        assert_eq!(middle, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert!(pause(u32::MAX, 255) <= LONGEST * 5 / 4);
    }

    #[test]
    fn jitter_moves_a_pause_by_a_quarter_each_way() {
        assert_eq!(pause(1, 0), Duration::from_millis(75));
        assert_eq!(pause(1, 255), Duration::from_millis(125));
    }
}
