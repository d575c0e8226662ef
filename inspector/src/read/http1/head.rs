//! What heads say: of the exchange, and of where the message ends.

use super::body::Framed;
use crate::{
    Header, Version,
    read::{Unreadable, field, progress},
};

/// Most lines of a head.
const LINES_LIMIT: usize = 256;

/// A request's head.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) request: progress::Request,
    /// The body, unless there is none.
    pub(super) body: Option<Framed>,
    /// What follows is no HTTP if the answer allows it.
    pub(super) connect: bool,
    /// What follows is a WebSocket if the answer allows it.
    pub(super) websocket: bool,
}

/// An answer's head.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<Header>,
    /// The body, were the answer one that has a body; none: it is empty.
    pub(super) body: Option<Framed>,
    /// It names a WebSocket as what it changes to.
    pub(super) websocket: bool,
}

/// Reads a request's head, of which every byte is there.
pub(super) fn request(bytes: &[u8]) -> Result<Request, Unreadable> {
    let mut lines = [httparse::EMPTY_HEADER; LINES_LIMIT];
    let mut parsed = httparse::Request::new(&mut lines);
    if parsed.parse(bytes) != Ok(httparse::Status::Complete(bytes.len())) {
        return Err(Unreadable);
    }
    let version = if parsed.version == Some(0) { Version::Http10 } else { Version::Http11 };
    let body = framing(parsed.headers, version)?.filter(|body| !body.is_over());
    let headers = headers(parsed.headers);
    let method = parsed.method.ok_or(Unreadable)?;
    let connect = method == "CONNECT";
    let (authority, target) = split(parsed.path.ok_or(Unreadable)?);
    let said = headers.iter().find(|header| header.name.eq_ignore_ascii_case("host"));
    let host = authority.or(said.map(|header| header.value.as_str()));
    let host = host.unwrap_or(if connect { &target } else { "" }).to_owned();
    let websocket = names_websocket(&headers);
    let request = progress::Request { version, method: method.to_owned(), target, host, headers };
    Ok(Request { request, body, connect, websocket })
}

/// Reads an answer's head, of which every byte is there.
pub(super) fn answer(bytes: &[u8]) -> Result<Answer, Unreadable> {
    let mut lines = [httparse::EMPTY_HEADER; LINES_LIMIT];
    let mut parsed = httparse::Response::new(&mut lines);
    if parsed.parse(bytes) != Ok(httparse::Status::Complete(bytes.len())) {
        return Err(Unreadable);
    }
    let version = if parsed.version == Some(0) { Version::Http10 } else { Version::Http11 };
    // Without a length the end of the connection is that of the answer.
    let body = framing(parsed.headers, version)?.unwrap_or_else(Framed::until_close);
    let body = Some(body).filter(|body| !body.is_over());
    let headers = headers(parsed.headers);
    let websocket = names_websocket(&headers);
    Ok(Answer { status: parsed.code.ok_or(Unreadable)?, headers, body, websocket })
}

/// Reads the lines after the last chunk, with the empty one at their end.
pub(super) fn trailers(bytes: &[u8]) -> Result<Vec<Header>, Unreadable> {
    let mut lines = [httparse::EMPTY_HEADER; LINES_LIMIT];
    match httparse::parse_headers(bytes, &mut lines) {
        Ok(httparse::Status::Complete((length, lines))) if length == bytes.len() => Ok(headers(lines)),
        _ => Err(Unreadable),
    }
}

fn headers(lines: &[httparse::Header<'_>]) -> Vec<Header> {
    lines.iter().map(|line| field::header(line.name, line.value)).collect()
}

fn names_websocket(headers: &[Header]) -> bool {
    let upgrade = headers.iter().find(|header| header.name.eq_ignore_ascii_case("upgrade"));
    upgrade.is_some_and(|header| header.value.eq_ignore_ascii_case("websocket"))
}

/// The authority of a target in the absolute form (RFC 9112 §3.2.2), without what stands for a user, and path and query.
fn split(target: &str) -> (Option<&str>, String) {
    let absolute = target.split_once("://").filter(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    });
    let Some((_, rest)) = absolute else { return (None, target.to_owned()) };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    (Some(authority), path)
}

/// How the body is delimited; none: nothing is said of it. An error when two readers of this head could disagree.
fn framing(lines: &[httparse::Header<'_>], version: Version) -> Result<Option<Framed>, Unreadable> {
    let mut length = None;
    let mut chunked = false;
    for line in lines {
        if line.name.eq_ignore_ascii_case("content-length") {
            let value = str::from_utf8(line.value).map_err(|_| Unreadable)?.trim_ascii();
            // `parse` takes a sign, the grammar does not.
            if length.is_some() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(Unreadable);
            }
            length = Some(value.parse().map_err(|_| Unreadable)?);
        } else if line.name.eq_ignore_ascii_case("transfer-encoding") {
            if chunked || !line.value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                return Err(Unreadable);
            }
            chunked = true;
        }
    }
    match (length, chunked) {
        (None, false) => Ok(None),
        (Some(length), false) => Ok(Some(Framed::exact(length))),
        (None, true) if version != Version::Http10 => Ok(Some(Framed::chunked())),
        _ => Err(Unreadable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(lines: &str) -> Result<Option<Framed>, Unreadable> {
        request(format!("POST / HTTP/1.1\r\n{lines}\r\n\r\n").as_bytes()).map(|request| request.body)
    }

    #[test]
    fn the_length_of_a_body_is_read_from_its_head() {
        assert_eq!(body("A: b"), Ok(None));
        assert_eq!(body("Content-Length: 0"), Ok(None));
        assert_eq!(body("content-LENGTH:  12 "), Ok(Some(Framed::exact(12))));
        assert_eq!(body("Transfer-Encoding: Chunked"), Ok(Some(Framed::chunked())));
    }

    #[test]
    fn an_answer_without_a_length_lasts_as_long_as_the_connection() {
        let body = |lines: &str| answer(format!("HTTP/1.1 200 OK\r\n{lines}\r\n").as_bytes()).unwrap().body;
        assert_eq!(body(""), Some(Framed::until_close()));
        assert_eq!(body("Content-Length: 0\r\n"), None);
    }

    #[test]
    fn heads_on_which_two_readers_could_differ_are_not_read() {
        for lines in [
            "Content-Length: 1\r\nContent-Length: 2",
            "Content-Length: 1\r\nContent-Length: 1",
            "Content-Length: 5, 5",
            "Content-Length: +5",
            "Content-Length:",
            "Content-Length: 99999999999999999999",
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: identity",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "A: folded\r\n line",
            "A : space",
            " A: space",
        ] {
            assert_eq!(body(lines), Err(Unreadable), "{lines}");
        }
        assert_eq!(request(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), Err(Unreadable));
        assert_eq!(answer(b"HTTP/1.1 200 OK\r\nA: folded\r\n line\r\n\r\n"), Err(Unreadable));
        assert_eq!(request(b"GET / HTTP/1.1\r\n\r\nmore"), Err(Unreadable));
        assert_eq!(request(b"GET / HTTP/2.0\r\n\r\n"), Err(Unreadable));
    }

    #[test]
    fn host_and_path_are_found_in_every_form_of_a_target() {
        for (first, host, target) in [
            ("GET /a?b#c", "h", "/a?b#c"),
            ("GET http://x:1/a?b", "x:1", "/a?b"),
            ("GET https://user:secret@x", "x", "/"),
            ("GET http://x?q=http://y/", "x", "/?q=http://y/"),
            ("GET /?to=http://y/", "h", "/?to=http://y/"),
            ("OPTIONS *", "h", "*"),
            ("CONNECT x:443", "h", "x:443"),
        ] {
            let read = request(format!("{first} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).unwrap();
            assert_eq!((&*read.request.host, &*read.request.target), (host, target), "{first}");
        }
        let bare = request(b"CONNECT x:443 HTTP/1.0\r\n\r\n").unwrap();
        assert_eq!(
            (&*bare.request.host, bare.connect, bare.request.version),
            ("x:443", true, Version::Http10)
        );
    }

    #[test]
    fn values_and_names_are_kept_as_they_came() {
        let read = request(b"GET / HTTP/1.1\r\nX-Name:  gr\xfcn \r\nx-name: \xc3\xbc\r\n\r\n").unwrap();
        let lines: Vec<_> =
            read.request.headers.iter().map(|header| format!("{}={}", header.name, header.value)).collect();
        assert_eq!(lines, ["X-Name=gr\u{fc}n", "x-name=\u{fc}"]);
    }
}
