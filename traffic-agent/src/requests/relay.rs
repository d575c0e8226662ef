//! Bytes between a caller and whoever serves it, until one of them ends or the caller moves on.
//!
//! Both directions run in one task, so that the exchange's observer sees every byte in order. What a server's
//! end means depends on where the exchange stands: between two exchanges of HTTP/1.x the caller need not know,
//! within one the request may still be given to somebody else, and otherwise the caller gets the same end.

use std::{io, time::Duration};

use bytes::{Buf as _, Bytes};
use tokio::time::Instant;

use super::{
    caller::{Caller, Read},
    exchange::State,
    leg::{Got, Leg},
};
use crate::{
    agent::{Agent, Phase},
    laptop::Condition,
};

mod course;

use course::{Course, End, Event};

/// Shortest time between two questions whether the laptop's process is there again, for one connection.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// Most servers in a row that may end a connection before a byte has passed.
pub(super) const FRUITLESS: u8 = 3;

/// How relaying ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Both directions are finished, or the caller broke the connection.
    Done,
    /// The connection is broken for the caller.
    Reset,
    /// Between two exchanges, and nobody serves: the next request looks for somebody.
    Parked,
    /// What is kept goes to an original.
    Given,
    /// Nothing has passed, and the laptop takes nothing now: somebody else may be about to speak.
    Moved,
    /// The caller has been told that this was the last answer.
    Parted,
    /// One side does not read, and the memory of what waits for it is needed.
    Stalled,
}

/// Relays until the connection ends or must change hands. Not cancel safe: bytes may be lost.
pub(super) async fn relay(agent: &Agent, caller: &mut Caller, leg: &mut Leg) -> Ended {
    let mut course = Course::new();
    let mut phase = agent.phase.subscribe();
    let mut leaving = *phase.borrow_and_update() == Phase::Leaving;
    loop {
        let laptop = leg.laptop();
        course.lasts(laptop, caller, leg);
        let ended = course.leg_end(agent, caller, laptop.is_some()).or_else(|| course.settle(caller, leg));
        if let Some(ended) = ended {
            return ended;
        }
        let mut parts = leg.parts();
        let event = tokio::select! {
            biased;
            event = course.wait(agent, caller, &mut parts) => event,
            _ = phase.changed() => {
                leaving = *phase.borrow_and_update() == Phase::Leaving;
                continue;
            }
        };
        match event {
            Event::Caller(ready) => {
                if moves(agent, caller, laptop) {
                    return Ended::Parked;
                }
                let between = caller.exchange.between();
                let read = ready.and_then(|()| caller.read(|bytes| parts.writer.try_write(bytes)));
                match read {
                    Ok(Read::Some) => {
                        course.used = true;
                        if between {
                            course.begun = Instant::now();
                        }
                    }
                    Ok(Read::Nothing | Read::End) => {}
                    Err(_) => return broken(leg),
                }
            }
            Event::Written(Ok(length)) => {
                caller.to_leg.advance(length);
                caller.kept.sent += length as u64;
            }
            Event::Written(Err(_)) => {
                course.leg_deaf = true;
                caller.to_leg = Bytes::new();
            }
            Event::Leg(got) => {
                let got = match got {
                    Ok(Got::Ready) => course.read_socket(caller, leg, leaving),
                    Ok(Got::Bytes(bytes)) => {
                        course.answer(caller, bytes, leaving);
                        Ok(Read::Some)
                    }
                    Ok(Got::End) => Ok(Read::End),
                    Err(error) => Err(error),
                };
                course.end = match got {
                    Ok(Read::Some | Read::Nothing) => None,
                    Ok(Read::End) => Some(End::Finished),
                    Err(_) => Some(End::Broken),
                };
            }
            Event::Room(ready) => match ready.and_then(|()| caller.tcp.try_write(caller.to_caller.front())) {
                Ok(length) => caller.to_caller.advance(length),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return broken(leg),
            },
            Event::Changed => {}
            Event::Over => return Ended::Done,
            Event::Evicted => return Ended::Stalled,
        }
    }
}

/// Whether the request that comes now is for somebody else than the leg.
fn moves(agent: &Agent, caller: &Caller, laptop: Option<Condition>) -> bool {
    match laptop {
        Some(condition) => caller.exchange.between() && condition != Condition::Up,
        // Not before the first request: that original may be about to speak.
        None => {
            caller.exchange.state() == State::Idle
                && caller.asked.is_some_and(|(session, at)| {
                    at.elapsed() >= ASK_AGAIN && agent.desk.serving() == Some(session)
                })
        }
    }
}

/// The caller broke the connection: so does this side.
fn broken(leg: &mut Leg) -> Ended {
    leg.reset();
    Ended::Done
}
