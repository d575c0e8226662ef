//! Frames of a WebSocket (RFC 6455 §5), counted. Nothing of them is kept.
//!
//! Only lengths and ends are read. Whether who asks masks its frames, and the bits that extensions use, are their affair.

use super::{
    Side, Sides, Unreadable,
    progress::{Context, Count},
};

/// Two bytes, a length of eight, a mask of four.
const LONGEST_HEAD: usize = 14;

/// One connection that has become a WebSocket.
#[derive(Debug)]
pub(super) struct WebSocket {
    key: u64,
    sides: Sides<Frames>,
}

/// Where one direction stands.
#[derive(Debug, Default)]
struct Frames {
    head: [u8; LONGEST_HEAD],
    have: usize,
    frame: Option<Frame>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frame {
    kind: Kind,
    /// The last one of its message.
    last: bool,
    left: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Data,
    Close,
    OtherControl,
}

impl WebSocket {
    /// The exchange `key` goes on as one.
    pub(super) fn new(key: u64) -> Self {
        Self { key, sides: Sides::default() }
    }

    pub(super) fn feed(
        &mut self,
        side: Side,
        mut bytes: &[u8],
        context: &mut Context<'_>,
    ) -> Result<(), Unreadable> {
        let frames = self.sides.get_mut(side);
        let mut count = Count::default();
        let read = loop {
            match frames.next(&mut bytes, &mut count) {
                // After both have said so the end of the connection is a matter of form.
                Ok(Some(Kind::Close)) => context.may_end(self.key),
                Ok(Some(_)) => {}
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        context.count(self.key, side, count);
        read
    }
}

impl Frames {
    /// The kind of the next frame that ends in `bytes`.
    fn next(&mut self, bytes: &mut &[u8], count: &mut Count) -> Result<Option<Kind>, Unreadable> {
        let frame = match &mut self.frame {
            Some(frame) => frame,
            None => match self.head(bytes)? {
                Some(frame) => self.frame.insert(frame),
                None => return Ok(None),
            },
        };
        let take = usize::try_from(frame.left).unwrap_or(usize::MAX).min(bytes.len());
        *bytes = bytes.get(take..).unwrap_or_default();
        frame.left -= take as u64;
        let frame = *frame;
        if frame.kind == Kind::Data {
            count.bytes += take as u64;
        }
        if frame.left > 0 {
            return Ok(None);
        }
        count.messages += u64::from(frame.kind == Kind::Data && frame.last);
        (self.frame, self.have) = (None, 0);
        Ok(Some(frame.kind))
    }

    /// The next frame, when its head is complete.
    fn head(&mut self, bytes: &mut &[u8]) -> Result<Option<Frame>, Unreadable> {
        while let Some((&byte, rest)) = bytes.split_first() {
            if let Some(place) = self.head.get_mut(self.have) {
                *place = byte;
            }
            self.have += 1;
            *bytes = rest;
            let [first, second, long @ ..] = self.head;
            if self.have == 1 {
                kind(first)?;
            }
            let [a, b, c, d, e, f, g, h, ..] = long;
            let (extra, length) = match second & 0x7f {
                126 => (2, u64::from(u16::from_be_bytes([a, b]))),
                127 => (8, u64::from_be_bytes([a, b, c, d, e, f, g, h])),
                short => (0, u64::from(short)),
            };
            let mask = if second & 0x80 == 0 { 0 } else { 4 };
            if self.have < 2 + extra + mask {
                continue;
            }
            let (kind, last) = (kind(first)?, first & 0x80 != 0);
            let control = kind != Kind::Data;
            if length > i64::MAX as u64 || (control && (length > 125 || !last)) {
                return Err(Unreadable);
            }
            return Ok(Some(Frame { kind, last, left: length }));
        }
        Ok(None)
    }
}

fn kind(first: u8) -> Result<Kind, Unreadable> {
    match first & 0x0f {
        0..=2 => Ok(Kind::Data),
        8 => Ok(Kind::Close),
        9 | 10 => Ok(Kind::OtherControl),
        _ => Err(Unreadable),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        End, Messages,
        exchange::Kind::WebSocket,
        read::{
            Side::{Answerer, Asker},
            tests::{OK, Talk},
        },
    };

    const GET: &str = "GET /live HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n";
    const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";

    fn frame(first: u8, length: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut bytes = match length {
            0..126 => vec![first, mask | length as u8],
            126..65536 => [&[first, mask | 126][..], &(length as u16).to_be_bytes()].concat(),
            _ => [&[first, mask | 127][..], &(length as u64).to_be_bytes()].concat(),
        };
        bytes.extend(vec![0x81; length + if masked { 4 } else { 0 }]);
        bytes
    }

    fn open() -> Talk {
        Talk::new().asks(GET).answers(SWITCHING)
    }

    fn messages(talk: &Talk) -> Messages {
        talk.reader.open().next().unwrap().1.messages.unwrap()
    }

    #[test]
    fn messages_are_counted_and_control_frames_are_not() {
        let talk = Talk::new().asks(GET).answers([SWITCHING.as_bytes(), &frame(0x81, 5, false)].concat());
        let talk =
            talk.asks(frame(0x01, 200, true)).asks(frame(0x89, 3, true)).asks(frame(0x80, 70_000, true));
        let talk = talk.asks(frame(0x82, 0, true)).asks(&frame(0x82, 9, true)[..10]);
        let expected =
            Messages { kind: WebSocket, sent: 2, sent_bytes: 70_204, received: 1, received_bytes: 5 };
        assert_eq!(messages(&talk), expected, "of the last one a part has come");
        assert_eq!(talk.lines(), ["GET /live 0 -> 101 0 open"]);
    }

    #[test]
    fn it_is_complete_after_a_close_frame_or_when_both_sides_have_ended_it() {
        let ends = |talk: Talk| talk.ended().iter().map(|exchange| exchange.end.unwrap()).collect::<Vec<_>>();
        assert_eq!(ends(open().breaks(End::Cut)), [End::Cut]);
        assert_eq!(ends(open().finishes(Asker)), []);
        assert_eq!(ends(open().finishes(Asker).finishes(Answerer)), [End::Complete]);
        assert_eq!(ends(open().answers(frame(0x88, 2, false))), []);
        assert_eq!(ends(open().answers(frame(0x88, 2, false)).breaks(End::Cut)), [End::Complete]);
        assert_eq!(ends(open().breaks(End::Unread)), [End::Unread]);
        let last = open().answers(frame(0x88, 2, false)).asks(frame(0x88, 2, true)).breaks(End::Cut).ended();
        assert_eq!(last[0].timing.total_us, Some(4000), "as long as the connection");
    }

    #[test]
    fn what_are_no_frames_makes_it_opaque() {
        let long_control = frame(0x89, 126, false);
        let huge = [0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 0];
        for bytes in [OK.as_bytes(), &long_control, &frame(0x09, 1, false), &huge, &[0x83]] {
            let talk = open().answers(bytes);
            assert!(talk.reader.is_opaque(), "{bytes:?}");
            assert_eq!(talk.lines(), ["GET /live 0 -> 101 0 Unread"]);
        }
    }

    proptest! {
        #[test]
        fn however_frames_are_cut_the_same_is_counted(
            frames in prop::collection::vec((0_usize..4, 0_usize..300, any::<bool>()), 0..12),
            step in 1_usize..400,
        ) {
            let (mut bytes, mut count) = (Vec::new(), Count::default());
            for (kind, length, masked) in frames {
                let first = [0x82, 0x01, 0x80, 0x8a][kind];
                let length = if first == 0x8a { length % 126 } else { length };
                bytes.extend(frame(first, length, masked));
                if first != 0x8a {
                    count.messages += u64::from(first != 0x01);
                    count.bytes += length as u64;
                }
            }
            let talk = bytes.chunks(step).fold(open(), Talk::asks);
            let counted = messages(&talk);
            prop_assert_eq!((counted.sent, counted.sent_bytes), (count.messages, count.bytes));
        }
    }
}
