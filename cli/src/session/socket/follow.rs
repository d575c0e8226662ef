//! What a session tells who follows it: its state, all that its journal has, and then both as they come.

use std::io;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{self, Instant};
use tunnel::status::{Link, News, Session};

use crate::session::journal::{Journal, Place};
use crate::session::status::Board;

/// Between two states that are told.
const PACE: Duration = Duration::from_millis(250);
/// News that are taken in one go.
const AT_ONCE: usize = 100;

/// Tells until nobody listens, or the session is `over` and all is told.
pub(super) async fn tell(
    board: &Board,
    journal: &Journal,
    over: impl Future<Output = ()>,
    to: &mpsc::Sender<News>,
) -> io::Result<()> {
    let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
    let (mut states, mut changes) = (board.changes(), journal.changes());
    let mut told = states.borrow_and_update().clone();
    to.send(News::Session(Box::new(told.clone()))).await.map_err(gone)?;
    let mut next = Instant::now() + PACE;
    let mut place = Place::default();
    // Whether the state that was told is not the newest, and whether the session is over.
    let (mut stale, mut ended) = (false, false);
    tokio::pin!(over);
    loop {
        let news = journal.since(&mut place, AT_ONCE);
        let all = news.is_empty();
        for one in news {
            to.send(one).await.map_err(gone)?;
        }
        if stale && (ended || Instant::now() >= next) {
            stale = false;
            let now = states.borrow_and_update().clone();
            if is_news(&told, &now) {
                told = now;
                to.send(News::Session(Box::new(told.clone()))).await.map_err(gone)?;
                next = Instant::now() + PACE;
            }
        }
        if !all {
            continue;
        }
        if ended {
            return Ok(());
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return Ok(()) },
            changed = states.changed(), if !stale => match changed {
                Ok(()) => stale = true,
                Err(_) => return Ok(()),
            },
            () = time::sleep_until(next), if stale => {}
            () = &mut over => {
                ended = true;
                stale |= states.has_changed().unwrap_or_default();
            }
            () = to.closed() => return Ok(()),
        }
    }
}

/// A round trip is a little longer or shorter each time.
fn is_news(told: &Session, now: &Session) -> bool {
    match (&told.link, &now.link) {
        (Link::Up { round_trip_us: before }, Link::Up { round_trip_us: after }) => {
            before.abs_diff(*after).saturating_mul(5) > *before
                || *told != Session { link: told.link.clone(), ..now.clone() }
        }
        _ => told != now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::status::tests::session;

    #[test]
    fn a_round_trip_is_news_when_it_is_another() {
        let up = |round_trip_us| Session { link: Link::Up { round_trip_us }, ..session() };
        assert!(!is_news(&up(100), &up(100)) && !is_news(&up(100), &up(120)) && !is_news(&up(100), &up(80)));
        assert!(is_news(&up(100), &up(121)) && is_news(&session(), &up(1)));
        assert!(is_news(&up(100), &Session { restarts: 1, ..up(101) }));
    }
}
