//! Parts of a multipart body (RFC 2046 §5.1, RFC 7578).

use std::ops::Range;

use super::media::{pieces, unquoted};
use super::printable;
use crate::text::numbers;

/// More parts are not listed.
const MOST: usize = 256;
/// Longer heads of a part are not looked at further.
const HEAD_LIMIT: usize = 8 << 10;
/// Fields up to this length are shown with their value.
const SHOWN: usize = 256;

/// One part.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    /// As `Content-Disposition` says.
    pub(crate) name: Option<String>,
    pub(crate) filename: Option<String>,
    media: Option<String>,
    /// Where its contents are.
    pub(crate) contents: Range<usize>,
    /// Whether its end came.
    whole: bool,
}

/// The parts that `boundary` separates, as far as they came.
pub(crate) fn parts(bytes: &[u8], boundary: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    // Where the part that is being read began: its head, then its contents.
    let mut from: Option<usize> = None;
    let mut at = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let start = at;
        at += line.len();
        let Some(rest) = line.strip_prefix(b"--").and_then(|line| line.strip_prefix(boundary.as_bytes()))
        else {
            continue;
        };
        let last = rest.starts_with(b"--");
        if !last && !rest.trim_ascii().is_empty() {
            continue;
        }
        if let Some(from) = from {
            parts.push(part(bytes, from, start, true));
        }
        from = (!last && parts.len() < MOST).then_some(at);
        if from.is_none() {
            break;
        }
    }
    if let Some(from) = from {
        parts.push(part(bytes, from, bytes.len(), false));
    }
    parts
}

fn part(bytes: &[u8], from: usize, to: usize, whole: bool) -> Part {
    let mut part = Part { whole, ..Part::default() };
    let mut at = from;
    let all = bytes.get(from..to).unwrap_or_default();
    for line in all.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        let line = String::from_utf8_lossy(line.trim_ascii());
        if line.is_empty() || at - from > HEAD_LIMIT {
            break;
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("content-type") {
            part.media = Some(value.trim().to_owned());
        } else if name.eq_ignore_ascii_case("content-disposition") {
            for (name, value) in pieces(value).into_iter().filter_map(|piece| piece.split_once('=')) {
                match name.trim().to_ascii_lowercase().as_str() {
                    "name" => part.name = Some(unquoted(value.trim())),
                    "filename" => part.filename = Some(unquoted(value.trim())),
                    _ => {}
                }
            }
        }
    }
    let contents = bytes.get(at..to).unwrap_or_default();
    // The line end before a boundary is the boundary's.
    let end = match contents {
        [.., b'\r', b'\n'] if whole => to - 2,
        [.., b'\n'] if whole => to - 1,
        _ => to,
    };
    part.contents = at.min(end)..end;
    part
}

/// One part a line: name, file name, type, size, and what short fields contain.
pub(super) fn list(bytes: &[u8], boundary: &str) -> String {
    let mut out = String::new();
    for part in parts(bytes, boundary) {
        let contents = bytes.get(part.contents.clone()).unwrap_or_default();
        out.push_str(&printable(part.name.as_deref().unwrap_or("(no name)")));
        if let Some(filename) = &part.filename {
            out.push_str(&format!(" \"{}\"", printable(filename)));
        }
        if let Some(media) = &part.media {
            out.push_str(&format!(" {}", printable(media)));
        }
        let size = numbers::size(contents.len() as u64);
        out.push_str(&if part.whole { format!(" ({size})") } else { format!(" ({size}, cut off)") });
        if part.filename.is_none()
            && contents.len() <= SHOWN
            && let Ok(value) = std::str::from_utf8(contents)
        {
            out.push_str(&format!(" = {}", printable(value)));
        }
        out.push('\n');
    }
    out
}
