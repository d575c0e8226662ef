//! Brotli: unpacked with a window of 16 MiB at most, packed without compression.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::{End, LIMIT, Unpacked};

/// The longest stored block whose length takes four nibbles.
const BLOCK: usize = 1 << 16;

/// As far as it goes, up to [`LIMIT`].
pub(super) fn unpack(bytes: &[u8]) -> Unpacked {
    // Not the reader of the crate: that takes windows of a gibibyte, which no content coding has.
    let alloc = StandardAlloc::default;
    let mut state = BrotliState::new_strict(alloc(), alloc(), alloc());
    let (mut left, mut at, mut total) = (bytes.len(), 0, 0);
    let mut out = Vec::new();
    let mut piece = [0; 8 << 10];
    let end = loop {
        let (mut room, mut written) = (piece.len(), 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut at,
            bytes,
            &mut room,
            &mut written,
            &mut piece,
            &mut total,
            &mut state,
        );
        out.extend_from_slice(piece.get(..written).unwrap_or_default());
        if out.len() > LIMIT {
            out.truncate(LIMIT);
            break End::Limit;
        }
        match result {
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::NeedsMoreInput => break End::Cut,
            BrotliResult::ResultSuccess if left == 0 => break End::Whole,
            BrotliResult::ResultSuccess | BrotliResult::ResultFailure => break End::Broken,
        }
    };
    Unpacked { bytes: out, end }
}

/// Blocks that are stored as they are (RFC 7932 §9.2).
pub(super) fn pack(bytes: &[u8]) -> Vec<u8> {
    if bytes.is_empty() {
        // The window's size (bit 0), then the last block (bit 1), which is empty (bit 2).
        return vec![0b110];
    }
    let mut out = Vec::with_capacity(bytes.len() + 16);
    for (index, block) in bytes.chunks(BLOCK).enumerate() {
        // Not the last (1 bit), four nibbles of length (2 bits of 0), the length less one (16 bits), stored (1 bit); before
        // the first of them one bit for the window's size. The rest of three bytes is padding.
        let length = u32::try_from(block.len() - 1).unwrap_or(0);
        let head = (length << 3) | (1 << 19);
        let head = if index == 0 { head << 1 } else { head };
        out.extend_from_slice(head.to_le_bytes().get(..3).unwrap_or_default());
        out.extend_from_slice(block);
    }
    out.push(0b11);
    out
}
