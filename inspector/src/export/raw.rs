//! A message as HTTP/1.1 writes it.
//!
//! Of HTTP/1 these are the bytes that passed, but for what is not kept: white space around values, the sizes of chunks (all of
//! the body is one), the words after a status. Of HTTP/2 it is what a gateway would make of it.

use std::io::Write as _;

use bytes::Bytes;

use super::command::is_token;
use crate::exchange::{Exchange, Header, Message, Version};

/// Which message of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What was asked.
    Request,
    /// What was answered.
    Answer,
}

/// The bytes of a message; none: there is no answer. Headers that would be read as more than one are mended: line ends and
/// other control characters are spaces, and a name that is none takes its header with it. A body that is cut off ends where it was cut
/// off, whatever the head says of its length.
pub fn raw(exchange: &Exchange, side: Side) -> Option<Bytes> {
    let mut out = Vec::new();
    let version = if exchange.version == Version::Http10 { "HTTP/1.0" } else { "HTTP/1.1" };
    let message = match side {
        Side::Request => {
            let method: String = exchange.method.chars().filter(|c| c.is_ascii_graphic()).collect();
            let target: String = exchange.target.chars().filter(|c| !c.is_control() && *c != ' ').collect();
            // Writing to a vector can't fail.
            let _ = write!(out, "{method} {target} {version}\r\n");
            if exchange.request.header("host").next().is_none() && !exchange.host.is_empty() {
                header(&mut out, "Host", &exchange.host);
            }
            &exchange.request
        }
        Side::Answer => {
            let status = exchange.status?;
            let known = http::StatusCode::from_u16(status).ok();
            let reason = known.and_then(|status| status.canonical_reason()).unwrap_or_default();
            let _ = write!(out, "{version} {status:03} {reason}\r\n");
            exchange.answer.as_ref()?
        }
    };
    rest(&mut out, message, exchange.version);
    Some(out.into())
}

fn rest(out: &mut Vec<u8>, message: &Message, version: Version) {
    let body = &message.body;
    let chunked =
        message.header("transfer-encoding").any(|value| value.to_ascii_lowercase().contains("chunked"));
    for Header { name, value } in &message.headers {
        // The length of what is covered is another one.
        let length = body.covered.is_some() && name.eq_ignore_ascii_case("content-length");
        let framing = version == Version::Http2 && name.eq_ignore_ascii_case("transfer-encoding");
        if length && body.is_whole() {
            header(out, name, &body.kept.len().to_string());
        } else if !framing {
            header(out, name, value);
        }
    }
    let chunked = chunked && version != Version::Http2;
    let said = message.header("content-length").next().is_some();
    if version == Version::Http2 && !said && body.size > 0 {
        let length = if body.is_whole() { body.kept.len() as u64 } else { body.size };
        header(out, "Content-Length", &length.to_string());
    }
    out.extend_from_slice(b"\r\n");
    if !chunked {
        out.extend_from_slice(&body.kept);
        return;
    }
    if body.size > 0 {
        let length = if body.is_whole() { body.kept.len() as u64 } else { body.size };
        let _ = write!(out, "{length:x}\r\n");
        out.extend_from_slice(&body.kept);
        if !body.is_whole() {
            return;
        }
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n");
    for Header { name, value } in &message.trailers {
        header(out, name, value);
    }
    out.extend_from_slice(b"\r\n");
}

fn header(out: &mut Vec<u8>, name: &str, value: &str) {
    if !is_token(name) {
        return;
    }
    let value: String = value.chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).collect();
    let _ = write!(out, "{name}: {value}\r\n");
}
