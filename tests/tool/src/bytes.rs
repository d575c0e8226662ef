//! Bytes that both ends can make and check without sending them first.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// An endless stream of bytes that looks random and is the same for the same seed.
#[derive(Debug, Clone)]
pub struct Pattern(u64);

impl Pattern {
    /// Different seeds give different streams.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Fills `buffer` with the next bytes. Lengths that are no multiple of 8 waste what is left of a word.
    pub fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            for (to, from) in chunk.iter_mut().zip(self.0.to_le_bytes()) {
                *to = from;
            }
        }
    }

    /// The next `length` bytes.
    pub fn take(&mut self, length: usize) -> Vec<u8> {
        let mut buffer = vec![0; length];
        self.fill(&mut buffer);
        buffer
    }
}

/// SHA-256 in hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes).as_slice())
}

/// Bytes in hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes_in_any_pieces_of_whole_words() {
        let whole = Pattern::new(7).take(64);
        let mut pieces = Pattern::new(7);
        assert_eq!(whole, [pieces.take(16), pieces.take(48)].concat());
        assert_ne!(whole, Pattern::new(8).take(64));
    }

    #[test]
    fn hashes_are_those_of_everybody_else() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
