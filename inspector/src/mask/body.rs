//! Secrets in bodies.

use super::{COVER, json, names, url};
use crate::decode::{Media, Shape, coding, multipart};
use crate::exchange::Message;

/// What is to be kept instead, packed as the headers say, and whether all of the kept body is still in it. None: there are no
/// secrets, or it can't be read by anybody.
pub(super) fn cover(message: &Message) -> Option<(Vec<u8>, bool)> {
    let kept = &message.body.kept;
    let media = Media::of(message);
    if kept.is_empty() || media.is_grpc() {
        return None;
    }
    let codings = coding::codings(message.header("content-encoding")).ok()?;
    if codings.is_empty() {
        return Some((covered(kept, &media)?, true));
    }
    let unpacked = coding::unpack(kept, &codings);
    let whole = matches!(unpacked.end, coding::End::Whole | coding::End::Cut);
    let covered = covered(&unpacked.bytes, &media)?;
    Some((coding::pack(covered, &codings).unwrap_or_default(), whole))
}

fn covered(bytes: &[u8], media: &Media) -> Option<Vec<u8>> {
    match media.shape(bytes) {
        Shape::Json => json::cover(bytes),
        Shape::Events => json::cover_lines(bytes),
        // What is no UTF-8 in a form is no form; its percents are.
        Shape::Form => url::pairs(&String::from_utf8_lossy(bytes)).map(String::into_bytes),
        Shape::Multipart => parts(bytes, &media.parameter("boundary")?),
        Shape::Text | Shape::Binary => None,
    }
}

/// Parts of a multipart body whose names have secrets.
fn parts(bytes: &[u8], boundary: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut from = 0;
    for part in multipart::parts(bytes, boundary) {
        let secret = part.name.as_deref().is_some_and(names::field);
        let contents = bytes.get(part.contents.clone()).unwrap_or_default();
        if secret && !contents.is_empty() && contents != COVER.as_bytes() {
            out.extend_from_slice(bytes.get(from..part.contents.start).unwrap_or_default());
            out.extend_from_slice(COVER.as_bytes());
            from = part.contents.end;
        }
    }
    (from > 0).then(|| {
        out.extend_from_slice(bytes.get(from..).unwrap_or_default());
        out
    })
}
