//! When the loop looks for what is new, and when it draws: as late as nobody notices, at once after a key.

use std::time::{Duration, Instant};

/// Between two pictures, and between two looks when nothing is pressed.
const PICTURE: Duration = Duration::from_millis(100);

/// When it was done last.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace {
    looked: Option<Instant>,
    drawn: Option<Instant>,
}

impl Pace {
    /// Whether it is time to look: it is long ago, or something has `changed` and may be drawn.
    pub(crate) fn looks(&self, now: Instant, changed: bool) -> bool {
        is_due(self.looked, now) || changed && self.draws(now)
    }

    /// Whether a picture may be drawn.
    pub(crate) fn draws(&self, now: Instant) -> bool {
        is_due(self.drawn, now)
    }

    /// It was looked.
    pub(crate) fn looked(&mut self, now: Instant) {
        self.looked = Some(now);
    }

    /// It was drawn.
    pub(crate) fn drawn(&mut self, now: Instant) {
        self.drawn = Some(now);
    }

    /// How long to wait for a key until it is time to look.
    pub(crate) fn wait(&self, now: Instant, changed: bool) -> Duration {
        let left = |last: Option<Instant>| {
            last.map_or(Duration::ZERO, |last| PICTURE.saturating_sub(now.duration_since(last)))
        };
        if changed { left(self.looked).min(left(self.drawn)) } else { left(self.looked) }
    }
}

fn is_due(last: Option<Instant>, now: Instant) -> bool {
    last.is_none_or(|last| now.duration_since(last) >= PICTURE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_after_a_rest_is_drawn_at_once() {
        let start = Instant::now();
        let mut pace = Pace::default();
        pace.drawn(start);
        let look = start + 5 * PICTURE;
        pace.looked(look);
        let key = look + PICTURE / 10;
        assert!(!pace.looks(key, false));
        assert!(pace.looks(key, true) && pace.draws(key) && pace.wait(key, true).is_zero());
    }

    proptest! {
        #[test]
        fn there_are_ten_pictures_a_second_whatever_is_pressed(keys in prop::collection::vec(1..60u64, 1..400)) {
            let start = Instant::now();
            let (mut pace, mut now) = (Pace::default(), start);
            let mut pictures = Vec::new();
            for key in keys {
                // A key each so many milliseconds; the loop wakes for it, and when it has waited long enough.
                let pressed = now + Duration::from_millis(key);
                while now < pressed {
                    let wait = pace.wait(now, true);
                    prop_assert!(wait <= PICTURE);
                    now = pressed.min(now + wait.max(Duration::from_millis(1)));
                    if pace.looks(now, true) {
                        pace.looked(now);
                        if pace.draws(now) {
                            pace.drawn(now);
                            pictures.push(now);
                        }
                    }
                }
            }
            for pair in pictures.windows(2) {
                let between = pair[1] - pair[0];
                prop_assert!(between >= PICTURE && between < 2 * PICTURE, "{between:?}");
            }
        }
    }
}
