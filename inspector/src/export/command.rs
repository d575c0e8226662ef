//! What all commands have in common: which headers they say, how they get a body, what they can't say.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::shell;
use crate::exchange::{Exchange, Header, Kind};
use crate::mask;

/// A longer argument some systems refuse (Linux: 128 KiB); it comes through a pipe.
const ARGUMENT: usize = 64 << 10;
/// Headers that the connection and the body make, not the request (RFC 9110 §7.6.1).
const HOPS: [&str; 10] = [
    "connection",
    "content-length",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "host",
];

/// A request in the parts of which commands are made.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    /// What can't be said or is missing, each a sentence of plain words.
    pub(super) missing: Vec<String>,
    /// None: no method that a server would read.
    pub(super) method: Option<&'a str>,
    /// Path and query, if they can be part of an address as they are.
    pub(super) path: Result<&'a str, String>,
    /// `Host` where it is not the one of the address.
    pub(super) host: Option<&'a str>,
    /// Printable, with names that are tokens.
    pub(super) headers: Vec<&'a Header>,
    pub(super) body: Body<'a>,
}

/// How a body gets to the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body<'a> {
    None,
    /// As an argument.
    Text(&'a str),
    /// Through a pipe: base64.
    Piped(String),
}

impl<'a> Parts<'a> {
    /// `base` is the address up to the path: `http://127.0.0.1:3000`.
    pub(super) fn of(exchange: &'a Exchange, base: &str) -> Self {
        let mut missing = Vec::new();
        warn(&mut missing, exchange);
        let method = Some(exchange.method.as_str()).filter(|method| is_token(method));
        if method.is_none() {
            missing.push("The method is left out, it is no word.".into());
        }
        let authority = base.split_once("://").map_or(base, |(_, rest)| rest);
        let host = exchange.request.header("host").next().unwrap_or(&exchange.host).trim_matches([' ', '\t']);
        let host = Some(host).filter(|host| !host.is_empty() && !host.eq_ignore_ascii_case(authority));
        if host.is_some_and(|host| !is_printable(host)) {
            missing.push("The host is left out, it has control characters.".into());
        }
        Self {
            method,
            path: path(&exchange.target, &mut missing),
            host: host.filter(|host| is_printable(host)),
            headers: headers(exchange, &mut missing),
            body: body(exchange),
            missing,
        }
    }

    /// A header that is said.
    pub(super) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|header| header.name.eq_ignore_ascii_case(name))
    }

    /// The lines before the command.
    pub(super) fn comments(&self) -> String {
        self.missing.iter().map(|sentence| shell::comment(sentence)).collect()
    }
}

fn warn(missing: &mut Vec<String>, exchange: &Exchange) {
    let request = &exchange.request;
    if mask::is_covered(exchange) {
        missing.push("Secrets are covered. Show them to get a command that works.".into());
    }
    if !request.body.is_whole() {
        let kept = request.body.covered.unwrap_or(request.body.kept.len() as u64);
        missing.push(format!("The body is cut off, {kept} of {} bytes were kept.", request.body.size));
    }
    if !request.trailers.is_empty() {
        missing.push("Trailers of the request are left out.".into());
    }
    let kind = exchange.messages.map(|messages| messages.kind);
    if kind == Some(Kind::Grpc) || crate::decode::Media::of(request).is_grpc() {
        missing.push("This is gRPC. grpcurl or devbridge requests replay do it better.".into());
    } else if kind == Some(Kind::WebSocket) {
        missing.push("This began a WebSocket. websocat or devbridge requests replay do it better.".into());
    }
}

/// Errors: the target as it has to be said apart from the address.
fn path<'a>(target: &'a str, missing: &mut Vec<String>) -> Result<&'a str, String> {
    // A proxy was asked: its path is what counts now.
    let path = match target.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
        }
        _ => target,
    };
    // Programs keep a fragment to themselves and read backslashes as slashes.
    let usual =
        |c: char| !c.is_control() && !matches!(c, ' ' | '#' | '\\' | '"' | '<' | '>' | '^' | '`' | '|');
    if path.starts_with('/') && path.chars().all(usual) {
        return Ok(path);
    }
    let safe: String = path.chars().filter(|c| !c.is_control() && *c != ' ').collect();
    if safe.len() != path.len() {
        missing.push("Spaces and control characters of the target are left out.".into());
    }
    Err(safe)
}

fn headers<'a>(exchange: &'a Exchange, missing: &mut Vec<String>) -> Vec<&'a Header> {
    let request = &exchange.request;
    // `Connection` names others that end with the connection.
    let hops: Vec<_> =
        request.header("connection").flat_map(|value| value.split(',')).map(str::trim).collect();
    let own = |header: &&Header| {
        let name = header.name.as_str();
        !HOPS.iter().any(|hop| name.eq_ignore_ascii_case(hop))
            && !hops.iter().any(|hop| name.eq_ignore_ascii_case(hop))
    };
    let (said, left): (Vec<&Header>, Vec<_>) = request
        .headers
        .iter()
        .filter(own)
        .partition(|header| is_token(&header.name) && is_printable(&header.value));
    match left.len() {
        0 => {}
        1 => missing.push("A header is left out, it has control characters.".into()),
        count => missing.push(format!("{count} headers are left out, they have control characters.")),
    }
    said
}

fn body(exchange: &Exchange) -> Body<'_> {
    let request = &exchange.request;
    let kept = &request.body.kept;
    if kept.is_empty() {
        let says_empty = request.header("content-length").next().is_some();
        return if says_empty { Body::Text("") } else { Body::None };
    }
    match std::str::from_utf8(kept) {
        Ok(text) if kept.len() <= ARGUMENT && is_text(text) => Body::Text(text),
        _ => Body::Piped(BASE64_STANDARD.encode(kept)),
    }
}

/// Text that survives being shown and pasted.
fn is_text(text: &str) -> bool {
    crate::decode::printable_lines(text) == text
}

fn is_printable(value: &str) -> bool {
    !value.chars().any(|c| c.is_control() && c != '\t')
}

/// RFC 9110 §5.6.2.
pub(super) fn is_token(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(token)
}
