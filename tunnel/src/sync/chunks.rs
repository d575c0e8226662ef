//! Cutting a large file where its own contents say so, so that both ends cut the parts that are alike in the same places,
//! wherever they have moved: FastCDC, 2020 edition.

use std::io::Read;

use fastcdc::v2020::StreamCDC;

use super::Chunk;

/// Smaller files are sent whole: asking what the other end has takes longer.
pub const LARGE: u64 = 1 << 20;
/// Shortest, usual and longest piece.
const SIZES: (usize, usize, usize) = (16 << 10, 64 << 10, 256 << 10);

/// Cuts what `source` gives, and hands each piece with its bytes to `take`, until that says stop.
///
/// # Errors
/// As the source's.
pub fn cut(
    source: impl Read,
    mut take: impl FnMut(Chunk, &[u8]) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let (shortest, usual, longest) = SIZES;
    for piece in StreamCDC::new(source, shortest, usual, longest) {
        let piece = piece.map_err(std::io::Error::from)?;
        let length = u32::try_from(piece.data.len()).unwrap_or(u32::MAX);
        take(Chunk { length, hash: *blake3::hash(&piece.data).as_bytes() }, &piece.data)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn chunks(bytes: &[u8]) -> Vec<Chunk> {
        let mut found = Vec::new();
        cut(bytes, |chunk, data| {
            assert_eq!(chunk.length as usize, data.len());
            found.push(chunk);
            Ok(())
        })
        .unwrap();
        found
    }

    #[test]
    fn a_byte_in_front_changes_one_piece_or_two() {
        let mut bytes = vec![0; 4 << 20];
        getrandom::fill(&mut bytes).unwrap();
        let before = chunks(&bytes);
        assert_eq!(before.iter().map(|chunk| chunk.length as usize).sum::<usize>(), bytes.len());
        bytes.insert(100, 1);
        let known: HashSet<_> = before.iter().map(|chunk| chunk.hash).collect();
        let new = chunks(&bytes).iter().filter(|chunk| !known.contains(&chunk.hash)).count();
        assert!(new <= 2, "{new} of {}", before.len());
    }
}
