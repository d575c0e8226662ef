//! Offering a connection to the laptop.
//!
//! The laptop acknowledges a stream once its process has accepted the connection. The caller's bytes go there at
//! once, and a copy is kept until then: without the acknowledgement an original gets the same bytes, whatever
//! the protocol, and the caller sees nothing of it.

use std::{future::pending, time::Duration};

use bytes::Bytes;
use tokio::{
    io::AsyncWriteExt as _,
    time::{self, Instant},
};
use tracing::debug;
use tunnel::{
    Connection, Flow, Priority,
    message::{MAX_OPEN, Open, Reply},
};

use super::{caller::Caller, leg::Leg};
use crate::{
    agent::Agent,
    laptop::{Place, Seat},
};

/// How long the laptop may take to answer.
const DEADLINE: Duration = Duration::from_secs(2);

/// What became of an offer.
pub(super) enum Offered {
    /// The laptop's process serves.
    Taken(Leg),
    /// It does not; nothing of the caller's bytes is lost.
    NotTaken,
    /// The caller is gone.
    Gone,
}

/// Offers the caller's connection, with what is kept of it; it is asked for since `since`. When cancelled, the stream is
/// reset.
pub(super) async fn offer(agent: &Agent, caller: &mut Caller, seat: Seat, since: Instant) -> Offered {
    match seat.place() {
        Place::Laptop(connection) => {
            let connection = connection.clone();
            offer_to_laptop(&connection, caller, seat, since).await
        }
        Place::Process => match time::timeout(DEADLINE, agent.process.dial(caller.port)).await {
            Ok(Ok(tcp)) => {
                caller.give_kept();
                Offered::Taken(Leg::process(tcp, seat))
            }
            Ok(Err(error)) => {
                debug!(port = caller.port, %error, "the process does not accept");
                Offered::NotTaken
            }
            Err(_) => Offered::NotTaken,
        },
    }
}

async fn offer_to_laptop(
    connection: &Connection,
    caller: &mut Caller,
    mut seat: Seat,
    since: Instant,
) -> Offered {
    let deadline = Instant::now() + DEADLINE;
    let waited = u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX);
    let open = Open::Request { port: caller.port, from: caller.from, waited };
    let opened = connection.open(&open, Priority::Flow);
    let mut flow = match time::timeout_at(deadline, opened).await {
        Ok(Ok(flow)) => flow,
        Ok(Err(error)) => {
            debug!(%error, "laptop takes no stream");
            return Offered::NotTaken;
        }
        Err(_) => return Offered::NotTaken,
    };
    let answer = async {
        tokio::select! {
            biased;
            answer = until_reply(caller, &mut flow) => answer,
            () = seat.silent() => Answer::Silent,
        }
    };
    match time::timeout_at(deadline, answer).await {
        Ok(Answer::Accepted { sent }) => {
            caller.kept.sent = sent as u64;
            caller.to_leg = Bytes::copy_from_slice(caller.kept.bytes.get(sent..).unwrap_or_default());
            caller.forget();
            Offered::Taken(Leg::Laptop { flow, seat })
        }
        Ok(Answer::Gone) => {
            flow.reset();
            Offered::Gone
        }
        Ok(Answer::Other) => Offered::NotTaken,
        Ok(Answer::Silent) | Err(_) => {
            debug!(port = caller.port, "laptop did not answer in time");
            flow.reset();
            Offered::NotTaken
        }
    }
}

enum Answer {
    Accepted { sent: usize },
    Other,
    Silent,
    Gone,
}

async fn until_reply(caller: &mut Caller, flow: &mut Flow) -> Answer {
    let mut sent = 0;
    let mut refuses_bytes = false;
    loop {
        let unsent = caller.kept.bytes.get(sent..).unwrap_or_default();
        let send = &mut flow.send;
        let write = async {
            if unsent.is_empty() || refuses_bytes { pending().await } else { send.write(unsent).await }
        };
        let room = caller.kept.room();
        tokio::select! {
            biased;
            reply = flow.recv.message::<Reply>(MAX_OPEN) => match reply {
                Ok(Some(Reply::Accepted)) => return Answer::Accepted { sent },
                other => {
                    debug!(?other, "laptop does not serve");
                    return Answer::Other;
                }
            },
            written = write => match written {
                Ok(length) => sent += length,
                // The reply tells why.
                Err(_) => refuses_bytes = true,
            },
            ready = caller.tcp.readable(), if room > 0 && !caller.ended => {
                if ready.is_err() || caller.read_into_kept(room).is_err() {
                    return Answer::Gone;
                }
            }
        }
    }
}
