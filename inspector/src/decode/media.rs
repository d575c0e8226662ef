//! What a body is, from its `Content-Type` and, where that says little, from its first bytes.

use crate::exchange::Message;

/// So many bytes are looked at to tell text from what is none.
const SNIFFED: usize = 1024;

/// A `Content-Type`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Media {
    /// In small letters, without parameters.
    pub(crate) name: String,
    parameters: Vec<(String, String)>,
}

/// How a body is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    Multipart,
    /// `text/event-stream`: lines, some of them with JSON.
    Events,
    Text,
    Binary,
}

/// Which characters the bytes of a text stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Charset {
    Utf8,
    Latin1,
    /// Its name.
    Other(String),
}

impl Media {
    pub(crate) fn of(message: &Message) -> Self {
        message.header("content-type").next().map_or_else(Self::default, Self::parse)
    }

    fn parse(value: &str) -> Self {
        let mut parts = pieces(value).into_iter();
        let name = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let parameters = parts
            .filter_map(|part| {
                let (name, value) = part.split_once('=')?;
                Some((name.trim().to_ascii_lowercase(), unquoted(value.trim())))
            })
            .collect();
        Self { name, parameters }
    }

    /// A parameter, without its quotes.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let own = self.parameters.iter().find(|(own, _)| own == name);
        own.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
    }

    pub(crate) fn is_grpc(&self) -> bool {
        self.name.starts_with("application/grpc")
    }

    pub(crate) fn charset(&self) -> Charset {
        let Some(name) = self.parameter("charset") else { return Charset::Utf8 };
        match name.to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" | "us-ascii" | "ascii" => Charset::Utf8,
            "iso-8859-1" | "latin1" | "l1" => Charset::Latin1,
            _ => Charset::Other(name),
        }
    }

    /// What `bytes` are if this is said of them.
    pub(crate) fn shape(&self, bytes: &[u8]) -> Shape {
        let name = self.name.as_str();
        let start = bytes.get(..SNIFFED).unwrap_or(bytes);
        if self.is_grpc() || start.contains(&0) {
            // Parts of a multipart body are each of their own kind.
            return if name.starts_with("multipart/") { Shape::Multipart } else { Shape::Binary };
        }
        match name {
            "application/x-www-form-urlencoded" => Shape::Form,
            "text/event-stream" => Shape::Events,
            _ if name.starts_with("multipart/") => Shape::Multipart,
            _ if name.contains("json") => Shape::Json,
            _ if !self.says_text() && !is_text(start) => Shape::Binary,
            "text/html" | "text/css" | "text/csv" => Shape::Text,
            _ if starts_json(start) => Shape::Json,
            _ => Shape::Text,
        }
    }

    fn says_text(&self) -> bool {
        let name = self.name.as_str();
        name.starts_with("text/")
            || ["xml", "javascript", "graphql", "yaml", "toml"].iter().any(|kind| name.ends_with(kind))
    }
}

/// A header's value cut at semicolons outside quotes.
pub(super) fn pieces(value: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    value
        .split(|c| {
            match c {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                ';' => return !quoted,
                _ => {}
            }
            false
        })
        .collect()
}

/// The contents of a quoted string (RFC 9110 §5.6.4), or the value itself.
pub(super) fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else { return value.to_owned() };
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let mut escaped = false;
    inner
        .chars()
        .filter(|c| {
            escaped = *c == '\\' && !escaped;
            !escaped
        })
        .collect()
}

/// UTF-8 without control characters that texts don't have.
fn is_text(bytes: &[u8]) -> bool {
    let bytes = without_cut_character(bytes);
    let control =
        |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r' | b'\x0c' | b'\x1b');
    std::str::from_utf8(bytes).is_ok() && !bytes.iter().any(control)
}

fn starts_json(bytes: &[u8]) -> bool {
    matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// Without the bytes of a last character that is not complete.
pub(super) fn without_cut_character(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => bytes.get(..error.valid_up_to()).unwrap_or(bytes),
        // There may be others before it: then the last three bytes are looked at alone.
        Err(_) => {
            let last = bytes.len().saturating_sub(3);
            let lead = bytes.iter().enumerate().skip(last).find(|(_, byte)| **byte >= 0xc0);
            match lead.map(|(at, _)| bytes.split_at(at)) {
                Some((before, tail)) if matches!(std::str::from_utf8(tail), Err(error) if error.error_len().is_none()) => {
                    before
                }
                _ => bytes,
            }
        }
        Ok(_) => bytes,
    }
}
