//! HTTP/2 with prior knowledge (RFC 9113): each stream is an exchange.
//!
//! DATA is never collected, header blocks are up to their limit. What one side is told to do, such as windows and
//! priorities, is its own affair. Of a pushed stream nothing is shown; its header blocks are decoded, because the blocks after
//! them need what they leave in the table.

mod block;
mod fields;
mod frame;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::{
    block::{Block, Blocks},
    frame::{Event, Frame, Frames, Kind},
    settings::Settings,
};
use super::{Side, Sides, Unreadable, grpc, progress::Context};
use crate::exchange;

/// What who asks says first (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One connection.
#[derive(Debug)]
pub(super) struct Http2 {
    sides: Sides<Half>,
    streams: BTreeMap<u32, Stream>,
    /// The last stream on which was asked.
    last: u32,
}

/// What one side sends.
#[derive(Debug, Default)]
struct Half {
    /// Bytes of the preface that have come.
    preface: usize,
    frames: Frames,
    greeted: bool,
    blocks: Blocks,
    /// What this side may expect of the other one's header blocks.
    settings: Settings,
}

/// An exchange in progress.
#[derive(Debug)]
struct Stream {
    key: u64,
    answered: bool,
    over: Sides<bool>,
    messages: Sides<Option<grpc::Counter>>,
}

impl Http2 {
    pub(super) fn new() -> Self {
        let mut sides = Sides::<Half>::default();
        // Who answers has no preface but its first frame.
        sides.answerer.preface = PREFACE.len();
        Self { sides, streams: BTreeMap::new(), last: 0 }
    }

    pub(super) fn feed(
        &mut self,
        side: Side,
        bytes: &[u8],
        context: &mut Context<'_>,
    ) -> Result<(), Unreadable> {
        let mut left = bytes;
        let half = self.sides.get_mut(side);
        while let Some(expected) = PREFACE.get(half.preface) {
            let Some((byte, rest)) = left.split_first() else { return Ok(()) };
            if byte != expected {
                return Err(Unreadable);
            }
            half.preface += 1;
            left = rest;
        }
        while let Some(event) = self.sides.get_mut(side).frames.next(&mut left, context.at())? {
            match event {
                Event::Begin(frame) => self.begin(side, frame)?,
                Event::Content(frame, content) => self.content(side, frame, content, context)?,
                Event::End(frame) => self.end(side, frame, context)?,
            }
        }
        Ok(())
    }

    /// `side` has said all.
    pub(super) fn finish(&mut self, side: Side, context: &mut Context<'_>) {
        if side == Side::Asker {
            context.all_asked();
        }
    }

    fn begin(&mut self, side: Side, frame: Frame) -> Result<(), Unreadable> {
        let half = self.sides.get_mut(side);
        if !half.greeted && (frame.kind != Kind::Settings || frame.is_ack()) {
            return Err(Unreadable);
        }
        half.greeted = true;
        half.blocks.begin(frame)?;
        let own = frame.stream.is_multiple_of(2);
        // On streams of who answers, which it has promised, nothing is followed.
        let possible = match (frame.kind, side) {
            (Kind::PushPromise, Side::Asker) => false,
            (Kind::Headers, Side::Asker) => !own,
            (Kind::Headers, Side::Answerer) => own || frame.stream <= self.last,
            (Kind::Data, _) => match self.streams.get(&frame.stream) {
                Some(stream) => (side == Side::Asker || stream.answered) && !stream.over.get(side),
                // It was reset, or nobody has asked on it.
                None => own || frame.stream <= self.last,
            },
            _ => true,
        };
        if possible { Ok(()) } else { Err(Unreadable) }
    }

    fn content(
        &mut self,
        side: Side,
        frame: Frame,
        content: &[u8],
        context: &mut Context<'_>,
    ) -> Result<(), Unreadable> {
        let half = self.sides.get_mut(side);
        match frame.kind {
            Kind::Headers | Kind::PushPromise | Kind::Continuation => {
                half.blocks.feed(content, context.limits().headers)?;
            }
            Kind::Settings => half.settings.feed(content),
            Kind::Data => self.data(side, frame.stream, content, context),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, side: Side, frame: Frame, context: &mut Context<'_>) -> Result<(), Unreadable> {
        match frame.kind {
            Kind::Headers | Kind::PushPromise | Kind::Continuation if frame.ends_block() => {
                let table = self.sides.get(side.other()).settings.table();
                let most = context.limits().headers;
                let Some(block) = self.sides.get_mut(side).blocks.end(table, most)? else { return Ok(()) };
                self.block(side, block, context)?;
            }
            Kind::Settings if frame.is_ack() => self.sides.get_mut(side.other()).settings.acked()?,
            Kind::Settings => self.sides.get_mut(side).settings.announced()?,
            Kind::Data if frame.ends_stream() => self.over(side, frame.stream, context),
            Kind::Reset => {
                if let Some(stream) = self.streams.remove(&frame.stream) {
                    context.end(stream.key, crate::End::Cut);
                }
            }
            Kind::GoAway if side == Side::Answerer => {
                // Those after the last one were not looked at, and will not be.
                for (_, stream) in self.streams.split_off(&frame.last_stream().saturating_add(1)) {
                    context.end(stream.key, crate::End::Cut);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The fields of a block are complete.
    fn block(&mut self, side: Side, block: Block, context: &mut Context<'_>) -> Result<(), Unreadable> {
        let Block { stream: id, ends_stream, began, fields, promised } = block;
        if promised {
            return Ok(());
        }
        match (self.streams.get_mut(&id), side) {
            (None, Side::Asker) if id > self.last => {
                self.last = id;
                let key = context.begin(fields::request(fields)?, began)?;
                let grpc = context.request(key).is_some_and(grpc::is_grpc);
                if grpc {
                    context.carries(key, exchange::Kind::Grpc);
                }
                let messages = Sides { asker: grpc.then(grpc::Counter::default), answerer: None };
                let stream = Stream { key, answered: false, over: Sides::default(), messages };
                self.streams.insert(id, stream);
            }
            // It was reset, or pushed.
            (None, _) => return Ok(()),
            (Some(stream), Side::Answerer) if !stream.answered => {
                let (status, headers) = fields::answer(fields)?;
                if (100..200).contains(&status) {
                    return if ends_stream { Err(Unreadable) } else { Ok(()) };
                }
                stream.answered = true;
                context.answer(stream.key, status, headers, began)?;
                if stream.messages.asker.is_some() && context.answered(stream.key).is_some_and(grpc::is_grpc)
                {
                    stream.messages.answerer = Some(grpc::Counter::default());
                }
            }
            (Some(stream), _) => {
                if !ends_stream || *stream.over.get(side) {
                    return Err(Unreadable);
                }
                context.trailers(stream.key, side, fields::trailers(fields)?)?;
            }
        }
        if ends_stream {
            self.over(side, id, context);
        }
        Ok(())
    }

    fn data(&mut self, side: Side, id: u32, data: &[u8], context: &mut Context<'_>) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        context.body(stream.key, side, data);
        if let Some(counter) = stream.messages.get_mut(side) {
            context.count(stream.key, side, counter.feed(data));
        }
    }

    fn over(&mut self, side: Side, id: u32, context: &mut Context<'_>) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        *stream.over.get_mut(side) = true;
        context.over(stream.key, side);
        if stream.over.asker && stream.over.answerer {
            self.streams.remove(&id);
        }
    }
}
