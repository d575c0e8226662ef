//! Asking the laptop to serve a caller, for as long as its developer wants callers to wait.
//!
//! What happens when it does not serve is the session's choice ([`Unavailable`]): originals at once, originals
//! after a while, or an error. Waiting callers are asked for again and again, because only the laptop's process
//! itself can say that it listens. They are bounded in number and time, and what waits with them in bytes.

use std::time::Duration;

use tokio::{
    sync::SemaphorePermit,
    time::{self, Instant},
};
use tracing::debug;
use tunnel::message::{HOLD_LIMIT, Unavailable};

use super::{
    caller::Caller,
    leg::Leg,
    offer::{Offered, offer},
};
use crate::agent::Agent;

/// Most callers that wait for the laptop at a time, each with a request of at most 64 KiB; more are not held.
pub(crate) const HELD_LIMIT: usize = 256;
/// Pause between two questions for a caller that waits.
const AGAIN: Duration = Duration::from_millis(100);

/// Who serves a caller.
pub(super) enum Asked {
    /// The laptop.
    Taken(Leg),
    /// An original shall.
    Original,
    /// Nobody shall.
    Nobody,
    /// The caller is gone.
    Gone,
}

/// Offers the caller, with what is kept of it, to the laptop.
pub(super) async fn ask(agent: &Agent, caller: &mut Caller) -> Asked {
    let started = Instant::now();
    let mut held: Option<SemaphorePermit<'_>> = None;
    loop {
        if let Some(seat) = agent.desk.choose(started).await {
            caller.asked = Some((seat.session(), Instant::now()));
            match offer(agent, caller, seat, started).await {
                Offered::Taken(leg) => {
                    agent.counts.laptop();
                    return Asked::Taken(leg);
                }
                Offered::Gone => return Asked::Gone,
                Offered::NotTaken => {}
            }
        }
        let limit = match agent.desk.unavailable() {
            None | Some(Unavailable::Cluster) => return Asked::Original,
            Some(Unavailable::Error) => return Asked::Nobody,
            Some(Unavailable::Hold { millis }) => Duration::from_millis(millis.min(HOLD_LIMIT).into()),
        };
        let until = (Instant::now() + AGAIN).min(started + limit);
        if held.is_none() {
            held = agent.held.try_acquire().ok();
        }
        if held.is_none() || until <= Instant::now() {
            debug!(port = caller.port, "not held any longer");
            return Asked::Original;
        }
        if let Ok(Gone) = time::timeout_at(until, gone(caller)).await {
            return Asked::Gone;
        }
    }
}

/// The caller broke its connection.
struct Gone;

/// Reads what the caller sends, as much as is kept; resolves when the connection breaks. Cancel safe.
async fn gone(caller: &mut Caller) -> Gone {
    loop {
        let room = caller.kept.room();
        if room == 0 || caller.ended {
            return std::future::pending().await;
        }
        if caller.tcp.readable().await.is_err() || caller.read_into_kept(room).is_err() {
            return Gone;
        }
    }
}
