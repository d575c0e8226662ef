//! Datagrams in a byte stream: `u16` big-endian length, then so many bytes.
//!
//! A pure state machine: it is fed chunks, however the stream was cut, and gives datagrams. A length of zero or
//! above [`MAX_DATAGRAM`] can only come from something that does not speak this protocol, and ends the carrier.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Longest datagram. Large, because each costs a round of encryption and bookkeeping; 65,527 (QUIC's limit)
/// was slower than this, and this with its length fits a 64 KiB chunk.
pub(crate) const MAX_DATAGRAM: u16 = 60_000;
/// Bytes of the length.
pub(crate) const PREFIX: usize = 2;

/// The stream cannot be a sequence of datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("datagram of {0} bytes in the carrier")]
pub(crate) struct FrameError(u16);

/// Puts a datagram with its length at the end of `out`. The caller has checked the length.
pub(crate) fn encode(length: u16, datagram: &[u8], out: &mut BytesMut) {
    out.reserve(PREFIX + datagram.len());
    out.put_u16(length);
    out.put_slice(datagram);
}

/// Finds datagrams in chunks.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// Not looked at yet.
    chunk: Bytes,
    /// The beginning of a frame, its length included, whose end has not come; at most one frame long.
    partial: BytesMut,
}

impl Decoder {
    /// Takes the next bytes of the stream. All datagrams of earlier bytes must have been taken out.
    pub(crate) fn feed(&mut self, chunk: Bytes) {
        debug_assert!(self.chunk.is_empty(), "fed before it was drained");
        self.chunk = chunk;
    }

    /// The next whole datagram, or `None` until more bytes come. One that lies within a chunk is not copied.
    ///
    /// # Errors
    /// For an impossible length; the stream is of no use from there on.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, FrameError> {
        if self.partial.is_empty()
            && let Some(length) = length(&self.chunk)?
            && self.chunk.len() >= PREFIX + length
        {
            self.chunk.advance(PREFIX);
            return Ok(Some(self.chunk.split_to(length)));
        }
        if !self.gather(PREFIX) {
            return Ok(None);
        }
        let Some(length) = length(&self.partial)? else { return Ok(None) };
        if !self.gather(PREFIX + length) {
            return Ok(None);
        }
        let mut frame = self.partial.split().freeze();
        frame.advance(PREFIX);
        Ok(Some(frame))
    }

    /// Moves bytes from the chunk until `partial` has `want`; whether there were enough.
    fn gather(&mut self, want: usize) -> bool {
        let missing = want.saturating_sub(self.partial.len());
        self.partial.reserve(missing);
        let part = self.chunk.split_to(missing.min(self.chunk.len()));
        self.partial.extend_from_slice(&part);
        part.len() == missing
    }
}

/// The length of the frame that begins with `bytes`, once that is there.
fn length(bytes: &[u8]) -> Result<Option<usize>, FrameError> {
    let Some(&prefix) = bytes.first_chunk::<PREFIX>() else { return Ok(None) };
    match u16::from_be_bytes(prefix) {
        length @ 1..=MAX_DATAGRAM => Ok(Some(length.into())),
        length => Err(FrameError(length)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(datagrams: &[Vec<u8>]) -> Bytes {
        let mut stream = BytesMut::new();
        for datagram in datagrams {
            encode(datagram.len() as u16, datagram, &mut stream);
        }
        stream.freeze()
    }

    fn drain(decoder: &mut Decoder, into: &mut Vec<Vec<u8>>) -> Result<(), FrameError> {
        while let Some(datagram) = decoder.next()? {
            into.push(datagram.to_vec());
        }
        Ok(())
    }

    #[test]
    fn impossible_lengths_are_refused() {
        for length in [0, MAX_DATAGRAM + 1, u16::MAX] {
            let mut decoder = Decoder::default();
            decoder.feed(Bytes::copy_from_slice(&length.to_be_bytes()));
            assert_eq!(decoder.next(), Err(FrameError(length)));
        }
    }

    #[test]
    fn the_longest_datagram_passes() {
        let datagrams = vec![vec![7; MAX_DATAGRAM.into()], vec![1]];
        let mut decoder = Decoder::default();
        decoder.feed(framed(&datagrams));
        let mut got = Vec::new();
        drain(&mut decoder, &mut got).unwrap();
        assert_eq!(got, datagrams);
    }

    #[test]
    fn a_length_whose_bytes_come_apart_is_put_together() {
        let mut decoder = Decoder::default();
        for byte in [0u8, 2, 8] {
            decoder.feed(Bytes::copy_from_slice(&[byte]));
            assert_eq!(decoder.next(), Ok(None));
        }
        decoder.feed(Bytes::from_static(&[9]));
        assert_eq!(decoder.next(), Ok(Some(Bytes::from_static(&[8, 9]))));
    }

    proptest! {
        #[test]
        fn datagrams_survive_any_cutting_of_the_stream(
            datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..400), 1..12),
            cuts in prop::collection::vec(1usize..600, 1..20),
        ) {
            let mut stream = framed(&datagrams);
            let (mut decoder, mut got) = (Decoder::default(), Vec::new());
            for cut in cuts.iter().cycle() {
                if stream.is_empty() {
                    break;
                }
                decoder.feed(stream.split_to((*cut).min(stream.len())));
                drain(&mut decoder, &mut got).unwrap();
            }
            prop_assert_eq!(got, datagrams);
        }

        #[test]
        fn random_bytes_never_panic_and_never_make_a_datagram_out_of_range(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20),
        ) {
            let (mut decoder, mut got) = (Decoder::default(), Vec::new());
            for chunk in chunks {
                decoder.feed(chunk.into());
                if drain(&mut decoder, &mut got).is_err() {
                    break;
                }
                prop_assert!(decoder.partial.len() < PREFIX + usize::from(MAX_DATAGRAM));
            }
            prop_assert!(got.iter().all(|d| (1..=MAX_DATAGRAM.into()).contains(&d.len())));
        }
    }
}
