//! Header blocks: one in HEADERS or PUSH_PROMISE, continued in CONTINUATION, with nothing between them (RFC 9113 §4.3).

use std::time::Instant;

use super::frame::{Frame, Kind};
use crate::read::{
    Unreadable,
    hpack::{Decoder, Field},
};

/// The header blocks that one side sends.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    decoder: Decoder,
    /// The frame that has begun the current one.
    open: Option<Frame>,
    bytes: Vec<u8>,
}

/// A block that is complete.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) stream: u32,
    pub(super) ends_stream: bool,
    /// It is the request of a stream that is promised, and of no stream yet.
    pub(super) promised: bool,
    /// When its first byte came.
    pub(super) began: Instant,
    pub(super) fields: Vec<Field>,
}

impl Blocks {
    /// The next frame of this side, whatever it is.
    pub(super) fn begin(&mut self, frame: Frame) -> Result<(), Unreadable> {
        let continues = frame.kind == Kind::Continuation;
        match self.open {
            Some(open) if continues && open.stream == frame.stream => Ok(()),
            None if !continues => {
                let begins = matches!(frame.kind, Kind::Headers | Kind::PushPromise);
                self.open = begins.then_some(frame);
                Ok(())
            }
            _ => Err(Unreadable),
        }
    }

    /// More of the current one, up to `most` bytes.
    pub(super) fn feed(&mut self, bytes: &[u8], most: usize) -> Result<(), Unreadable> {
        if bytes.len() > most.saturating_sub(self.bytes.len()) {
            return Err(Unreadable);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// The current one is complete. The table may have `table` octets, the fields together `most`.
    pub(super) fn end(&mut self, table: usize, most: usize) -> Result<Option<Block>, Unreadable> {
        let Some(frame) = self.open.take() else { return Ok(None) };
        let bytes = std::mem::take(&mut self.bytes);
        let fields = self.decoder.decode(&bytes, table, most).map_err(|_| Unreadable)?;
        let promised = frame.kind == Kind::PushPromise;
        let ends_stream = !promised && frame.ends_stream();
        Ok(Some(Block { stream: frame.stream, ends_stream, promised, began: frame.began, fields }))
    }
}
