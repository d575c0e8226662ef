//! Unpacks one gzip stream in constant memory, and believes only what its checksum confirms.

use core::fmt;

use crc32fast::Hasher;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

const BUFFER: usize = 64 * 1024;

const HEADER_CHECKSUM: u8 = 2;
const EXTRA_FIELD: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;

/// Where the compressed bytes come from and the plain ones go.
pub(crate) trait Ends {
    /// Why reading, unpacking or writing failed.
    type Error: From<Corruption>;

    /// Fills the front of `buffer`; 0 is the end.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error>;

    /// Takes all of `bytes`.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;
}

/// Unpacks the one stream that `ends` holds.
///
/// # Errors
///
/// What was written before an error is worth nothing.
pub(crate) fn unpack<E: Ends>(ends: &mut E) -> Result<(), E::Error> {
    let mut input = Input { buffer: [0; BUFFER], from: 0, until: 0 };
    header(&mut input, ends)?;

    // The window wraps at a power of two that is not below the 32 KiB of the format.
    let mut window = [0; BUFFER];
    let mut at = 0;
    let mut inflate = DecompressorOxide::new();
    let mut checksum = Hasher::new();
    let mut length = 0_u32;
    loop {
        if input.is_empty() && !input.fill(ends)? {
            return Err(Corruption::Truncated.into());
        }
        let (status, taken, made) =
            decompress(&mut inflate, input.bytes(), &mut window, at, TINFL_FLAG_HAS_MORE_INPUT);
        input.from += taken;
        let plain = window.get(at..at + made).unwrap_or_default();
        checksum.update(plain);
        length = length.wrapping_add(plain.len() as u32);
        ends.write(plain)?;
        at = (at + made) % BUFFER;
        match status {
            TINFLStatus::Done => break,
            TINFLStatus::HasMoreOutput | TINFLStatus::NeedsMoreInput => {}
            _ => return Err(Corruption::Corrupt.into()),
        }
    }

    if input.number(ends)? != checksum.finalize() || input.number(ends)? != length {
        return Err(Corruption::Checksum.into());
    }
    if input.is_empty() && !input.fill(ends)? { Ok(()) } else { Err(Corruption::Trailing.into()) }
}

fn header<E: Ends>(input: &mut Input, ends: &mut E) -> Result<(), E::Error> {
    let [one, two, method, flags, ..] = input.take::<10, E>(ends)?;
    if [one, two, method] != [0x1f, 0x8b, 8] {
        return Err(Corruption::NotGzip.into());
    }
    if flags & EXTRA_FIELD != 0 {
        let length = u16::from_le_bytes(input.take::<2, E>(ends)?);
        for _ in 0..length {
            input.take::<1, E>(ends)?;
        }
    }
    for text in [NAME, COMMENT] {
        while flags & text != 0 && input.take::<1, E>(ends)? != [0] {}
    }
    if flags & HEADER_CHECKSUM != 0 {
        input.take::<2, E>(ends)?;
    }
    Ok(())
}

struct Input {
    buffer: [u8; BUFFER],
    from: usize,
    until: usize,
}

impl Input {
    fn bytes(&self) -> &[u8] {
        self.buffer.get(self.from..self.until).unwrap_or_default()
    }

    fn is_empty(&self) -> bool {
        self.from >= self.until
    }

    /// Reads more when all is used up; false at the end.
    fn fill<E: Ends>(&mut self, ends: &mut E) -> Result<bool, E::Error> {
        self.from = 0;
        self.until = ends.read(&mut self.buffer)?;
        Ok(self.until > 0)
    }

    fn take<const N: usize, E: Ends>(&mut self, ends: &mut E) -> Result<[u8; N], E::Error> {
        let mut taken = [0; N];
        for slot in &mut taken {
            if self.is_empty() && !self.fill(ends)? {
                return Err(Corruption::Truncated.into());
            }
            *slot = self.bytes().first().copied().unwrap_or_default();
            self.from += 1;
        }
        Ok(taken)
    }

    fn number<E: Ends>(&mut self, ends: &mut E) -> Result<u32, E::Error> {
        Ok(u32::from_le_bytes(self.take(ends)?))
    }
}

/// The bytes are not one whole gzip stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Corruption {
    /// It begins with something else.
    NotGzip,
    /// It ends too early.
    Truncated,
    /// The compressed data make no sense.
    Corrupt,
    /// The data are not what was compressed.
    Checksum,
    /// Something stands behind the end.
    Trailing,
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotGzip => "the parts are not a gzip stream",
            Self::Truncated => "the parts end too early; is one missing?",
            Self::Corrupt => "the parts are corrupt",
            Self::Checksum => "the parts are corrupt (wrong checksum)",
            Self::Trailing => "the parts are corrupt (bytes behind the end)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf '%s' 'bootstrap bootstrap bootstrap!' | gzip -9`, with a file name in the header.
    const PACKED: &[u8] = &[
        0x1f, 0x8b, 8, NAME, 0, 0, 0, 0, 2, 3, b'a', 0, 0x4b, 0xca, 0xcf, 0x2f, 0x29, 0x2e, 0x29, 0x4a, 0x2c,
        0x50, 0x48, 0xc2, 0x64, 0x29, 0x02, 0x00, 0x2d, 0x9d, 0x3d, 0xcd, 0x1e, 0x00, 0x00, 0x00,
    ];
    const PLAIN: &[u8] = b"bootstrap bootstrap bootstrap!";

    /// Gives its bytes in pieces of `step`.
    struct Pieces<'a> {
        packed: &'a [u8],
        step: usize,
        plain: Vec<u8>,
    }

    impl Ends for Pieces<'_> {
        type Error = Corruption;

        fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Corruption> {
            let (piece, rest) = self.packed.split_at(self.step.min(self.packed.len()));
            self.packed = rest;
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }

        fn write(&mut self, bytes: &[u8]) -> Result<(), Corruption> {
            self.plain.extend_from_slice(bytes);
            Ok(())
        }
    }

    fn unpack_in(packed: &[u8], step: usize) -> Result<Vec<u8>, Corruption> {
        let mut ends = Pieces { packed, step, plain: Vec::new() };
        unpack(&mut ends).map(|()| ends.plain)
    }

    #[test]
    fn pieces_of_every_size_give_the_same_bytes() {
        for step in 1..=PACKED.len() {
            assert_eq!(unpack_in(PACKED, step).unwrap(), PLAIN, "in pieces of {step}");
        }
    }

    #[test]
    fn a_stream_that_is_cut_anywhere_is_truncated() {
        for length in 0..PACKED.len() {
            assert_eq!(unpack_in(&PACKED[..length], 7), Err(Corruption::Truncated), "cut at {length}");
        }
    }

    #[test]
    fn no_changed_byte_behind_the_header_goes_unseen() {
        for at in 12..PACKED.len() {
            let mut packed = PACKED.to_vec();
            packed[at] = !packed[at];
            assert!(unpack_in(&packed, 64).is_err(), "byte {at} was changed");
        }
    }

    #[test]
    fn bytes_behind_the_end_are_refused() {
        assert_eq!(unpack_in(&[PACKED, b"x"].concat(), 64), Err(Corruption::Trailing));
    }

    #[test]
    fn something_else_is_not_gzip() {
        assert_eq!(unpack_in(b"\x7fELF, not compressed", 64), Err(Corruption::NotGzip));
    }

    #[test]
    fn all_optional_fields_of_the_header_are_passed_over() {
        let mut packed =
            vec![0x1f, 0x8b, 8, NAME | COMMENT | EXTRA_FIELD | HEADER_CHECKSUM, 0, 0, 0, 0, 2, 3];
        packed.extend_from_slice(b"\x03\x00xyzname\0comment\0\x01\x02");
        packed.extend_from_slice(&PACKED[12..]);
        assert_eq!(unpack_in(&packed, 5).unwrap(), PLAIN);
    }

    #[test]
    fn packed_bytes_can_be_anything() {
        let mut random = 0x9e37_79b9_u32;
        let mut next = |below: usize| {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            random as usize % below
        };
        for _ in 0..2000 {
            let mut packed = PACKED.to_vec();
            for _ in 0..=next(4) {
                let at = next(packed.len());
                match next(3) {
                    0 => packed[at] = next(256) as u8,
                    1 => packed.insert(at, next(256) as u8),
                    _ => drop(packed.remove(at)),
                }
            }
            // Only the header has bytes that mean nothing.
            if let Ok(plain) = unpack_in(&packed, 1 + next(40)) {
                assert_eq!(plain, PLAIN);
            }
        }
    }
}
