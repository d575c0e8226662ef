//! The dashboard as lines, one for each thing that happens: nothing moves, so that screen readers, pipes and logs can follow.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::time;
use tui::plain::Plain;

use super::feeding;
use crate::output::Output;

/// Between two looks at what is new.
const LOOK: Duration = Duration::from_millis(100);

/// Prints what happens until nobody reads any more, or Ctrl-C.
pub(super) async fn run(output: &Output) {
    let (feed, _tasks) = feeding();
    let mut plain = Plain::new(TimeZone::system());
    loop {
        let taken = feed.take();
        for line in taken.updates.iter().flat_map(|update| plain.update(update, Timestamp::now())) {
            if output.line(&line).is_err() {
                return;
            }
        }
        if taken.dropped > 0
            && output.line(&format!("{} updates left out: they came too fast", taken.dropped)).is_err()
        {
            return;
        }
        time::sleep(LOOK).await;
    }
}
