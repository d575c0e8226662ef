//! Messages of gRPC, counted in the DATA of a stream: each is one byte of flags, four of length, and its contents.

use super::progress::Count;
use crate::Message;

const PREFIX: usize = 5;

/// Where one direction stands.
#[derive(Debug, Clone, Default)]
pub(super) struct Counter {
    prefix: [u8; PREFIX],
    have: usize,
    /// Bytes of the current message that are still to come.
    left: u64,
    /// It is something else after all; nothing is counted any more.
    lost: bool,
}

impl Counter {
    /// What of messages passes with `bytes`: those that are complete, and the contents of all.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Count {
        let mut count = Count::default();
        while !bytes.is_empty() && !self.lost {
            if self.have < PREFIX {
                let take = bytes.len().min(PREFIX - self.have);
                let (here, rest) = bytes.split_at(take);
                for (place, byte) in self.prefix.iter_mut().skip(self.have).zip(here) {
                    *place = *byte;
                }
                self.have += take;
                bytes = rest;
                if self.have < PREFIX {
                    break;
                }
                let [flags, length @ ..] = self.prefix;
                self.left = u64::from(u32::from_be_bytes(length));
                // The first bit says that it is compressed; the others mean nothing yet.
                self.lost = flags > 1;
            } else {
                let take = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left -= take as u64;
                count.bytes += take as u64;
                bytes = bytes.get(take..).unwrap_or_default();
            }
            if self.left == 0 && !self.lost {
                self.have = 0;
                count.messages += 1;
            }
        }
        count
    }
}

/// Whether the body is gRPC's. Not that of gRPC-Web, which may be Base64.
pub(super) fn is_grpc(message: &Message) -> bool {
    let mut types = message.header("content-type");
    let rest = types.next().and_then(|value| value.strip_prefix("application/grpc"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', ';']))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn empty_messages_are_counted_and_what_is_none_ends_it() {
        let mut counter = Counter::default();
        assert_eq!(counter.feed(b"\0\0\0\0\0\x01\0\0\0\x02ab\0\0"), Count { messages: 2, bytes: 2 });
        assert_eq!(counter.feed(b"\0\0\x03a"), Count { messages: 0, bytes: 1 });
        assert_eq!(counter.feed(b"bc<html>"), Count { messages: 1, bytes: 2 });
        assert_eq!(counter.feed(b"\0\0\0\0\0\0"), Count::default());
    }

    #[test]
    fn only_grpc_itself_is_counted() {
        let with = |value: &str| Message {
            headers: vec![crate::Header { name: "content-type".into(), value: value.into() }],
            ..Message::default()
        };
        for value in ["application/grpc", "application/grpc+proto", "application/grpc;charset=x"] {
            assert!(is_grpc(&with(value)), "{value}");
        }
        for value in ["application/grpc-web", "application/grpc-web-text+proto", "text/html", ""] {
            assert!(!is_grpc(&with(value)), "{value}");
        }
    }

    proptest! {
        #[test]
        fn the_pieces_do_not_matter(sizes in prop::collection::vec(0_usize..20, 0..20), step in 1_usize..30) {
            let bytes: Vec<u8> =
                sizes.iter().flat_map(|size| [vec![0, 0, 0, 0, *size as u8], vec![7; *size]].concat()).collect();
            let (mut counter, mut all) = (Counter::default(), Count::default());
            for piece in bytes.chunks(step) {
                let count = counter.feed(piece);
                all.messages += count.messages;
                all.bytes += count.bytes;
            }
            prop_assert_eq!(all, Count { messages: sizes.len() as u64, bytes: sizes.iter().sum::<usize>() as u64 });
        }
    }
}
