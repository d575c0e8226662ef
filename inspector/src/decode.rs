//! Bodies as people read them.
//!
//! What came is unpacked (`Content-Encoding`), read as text (`charset`) and laid out by what it is: JSON with indentation, a
//! form with one field a line, parts of a multipart body as a list, everything else that is no text as a hex dump. All of
//! it comes from a network: the output is bounded, a body that was cut off or broken is shown as far as it goes, and nothing
//! in the text moves a terminal's cursor.

pub(crate) mod coding;
mod hex;
pub(crate) mod json;
mod media;
pub(crate) mod multipart;
mod printable;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bytes::Bytes;

pub(crate) use self::media::{Charset, Media, Shape};
pub use self::printable::{printable, printable_lines};

use crate::exchange::Message;
use crate::text::numbers;

/// A body that can be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decoded {
    /// Lines end with `\n`; of control characters there are that and `\t`, all others are spelled out.
    pub text: String,
    /// What has to be known about it, for people: "gzip, 1.2 KiB -> 8.4 KiB", "first 64 KiB of 3.1 MiB".
    pub notes: Vec<String>,
    /// It is no text: a hex dump of its beginning.
    pub binary: bool,
}

/// The contents of a body: unpacked, as far as that goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// The bytes, at most 1 MiB where they were packed.
    pub bytes: Bytes,
    /// Whether these are all of them.
    pub whole: bool,
    /// As [`Decoded::notes`].
    pub notes: Vec<String>,
}

/// Unpacks a body.
pub fn contents(message: &Message) -> Contents {
    let body = &message.body;
    let mut notes = Vec::new();
    if !body.is_whole() {
        let kept = body.covered.unwrap_or(body.kept.len() as u64);
        notes.push(format!("first {} of {}", numbers::size(kept), numbers::size(body.size)));
    }
    if body.covered.is_some() {
        notes.push("secrets are covered".into());
    }
    let plain = |notes, whole| Contents { bytes: body.kept.clone(), whole, notes };
    let codings = match coding::codings(message.header("content-encoding")) {
        Ok(codings) => codings,
        Err(name) => {
            notes.push(format!("packed as {}, which can't be unpacked", printable(&name)));
            return plain(notes, body.is_whole());
        }
    };
    if codings.is_empty() || body.kept.is_empty() {
        return plain(notes, body.is_whole());
    }
    let unpacked = coding::unpack(&body.kept, &codings);
    let names: Vec<_> = codings.iter().map(|coding| coding.name()).collect();
    let names = names.join(", ");
    match unpacked.end {
        coding::End::Whole | coding::End::Cut if body.covered.is_some() => notes.push(names),
        coding::End::Whole => {
            let after = numbers::size(unpacked.bytes.len() as u64);
            notes.push(format!("{names}, {} -> {after}", numbers::size(body.size)));
        }
        coding::End::Cut => notes.push(format!("{names}, unpacked as far as it goes")),
        coding::End::Limit => {
            let limit = numbers::size(coding::LIMIT as u64);
            notes.push(format!("{names}, the first {limit} of what was unpacked"));
        }
        coding::End::Broken => notes.push(format!("{names}, broken: unpacked as far as it goes")),
    }
    let whole = unpacked.end == coding::End::Whole && body.is_whole();
    Contents { bytes: unpacked.bytes.into(), whole, notes }
}

/// A body as people read it.
pub fn body(message: &Message) -> Decoded {
    let Contents { bytes, whole, mut notes } = contents(message);
    if bytes.is_empty() {
        return Decoded { notes, ..Decoded::default() };
    }
    let media = Media::of(message);
    let shape = media.shape(&bytes);
    if shape == Shape::Binary {
        let size = if whole { bytes.len() as u64 } else { message.body.size };
        notes.insert(0, format!("binary, {}", numbers::size(size)));
        return Decoded { text: hex::dump(&bytes), notes, binary: true };
    }
    if shape == Shape::Multipart
        && let Some(boundary) = media.parameter("boundary")
    {
        return Decoded { text: multipart::list(&bytes, &boundary), notes, binary: false };
    }
    let text = text(&bytes, media.charset(), whole, &mut notes);
    let text = match shape {
        Shape::Json => {
            let pretty = json::pretty(&text);
            if let Some(from) = pretty.raw_from
                && whole
            {
                notes.push(format!("not JSON from byte {from} on"));
            }
            printable_lines(&pretty.text)
        }
        Shape::Form => form(&text),
        _ => printable_lines(&text),
    };
    Decoded { text, notes, binary: false }
}

/// Bytes as text; what is no text becomes U+FFFD.
fn text<'a>(bytes: &'a [u8], charset: Charset, whole: bool, notes: &mut Vec<String>) -> Cow<'a, str> {
    match charset {
        Charset::Latin1 => return bytes.iter().map(|byte| char::from(*byte)).collect::<String>().into(),
        Charset::Utf8 => {}
        Charset::Other(name) => notes.push(format!("charset {} is read as UTF-8", printable(&name))),
    }
    // The last character of what was cut off may be cut itself, which is no news.
    let bytes = if whole { bytes } else { media::without_cut_character(bytes) };
    let text = String::from_utf8_lossy(bytes);
    if matches!(text, Cow::Owned(_)) {
        notes.push("not all of it is UTF-8".into());
    }
    text
}

/// One field a line.
fn form(text: &str) -> String {
    let mut lines = String::with_capacity(text.len());
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        lines.push_str(&printable(&name));
        lines.push_str(" = ");
        lines.push_str(&printable(&value));
        lines.push('\n');
    }
    lines
}
