//! The first bytes of a body.

use bytes::BytesMut;

use crate::Body;

/// Counts `bytes`, and keeps what fits: of the body `most` bytes, and `room` of these. Gives how many were kept. A body of which a
/// byte is missing grows no more: what is kept is its beginning.
pub(super) fn keep(body: &mut Body, bytes: &[u8], most: usize, room: usize) -> usize {
    let take =
        if body.is_whole() { most.saturating_sub(body.kept.len()).min(room).min(bytes.len()) } else { 0 };
    body.size += bytes.len() as u64;
    if take > 0 {
        // In place, unless somebody has a copy of what was kept before.
        let kept = std::mem::take(&mut body.kept).try_into_mut();
        let mut kept = kept.unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        kept.extend_from_slice(bytes.get(..take).unwrap_or_default());
        body.kept = kept.freeze();
    }
    take
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_is_kept_and_everything_is_counted() {
        let mut body = Body::default();
        assert_eq!(keep(&mut body, b"abc", 5, 9), 3);
        let copy = body.clone();
        assert_eq!(keep(&mut body, b"def", 5, 9), 2);
        assert_eq!((body.size, &body.kept[..]), (6, &b"abcde"[..]));
        assert_eq!((copy.size, &copy.kept[..]), (3, &b"abc"[..]));
    }

    #[test]
    fn nothing_is_kept_behind_a_gap() {
        let mut body = Body::default();
        assert_eq!(keep(&mut body, b"abc", 9, 2), 2);
        assert_eq!(keep(&mut body, b"def", 9, 9), 0);
        assert_eq!((body.size, &body.kept[..]), (6, &b"ab"[..]));
    }
}
