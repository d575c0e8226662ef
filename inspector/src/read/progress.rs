//! Exchanges in progress: what the readers of every protocol write into.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{Clock, Limits, Side, Sink, Unreadable, body, field, trace};
use crate::{End, Exchange, Header, Message, Messages, Version, exchange::Kind};

/// All exchanges in progress of one connection.
#[derive(Debug)]
pub(super) struct Progress {
    /// What the next exchange has before anything of it is known.
    first: Exchange,
    clock: Clock,
    limits: Limits,
    next: u64,
    open: BTreeMap<u64, Open>,
    /// Of all that are open.
    kept: Kept,
}

#[derive(Debug)]
struct Open {
    exchange: Exchange,
    began: Instant,
    kept: Kept,
    request_over: bool,
    answer_over: bool,
}

/// Bytes that are kept. They have half of the limit each, so that large bodies leave room for heads.
#[derive(Debug, Clone, Copy, Default)]
struct Kept {
    heads: usize,
    bodies: usize,
}

/// A request's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) version: Version,
    pub(super) method: String,
    pub(super) target: String,
    pub(super) host: String,
    pub(super) headers: Vec<Header>,
}

/// Messages that have passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

impl Progress {
    pub(super) fn new(first: Exchange, clock: Clock, limits: Limits) -> Self {
        Self { first, clock, limits, next: 0, open: BTreeMap::new(), kept: Kept::default() }
    }

    pub(super) fn open(&self) -> impl Iterator<Item = (u64, &Exchange)> {
        self.open.iter().map(|(key, open)| (*key, &open.exchange))
    }

    /// The exchange `key`, when `cost` bytes are left for a head of it; they are taken.
    fn take(&mut self, key: u64, cost: usize) -> Result<&mut Open, Unreadable> {
        let heads = self.kept.heads.saturating_add(cost);
        let open = self.open.get_mut(&key).ok_or(Unreadable)?;
        if heads > self.limits.kept / 2 {
            return Err(Unreadable);
        }
        self.kept.heads = heads;
        open.kept.heads += cost;
        Ok(open)
    }
}

/// What a piece of bytes changes: the exchanges, who is told of them, and when the piece passed.
pub(super) struct Context<'a> {
    progress: &'a mut Progress,
    sink: &'a mut dyn Sink,
    at: Instant,
}

impl<'a> Context<'a> {
    pub(super) fn new(progress: &'a mut Progress, sink: &'a mut dyn Sink, at: Instant) -> Self {
        Self { progress, sink, at }
    }

    /// The same for bytes that passed before.
    pub(super) fn earlier(&mut self, at: Instant) -> Context<'_> {
        Context { progress: self.progress, sink: self.sink, at }
    }

    pub(super) fn at(&self) -> Instant {
        self.at
    }

    pub(super) fn limits(&self) -> Limits {
        self.progress.limits
    }

    /// A request's head is complete; its first byte came at `began`. Gives the key of its exchange.
    pub(super) fn begin(&mut self, request: Request, began: Instant) -> Result<u64, Unreadable> {
        let progress = &mut *self.progress;
        if progress.open.len() >= progress.limits.open {
            return Err(Unreadable);
        }
        let cost = field::cost(&request.headers) + request.target.len() + request.host.len();
        let mut exchange = progress.first.clone();
        exchange.started = progress.clock.at(began);
        exchange.version = request.version;
        exchange.method = request.method;
        exchange.target = request.target;
        exchange.host = request.host;
        exchange.request = Message { headers: request.headers, ..Message::default() };
        exchange.trace = trace::id(&exchange.request);
        let key = progress.next;
        let open = Open { exchange, began, kept: Kept::default(), request_over: false, answer_over: false };
        progress.open.insert(key, open);
        let Ok(open) = progress.take(key, cost) else {
            progress.open.remove(&key);
            return Err(Unreadable);
        };
        self.sink.begun(key, &open.exchange);
        progress.next += 1;
        // These are of the first exchange.
        progress.first.timing.queue_us = None;
        progress.first.timing.connect_us = None;
        Ok(key)
    }

    /// The final answer's head is complete; its first byte came at `began`.
    pub(super) fn answer(
        &mut self,
        key: u64,
        status: u16,
        headers: Vec<Header>,
        began: Instant,
    ) -> Result<(), Unreadable> {
        let open = self.progress.take(key, field::cost(&headers))?;
        open.exchange.status = Some(status);
        open.exchange.answer = Some(Message { headers, ..Message::default() });
        open.exchange.timing.answer_us = Some(micros(began.saturating_duration_since(open.began)));
        self.sink.answered(key, &open.exchange);
        Ok(())
    }

    /// What was asked.
    pub(super) fn request(&self, key: u64) -> Option<&Message> {
        self.progress.open.get(&key).map(|open| &open.exchange.request)
    }

    /// What was answered.
    pub(super) fn answered(&self, key: u64) -> Option<&Message> {
        self.progress.open.get(&key)?.exchange.answer.as_ref()
    }

    /// A part of a body.
    pub(super) fn body(&mut self, key: u64, side: Side, bytes: &[u8]) {
        let Progress { limits, kept, open, .. } = &mut *self.progress;
        let Some(open) = open.get_mut(&key) else { return };
        let Some(message) = open.message(side) else { return };
        let room = (limits.kept / 2).saturating_sub(kept.bodies);
        let more = body::keep(&mut message.body, bytes, limits.body, room);
        kept.bodies += more;
        open.kept.bodies += more;
    }

    /// Headers after a body; of an exchange that has ended they are nothing.
    pub(super) fn trailers(&mut self, key: u64, side: Side, trailers: Vec<Header>) -> Result<(), Unreadable> {
        if !self.progress.open.contains_key(&key) {
            return Ok(());
        }
        let open = self.progress.take(key, field::cost(&trailers))?;
        if let Some(message) = open.message(side) {
            message.trailers = trailers;
        }
        Ok(())
    }

    /// What it carries is messages of this kind.
    pub(super) fn carries(&mut self, key: u64, kind: Kind) {
        if let Some(open) = self.progress.open.get_mut(&key) {
            let none = Messages { kind, sent: 0, sent_bytes: 0, received: 0, received_bytes: 0 };
            open.exchange.messages.get_or_insert(none);
        }
    }

    /// More messages have passed.
    pub(super) fn count(&mut self, key: u64, side: Side, count: Count) {
        let Some(open) = self.progress.open.get_mut(&key) else { return };
        let Some(messages) = &mut open.exchange.messages else { return };
        let (number, bytes) = match side {
            Side::Asker => (&mut messages.sent, &mut messages.sent_bytes),
            Side::Answerer => (&mut messages.received, &mut messages.received_bytes),
        };
        *number += count.messages;
        *bytes += count.bytes;
    }

    /// All of one message has passed; with the other one it is complete.
    pub(super) fn over(&mut self, key: u64, side: Side) {
        let Some(open) = self.progress.open.get_mut(&key) else { return };
        match side {
            Side::Asker => open.request_over = true,
            Side::Answerer => {
                open.answer_over = true;
                let total = micros(self.at.saturating_duration_since(open.began));
                open.exchange.timing.total_us.get_or_insert(total);
            }
        }
        if open.request_over && open.answer_over {
            self.end(key, End::Complete);
        }
    }

    /// The end of the connection will be the end of this one, and cuts nothing off.
    pub(super) fn may_end(&mut self, key: u64) {
        if let Some(open) = self.progress.open.get_mut(&key) {
            open.answer_over = true;
        }
    }

    /// Nothing more will come of it. Where all of the answer has passed, nothing was cut.
    pub(super) fn end(&mut self, key: u64, end: End) {
        let Some(open) = self.progress.open.remove(&key) else { return };
        self.progress.kept.heads -= open.kept.heads;
        self.progress.kept.bodies -= open.kept.bodies;
        let mut exchange = open.exchange;
        let total = micros(self.at.saturating_duration_since(open.began));
        exchange.timing.total_us.get_or_insert(total);
        exchange.end = Some(if end == End::Cut && open.answer_over { End::Complete } else { end });
        self.sink.ended(key, exchange);
    }

    /// The same for all.
    pub(super) fn end_all(&mut self, end: End) {
        while let Some((&key, _)) = self.progress.open.first_key_value() {
            self.end(key, end);
        }
    }

    /// Nothing more will be asked: requests are as complete as they will be.
    pub(super) fn all_asked(&mut self) {
        let keys: Vec<u64> = self.progress.open.keys().copied().collect();
        for key in keys {
            self.over(key, Side::Asker);
        }
    }
}

impl Open {
    fn message(&mut self, side: Side) -> Option<&mut Message> {
        match side {
            Side::Asker => Some(&mut self.exchange.request),
            Side::Answerer => self.exchange.answer.as_mut(),
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
