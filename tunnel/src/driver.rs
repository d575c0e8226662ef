//! Keeps a session on a carrier, from the handshake to the close.
//!
//! One task per session. It owns the pump; when that ends it gets the next carrier, by dialling at the laptop, by
//! waiting at the agent, and gives the session up when there is none for the resume time. It does not keep the
//! session alive: it ends within a second after the last [`crate::Connection`] is gone.

use std::{sync::Arc, time::Duration};

use tokio::time::{self, Instant};
use tracing::debug;

use crate::{
    connection::{Closed, LinkState, Shared, lost_for},
    link::Link,
    pump::{CarrierEnd, Pump},
};

/// How long the last datagrams may take on their way out.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);

/// Where carriers come from.
pub(crate) trait Source: Send + 'static {
    /// A pump on a new carrier, which was last there at `since`. Dropped when the resume time is over. The link is
    /// up once the source or its pump has said so.
    fn next(&mut self, since: Instant) -> impl Future<Output = Pump> + Send;

    /// A pump that takes the place of one that still works.
    fn replacement(&mut self) -> impl Future<Output = Pump> + Send;
}

/// Runs until the session is closed.
pub(crate) async fn drive<S: Source>(
    link: Arc<Link>,
    shared: Arc<Shared>,
    mut pump: Pump,
    mut source: S,
    resume: Duration,
) {
    let carried = tokio::select! {
        () = carry(&shared, &mut pump, &mut source, resume) => false,
        _ = shared.quic.closed() => *shared.link.borrow() == LinkState::Up,
    };
    if carried {
        close(&link, &shared, pump).await;
    }
    shared.link.send_if_modified(lost);
    shared.ended.send_replace(true);
}

/// Pumps on one carrier after the other, until there is none for too long.
async fn carry<S: Source>(shared: &Shared, pump: &mut Pump, source: &mut S, resume: Duration) {
    loop {
        tokio::select! {
            end = &mut *pump => {
                debug!(error = &end as &dyn std::error::Error, "carrier ended");
                shared.link.send_if_modified(lost);
                if matches!(end, CarrierEnd::Forgotten) {
                    return shared.close(Closed::Forgotten);
                }
            }
            next = source.replacement() => {
                debug!("carrier replaced");
                *pump = next;
                shared.kick();
                continue;
            }
            // A carrier that was accepted and says nothing is waited for, but not beyond the resume time.
            () = lost_for(shared.link.subscribe(), resume) => return shared.close(Closed::NoCarrier(resume)),
        }
        // The link is up only when the other end has answered, so a carrier that leads nowhere does not gain time.
        let LinkState::Lost { since } = *shared.link.borrow() else { continue };
        match time::timeout_at(since + resume, source.next(since)).await {
            Ok(next) => {
                *pump = next;
                shared.kick();
            }
            Err(_) => return shared.close(Closed::NoCarrier(resume)),
        }
    }
}

/// Lets quinn say goodbye, if it is this end that closes.
async fn close(link: &Link, shared: &Shared, pump: Pump) {
    let said = || shared.quic.stats().frame_tx.connection_close > 0;
    if shared.is_closed_here() {
        let goodbye = async {
            tokio::select! {
                _ = pump => {}
                () = link.flushed(said) => {}
            }
        };
        // Too slow a carrier: the other end finds out by itself.
        let _ = time::timeout(CLOSE_DEADLINE, goodbye).await;
    }
}

/// Notes the moment, unless it was lost before.
fn lost(state: &mut LinkState) -> bool {
    if *state != LinkState::Up {
        return false;
    }
    *state = LinkState::Lost { since: Instant::now() };
    true
}
