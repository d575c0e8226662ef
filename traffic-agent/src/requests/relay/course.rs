//! How far a relay has come: what it waits for, and what follows from the state of both ends.

use std::{future::pending, io};

use bytes::{Bytes, BytesMut};
use futures::FutureExt as _;
use tokio::time::{self, Instant};

use super::{
    super::{
        caller::{Caller, LINGER, Read, read_socket},
        exchange::State,
        leg::{Got, Leg, Parts, Reader, Writer},
    },
    Ended, FRUITLESS,
};
use crate::{
    agent::Agent,
    laptop::{Condition, PATIENCE},
};

/// Most bytes taken from a server's socket at once.
const READ: usize = 128 << 10;

/// What ended a server's direction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Finished,
    Broken,
}

/// State of one relay, besides the caller's own.
pub(super) struct Course {
    /// A byte has passed to or from this leg.
    pub(super) used: bool,
    /// How the leg ended, until the caller has taken what came before.
    pub(super) end: Option<End>,
    /// The leg sends no more, and the caller shall learn it.
    leg_ended: bool,
    /// The leg takes no more bytes.
    pub(super) leg_deaf: bool,
    /// The leg has been told that no more bytes come.
    leg_finished: bool,
    /// The caller has been told that no more bytes come.
    caller_finished: bool,
    /// The caller has been told that the answer is the last.
    told: bool,
    /// When to stop waiting for the caller's end.
    linger: Option<Instant>,
    /// When the newest request began.
    pub(super) begun: Instant,
    /// The leg's process is to be started anew, and waits for this request no longer than until then.
    patience: Option<Instant>,
}

/// What a relay waits for.
pub(super) enum Event {
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
    pub(super) fn new() -> Self {
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
    pub(super) fn lasts(&mut self, laptop: Option<Condition>, caller: &Caller, leg: &mut Leg) {
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
    pub(super) async fn wait(&self, agent: &Agent, caller: &Caller, parts: &mut Parts<'_>) -> Event {
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
    pub(super) fn settle(&mut self, caller: &mut Caller, leg: &mut Leg) -> Option<Ended> {
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
                    return Some(Ended::Moved);
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

    pub(super) fn read_socket(&mut self, caller: &mut Caller, leg: &Leg, leaving: bool) -> io::Result<Read> {
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
    pub(super) fn answer(&mut self, caller: &mut Caller, mut bytes: Bytes, leaving: bool) {
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
    pub(super) fn leg_end(&mut self, agent: &Agent, caller: &mut Caller, is_laptop: bool) -> Option<Ended> {
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
