//! `postData` and `content`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use super::{pairs, size};
use crate::decode::{self, Charset, Contents, Media, Shape};
use crate::exchange::Message;

/// None: there was no body.
pub(super) fn post_data(message: &Message) -> Option<Value> {
    if message.body.size == 0 {
        return None;
    }
    let media = Media::of(message);
    let mut post = Map::new();
    post.insert("mimeType".into(), mime(message));
    // Unpacked, as of an answer: `headers` say how it was packed.
    let Contents { bytes, .. } = decode::contents(message);
    if media.shape(&bytes) == Shape::Form {
        // The format has one of the two, never both.
        post.insert("params".into(), pairs(&bytes).into());
        return Some(post.into());
    }
    match text(&media, &bytes) {
        Some(text) => post.insert("text".into(), text.into()),
        None => {
            post.insert("_encoding".into(), "base64".into());
            post.insert("text".into(), BASE64_STANDARD.encode(&bytes).into())
        }
    };
    Some(post.into())
}

pub(super) fn content(message: &Message) -> Value {
    let Contents { bytes, whole, .. } = decode::contents(message);
    let passed = message.body.size;
    let packed =
        message.header("content-encoding").any(|value| !value.trim().eq_ignore_ascii_case("identity"));
    // Of what is neither packed nor whole the size is known all the same.
    let length = if whole || packed { bytes.len() as u64 } else { passed };
    let mut content = Map::new();
    content.insert("size".into(), size(length));
    content.insert("mimeType".into(), mime(message));
    if packed && whole {
        let saved = i128::from(length) - i128::from(passed);
        content.insert("compression".into(), i64::try_from(saved).unwrap_or(0).into());
    }
    if bytes.is_empty() {
        return content.into();
    }
    match text(&Media::of(message), &bytes) {
        Some(text) => content.insert("text".into(), text.into()),
        None => {
            content.insert("encoding".into(), "base64".into());
            content.insert("text".into(), BASE64_STANDARD.encode(&bytes).into())
        }
    };
    content.into()
}

/// None: it is no text that could be read back to the same bytes.
fn text(media: &Media, bytes: &[u8]) -> Option<String> {
    match (media.shape(bytes), media.charset()) {
        (Shape::Binary, _) => None,
        (_, Charset::Latin1) => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
        _ => std::str::from_utf8(bytes).ok().map(str::to_owned),
    }
}

fn mime(message: &Message) -> Value {
    json!(message.header("content-type").next().unwrap_or_default())
}
