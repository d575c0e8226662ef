//! Where frames begin and end (RFC 9113 §4.1, §6). Their contents pass in pieces, as they come.

use std::time::Instant;

use crate::read::Unreadable;

const HEAD: usize = 9;
/// The longest of what stands in front of the contents: a length of padding, and a priority.
const PREFIX: usize = 6;

const END_STREAM: u8 = 0x1;
const ACK: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    Headers,
    Priority,
    Reset,
    Settings,
    PushPromise,
    Ping,
    GoAway,
    Window,
    Continuation,
    /// An extension's.
    Other,
}

/// The head of a frame, and what stands in front of its contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) stream: u32,
    /// When its first byte came.
    pub(super) began: Instant,
    flags: u8,
    prefix: [u8; PREFIX],
}

/// What has come of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// All that stands in front of its contents.
    Begin(Frame),
    /// A part of its contents, without padding; never empty.
    Content(Frame, &'a [u8]),
    /// All of it.
    End(Frame),
}

/// Where one direction stands.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; HEAD],
    have: usize,
    began: Option<Instant>,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    frame: Frame,
    /// Bytes after the head that are still to come, at first all of them.
    left: u32,
    /// Those of them that are padding.
    padding: u32,
    /// Bytes of the prefix that have come.
    have: usize,
    begun: bool,
}

impl Frames {
    /// The next event in `bytes`, which passed at `at`.
    pub(super) fn next<'a>(
        &mut self,
        bytes: &mut &'a [u8],
        at: Instant,
    ) -> Result<Option<Event<'a>>, Unreadable> {
        let current = match &mut self.current {
            Some(current) => current,
            None => {
                if bytes.is_empty() {
                    return Ok(None);
                }
                let began = *self.began.get_or_insert(at);
                if !fill(&mut self.head, &mut self.have, HEAD, bytes) {
                    return Ok(None);
                }
                (self.began, self.have) = (None, 0);
                self.current.insert(Current::new(self.head, began)?)
            }
        };
        if !current.begun {
            let length = current.frame.prefix_length();
            if !fill(&mut current.frame.prefix, &mut current.have, length, bytes) {
                return Ok(None);
            }
            current.begin(length)?;
            return Ok(Some(Event::Begin(current.frame)));
        }
        let content = take(bytes, &mut current.left, current.padding);
        if !content.is_empty() {
            return Ok(Some(Event::Content(current.frame, content)));
        }
        if current.left <= current.padding {
            take(bytes, &mut current.left, 0);
        }
        if current.left > 0 {
            return Ok(None);
        }
        let frame = current.frame;
        self.current = None;
        Ok(Some(Event::End(frame)))
    }
}

impl Current {
    fn new(head: [u8; HEAD], began: Instant) -> Result<Self, Unreadable> {
        let [l1, l2, l3, kind, flags, s1, s2, s3, s4] = head;
        let length = u32::from_be_bytes([0, l1, l2, l3]);
        let stream = u32::from_be_bytes([s1 & 0x7f, s2, s3, s4]);
        let kind = Kind::of(kind);
        let ack = flags & ACK != 0;
        let (length_fits, stream_fits) = match kind {
            Kind::Data | Kind::Headers | Kind::PushPromise | Kind::Continuation => (true, stream != 0),
            Kind::Priority => (length == 5, stream != 0),
            Kind::Reset => (length == 4, stream != 0),
            Kind::Settings => (if ack { length == 0 } else { length.is_multiple_of(6) }, stream == 0),
            Kind::Ping => (length == 8, stream == 0),
            Kind::GoAway => (length >= 8, stream == 0),
            Kind::Window => (length == 4, true),
            Kind::Other => (true, true),
        };
        if !length_fits || !stream_fits {
            return Err(Unreadable);
        }
        let frame = Frame { kind, flags, stream, began, prefix: [0; PREFIX] };
        if usize::try_from(length).is_ok_and(|length| length < frame.prefix_length()) {
            return Err(Unreadable);
        }
        Ok(Self { frame, left: length, padding: 0, have: 0, begun: false })
    }

    /// The prefix is complete, and has `length` bytes.
    fn begin(&mut self, length: usize) -> Result<(), Unreadable> {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        self.padding = self.frame.padding();
        self.left = self.left.checked_sub(length).ok_or(Unreadable)?;
        self.begun = true;
        if self.padding > self.left { Err(Unreadable) } else { Ok(()) }
    }
}

impl Frame {
    pub(super) fn is_ack(&self) -> bool {
        self.flags & ACK != 0
    }

    /// Of DATA and HEADERS.
    pub(super) fn ends_stream(&self) -> bool {
        self.flags & END_STREAM != 0
    }

    /// Of HEADERS, PUSH_PROMISE and CONTINUATION.
    pub(super) fn ends_block(&self) -> bool {
        self.flags & END_HEADERS != 0
    }

    /// Of GOAWAY: the last stream that was looked at.
    pub(super) fn last_stream(&self) -> u32 {
        let [a, b, c, d, ..] = self.prefix;
        u32::from_be_bytes([a & 0x7f, b, c, d])
    }

    fn is_padded(&self) -> bool {
        matches!(self.kind, Kind::Data | Kind::Headers | Kind::PushPromise) && self.flags & PADDED != 0
    }

    fn padding(&self) -> u32 {
        let [padding, ..] = self.prefix;
        if self.is_padded() { u32::from(padding) } else { 0 }
    }

    fn prefix_length(&self) -> usize {
        let own = match self.kind {
            Kind::Headers if self.flags & PRIORITY != 0 => 5,
            // The stream that is promised, and the last one.
            Kind::PushPromise | Kind::GoAway => 4,
            _ => 0,
        };
        own + usize::from(self.is_padded())
    }
}

impl Kind {
    fn of(code: u8) -> Self {
        let known = [
            Self::Data,
            Self::Headers,
            Self::Priority,
            Self::Reset,
            Self::Settings,
            Self::PushPromise,
            Self::Ping,
            Self::GoAway,
            Self::Window,
            Self::Continuation,
        ];
        known.get(usize::from(code)).copied().unwrap_or(Self::Other)
    }
}

/// Moves bytes to their place until `want` are there; whether they are.
fn fill(place: &mut [u8], have: &mut usize, want: usize, bytes: &mut &[u8]) -> bool {
    let places = place.iter_mut().take(want).skip(*have);
    let moved = places.zip(*bytes).map(|(place, byte)| *place = *byte).count();
    *have += moved;
    *bytes = bytes.get(moved..).unwrap_or_default();
    *have >= want
}

/// Takes bytes until `keep` of those that are `left` are still to come.
fn take<'a>(bytes: &mut &'a [u8], left: &mut u32, keep: u32) -> &'a [u8] {
    let want = usize::try_from(left.saturating_sub(keep)).unwrap_or(usize::MAX).min(bytes.len());
    let (taken, rest) = bytes.split_at_checked(want).unwrap_or_default();
    *bytes = rest;
    *left -= taken.len() as u32;
    taken
}
