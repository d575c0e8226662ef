//! Bytes between a caller and whoever serves it, until one of them ends or the caller moves on.
//!
//! Both directions run in one task, so that the exchange's observer sees every byte in order. What a server's
//! end means depends on where the exchange stands: between two exchanges of HTTP/1.x the caller need not know,
//! within one the request may still be given to somebody else, and otherwise the caller gets the same end.

use std::{future::pending, io, time::Duration};

use bytes::{Buf as _, Bytes, BytesMut};
use futures::FutureExt as _;
use tokio::time::{self, Instant};

use super::{
    caller::{Caller, LINGER, Read, read_socket},
    exchange::State,
    leg::{Got, Leg, Parts, Reader, Writer},
};
use crate::{
    agent::{Agent, Phase},
    laptop::{Condition, PATIENCE},
};

/// Most bytes taken from a server's socket at once.
const READ: usize = 128 << 10;
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
    /// The caller has been told that this was the last answer.
    Parted,
    /// One side does not read, and the memory of what waits for it is needed.
    Stalled,
}

/// What ended a server's direction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Finished,
    Broken,
}

/// State of one relay, besides the caller's own.
struct Course {
    /// A byte has passed to or from this leg.
    used: bool,
    /// How the leg ended, until the caller has taken what came before.
    end: Option<End>,
    /// The leg sends no more, and the caller shall learn it.
    leg_ended: bool,
    /// The leg takes no more bytes.
    leg_deaf: bool,
    /// The leg has been told that no more bytes come.
    leg_finished: bool,
    /// The caller has been told that no more bytes come.
    caller_finished: bool,
    /// The caller has been told that the answer is the last.
    told: bool,
    /// When to stop waiting for the caller's end.
    linger: Option<Instant>,
    /// When the newest request began.
    begun: Instant,
    /// The leg's process is to be started anew, and waits for this request no longer than until then.
    patience: Option<Instant>,
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

/// What a relay waits for.
enum Event {
    /// The caller may have sent something.
    Caller(io::Result<()>),
    /// The leg has taken bytes.
    Written(io::Result<usize>),
    /// The leg has sent something, or ended.
    Leg(io::Result<Got>),
    /// The caller may take more.
    Room(io::Result<()>),
    /// The laptop's condition is another, or its process waits for the request no more.
    Changed,
    /// The caller had enough time to end.
    Over,
    /// What waits takes too much memory.
    Evicted,
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

/// Writes a part; what can't be written counts against the budget.
async fn write(agent: &Agent, writer: &mut Writer<'_>, bytes: &[u8]) -> Event {
    tokio::select! {
        biased;
        written = writer.write(bytes) => Event::Written(written),
        () = async { agent.budget.hold(bytes.len()).evicted().await } => Event::Evicted,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => time::sleep_until(deadline).await,
        None => pending().await,
    }
}

impl Course {
    /// A request that is under way at the beginning counts from there.
    fn new() -> Self {
        Self {
            used: false,
            end: None,
            leg_ended: false,
            leg_deaf: false,
            leg_finished: false,
            caller_finished: false,
            told: false,
            linger: None,
            begun: Instant::now(),
            patience: None,
        }
    }

    /// Tells the leg whether a restart of its process waits for it.
    fn lasts(&mut self, laptop: Option<Condition>, caller: &Caller, leg: &mut Leg) {
        self.patience = None;
        if laptop != Some(Condition::Paused) {
            return leg.set_lasts(false);
        }
        let until = self.begun + PATIENCE;
        let lasts = caller.exchange.is_opaque() || Instant::now() >= until;
        if !lasts {
            self.patience = Some(until);
        }
        leg.set_lasts(lasts);
    }

    /// Waits for the next thing to do. Cancel safe.
    async fn wait(&self, agent: &Agent, caller: &Caller, parts: &mut Parts<'_>) -> Event {
        let reads_caller = !caller.ended && caller.to_leg.is_empty() && !self.leg_deaf;
        let Parts { reader, writer, change } = parts;
        // A socket keeps what is not read, at the expense of who sent it. A stream keeps it here, uncounted.
        let room = match reader {
            Reader::Tcp(_) => caller.to_caller.is_empty(),
            Reader::Flow(_) => caller.to_caller.has_room(),
        };
        let reads_leg = room && !self.leg_ended && self.end.is_none();
        if reads_leg && caller.exchange.between() {
            // Before a new request: a server that has ended the connection must not get it.
            if let Some(got) = reader.ready().now_or_never() {
                return Event::Leg(got);
            }
        }
        tokio::select! {
            ready = caller.tcp.readable(), if reads_caller => Event::Caller(ready),
            written = write(agent, writer, &caller.to_leg), if !caller.to_leg.is_empty() => written,
            got = reader.ready(), if reads_leg => Event::Leg(got),
            ready = caller.tcp.writable(), if !caller.to_caller.is_empty() => Event::Room(ready),
            () = change.changed() => Event::Changed,
            () = until(self.patience) => Event::Changed,
            () = until(self.linger) => Event::Over,
            () = caller.to_caller.evicted() => Event::Evicted,
        }
    }

    /// What follows from the state alone, before waiting for anything.
    fn settle(&mut self, caller: &mut Caller, leg: &mut Leg) -> Option<Ended> {
        if !caller.to_caller.is_empty() {
            return None;
        }
        let state = caller.exchange.state();
        if self.told && state == State::Last && !self.leg_ended {
            return Some(Ended::Parted);
        }
        if state == State::Idle && caller.ended && caller.to_leg.is_empty() {
            // It asks nothing more, and nothing is owed to it.
            return Some(Ended::Parked);
        }
        if !self.leg_ended {
            match leg.laptop() {
                Some(Condition::Silent | Condition::Leaving | Condition::Paused)
                    if state == State::Idle && !caller.ended =>
                {
                    return Some(Ended::Parked);
                }
                Some(Condition::Silent | Condition::Leaving | Condition::Paused)
                    if state == State::Fresh && !caller.ended =>
                {
                    return Some(Ended::Given);
                }
                Some(Condition::Silent) if caller.can_give_again() => return Some(Ended::Given),
                // What is in the middle of its bytes survives an outage; a question gets an end.
                Some(Condition::Silent) if caller.exchange.awaits() => return Some(Ended::Reset),
                _ => {}
            }
        }
        if self.leg_ended && !self.caller_finished {
            self.caller_finished = true;
            caller.finish();
            if state != State::Opaque {
                self.linger = Some(Instant::now() + LINGER);
            }
        }
        if caller.ended && caller.to_leg.is_empty() && !self.leg_finished && !self.leg_deaf {
            self.leg_finished = true;
            leg.parts().writer.finish();
        }
        let up_is_over = self.leg_finished || self.leg_deaf;
        (self.caller_finished && up_is_over).then_some(Ended::Done)
    }

    fn read_socket(&mut self, caller: &mut Caller, leg: &Leg, leaving: bool) -> io::Result<Read> {
        let (Leg::Original { tcp } | Leg::Process { tcp, .. }) = leg else { return Ok(Read::Nothing) };
        if leaving || caller.farewell.collecting() {
            let mut got = Bytes::new();
            let read = read_socket(tcp, READ, |bytes| got = Bytes::copy_from_slice(bytes))?;
            if read == Read::Some {
                self.answer(caller, got, leaving);
            }
            return Ok(read);
        }
        // The usual way: nothing is copied unless the caller is slower than the server.
        let used = &mut self.used;
        read_socket(tcp, READ, |bytes| {
            *used = true;
            caller.fruitless = 0;
            caller.exchange.answer(bytes);
            caller.kept.forget();
            // An error shows up at the next write.
            let taken = caller.tcp.try_write(bytes).unwrap_or(0);
            caller.to_caller.push(Bytes::copy_from_slice(bytes.get(taken..).unwrap_or_default()));
        })
    }

    /// Passes on bytes of the server.
    fn answer(&mut self, caller: &mut Caller, mut bytes: Bytes, leaving: bool) {
        self.used = true;
        caller.fruitless = 0;
        caller.kept.forget();
        if !leaving && !caller.farewell.collecting() {
            caller.exchange.answer(&bytes);
            return caller.give(bytes);
        }
        let mut out = BytesMut::new();
        while !bytes.is_empty() {
            if caller.exchange.answer_begins() {
                caller.farewell.begin();
            }
            let part = bytes.split_to(caller.exchange.answer_part(&bytes).clamp(1, bytes.len()));
            if !caller.farewell.collecting() {
                out.extend_from_slice(&part);
            } else if let Some(said) = caller.farewell.push(&part) {
                out.extend_from_slice(&said.bytes);
                self.told |= said.told;
            }
        }
        if self.told {
            caller.exchange.set_last();
        }
        caller.give(out.freeze());
    }

    /// What follows from the leg's end, once the caller has taken what came before. `None`: nothing, or the caller
    /// gets the same end.
    fn leg_end(&mut self, agent: &Agent, caller: &mut Caller, is_laptop: bool) -> Option<Ended> {
        let end = self.end.filter(|_| caller.to_caller.is_empty())?;
        self.end = None;
        caller.to_caller.push(caller.farewell.take().into());
        if end == End::Finished {
            caller.exchange.answer_end();
        }
        let state = caller.exchange.state();
        if caller.can_give_again() {
            return Some(Ended::Given);
        }
        if !self.used && !caller.ended && caller.exchange.between() {
            // It ended before anything had passed: somebody else is as good, whatever the protocol.
            if is_laptop {
                return Some(Ended::Given);
            }
            if state == State::Idle {
                caller.fruitless += 1;
                return Some(if caller.fruitless < FRUITLESS { Ended::Given } else { Ended::Reset });
            }
        }
        if state == State::Idle && !caller.ended {
            let others = is_laptop || agent.desk.serving().is_some() || agent.originals.several(caller.port);
            if others {
                return Some(Ended::Parked);
            }
        }
        let unanswered = state == State::Inside && !caller.exchange.answered();
        let broken = end == End::Broken && !matches!(state, State::Last | State::Idle);
        if unanswered || broken {
            return Some(Ended::Reset);
        }
        self.leg_ended = true;
        None
    }
}
