//! What the head of a message says about the connection: how long the body is, whether it persists.
//!
//! Strict where two readers could differ (several lengths, a length beside chunks): such a message makes the
//! connection opaque, so that a boundary is never seen where the server sees none.

use super::body::{Body, Chunked};

/// Longest head that is followed. Servers accept less (8 to 32 KiB are usual).
pub(super) const HEAD_LIMIT: usize = 64 << 10;
/// Most header lines that are followed.
const HEADERS_LIMIT: usize = 128;
/// Methods of which a beginning is enough to tell HTTP from other text.
const METHODS: [&[u8]; 9] =
    [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT"];

/// A request's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    /// The answer has no body.
    pub(super) head: bool,
    /// Sending it twice does what sending it once does (RFC 9110 §9.2.2).
    pub(super) idempotent: bool,
    /// What follows is no HTTP of ours (CONNECT).
    pub(super) tunnel: bool,
    /// The caller asks for the end of the connection after the answer.
    pub(super) close: bool,
    /// The body, unless empty.
    pub(super) body: Option<Body>,
}

/// An answer's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// Status code.
    pub(super) status: u16,
    /// The server ends the connection after it.
    pub(super) close: bool,
    /// The body as the head tells it, were there a body.
    pub(super) body: Option<Body>,
}

/// What bytes at the beginning of a message are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed<T> {
    /// A head, and its length.
    Head(T, usize),
    /// The beginning of a head.
    Partial,
    /// Nothing that can be followed.
    Other,
}

/// Reads a request's head at the start of `bytes`.
pub(super) fn request(bytes: &[u8]) -> Parsed<Request> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_LIMIT];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => {
            let version = parsed.version.unwrap_or_default();
            let Some(framing) = Framing::read(parsed.headers, version) else { return Parsed::Other };
            let method = parsed.method.unwrap_or_default();
            let head = Request {
                head: method == "HEAD",
                idempotent: matches!(method, "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE" | "TRACE"),
                tunnel: method == "CONNECT",
                close: framing.close,
                // Without a length a request has no body.
                body: framing.body.filter(|body| *body != Body::Exact(0)),
            };
            Parsed::Head(head, length)
        }
        Ok(httparse::Status::Partial) => Parsed::Partial,
        Err(_) => Parsed::Other,
    }
}

/// Reads an answer's head at the start of `bytes`.
pub(super) fn answer(bytes: &[u8]) -> Parsed<Answer> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_LIMIT];
    let mut parsed = httparse::Response::new(&mut headers);
    match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => {
            let version = parsed.version.unwrap_or_default();
            let Some(framing) = Framing::read(parsed.headers, version) else { return Parsed::Other };
            let status = parsed.code.unwrap_or_default();
            let body = framing.body.or(Some(Body::UntilClose)).filter(|body| *body != Body::Exact(0));
            Parsed::Head(Answer { status, close: framing.close, body }, length)
        }
        Ok(httparse::Status::Partial) => Parsed::Partial,
        Err(_) => Parsed::Other,
    }
}

/// Whether the beginning of a head starts with a method everybody knows.
pub(super) fn known_method(bytes: &[u8]) -> bool {
    METHODS.iter().any(|method| bytes.strip_prefix(*method).is_some_and(|rest| rest.first() == Some(&b' ')))
}

/// How the message is delimited, and whether the connection outlives it.
struct Framing {
    body: Option<Body>,
    close: bool,
}

impl Framing {
    /// `None` when two readers of this head could disagree.
    fn read(headers: &[httparse::Header<'_>], version: u8) -> Option<Self> {
        let mut length = None;
        let mut chunked = false;
        let (mut close, mut keep_alive) = (false, false);
        for header in headers {
            if header.name.eq_ignore_ascii_case("content-length") {
                let value = std::str::from_utf8(header.value).ok()?.trim();
                // `parse` takes a sign, the grammar does not.
                if length.is_some() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                length = Some(value.parse().ok()?);
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                if chunked || !header.value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                    return None;
                }
                chunked = true;
            } else if header.name.eq_ignore_ascii_case("connection") {
                for token in header.value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                    close |= token.eq_ignore_ascii_case(b"close");
                    keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
                }
            }
        }
        if chunked && (length.is_some() || version == 0) {
            return None;
        }
        let body = if chunked { Some(Body::Chunked(Chunked::default())) } else { length.map(Body::Exact) };
        Some(Self { body, close: close || (version == 0 && !keep_alive) })
    }
}

/// Collects a head that arrives in pieces.
#[derive(Debug, Default)]
pub(super) struct Heads {
    partial: Vec<u8>,
    /// Length at which to look again although no end of a head was seen: what is not HTTP is noticed without
    /// reading the same bytes over and over.
    look: usize,
}

impl Heads {
    /// Whether nothing of a head has come yet.
    pub(super) fn is_empty(&self) -> bool {
        self.partial.is_empty()
    }

    /// The beginning of a head that has come so far.
    pub(super) fn partial(&self) -> &[u8] {
        &self.partial
    }

    /// Takes `bytes`; the length of a found head counts only those of them that belong to it.
    pub(super) fn feed<T: PartialEq>(&mut self, bytes: &[u8], parse: fn(&[u8]) -> Parsed<T>) -> Parsed<T> {
        let before = self.partial.len();
        if before == 0 {
            let parsed = parse(bytes);
            if parsed != Parsed::Partial {
                return parsed;
            }
            self.partial.extend_from_slice(bytes);
            return self.partial_or_other();
        }
        // Whatever of this piece is behind the limit can't complete a head below it.
        let room = (HEAD_LIMIT + 1).saturating_sub(before);
        self.partial.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        let tail = self.partial.get(before.saturating_sub(2)..).unwrap_or_default();
        if !ends_a_head(tail) && self.partial.len() < self.look {
            return self.partial_or_other();
        }
        self.look = self.partial.len() * 2;
        match parse(&self.partial) {
            Parsed::Head(head, length) => {
                *self = Self::default();
                Parsed::Head(head, length.saturating_sub(before))
            }
            Parsed::Partial => self.partial_or_other(),
            Parsed::Other => Parsed::Other,
        }
    }

    fn partial_or_other<T>(&self) -> Parsed<T> {
        if self.partial.len() > HEAD_LIMIT { Parsed::Other } else { Parsed::Partial }
    }
}

/// An empty line, however its line ends are written.
fn ends_a_head(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(head: &str) -> Option<Body> {
        match request(head.as_bytes()) {
            Parsed::Head(request, _) => request.body,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_length_of_a_body_is_read_from_its_head() {
        assert_eq!(body("GET / HTTP/1.1\r\n\r\n"), None);
        assert_eq!(body("POST / HTTP/1.1\r\ncontent-LENGTH:  12 \r\n\r\n"), Some(Body::Exact(12)));
        assert_eq!(
            body("POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n"),
            Some(Body::Chunked(Chunked::default()))
        );
    }

    #[test]
    fn heads_on_which_two_readers_could_differ_are_not_followed() {
        for lines in [
            "Content-Length: 1\r\nContent-Length: 2",
            "Content-Length: 5, 5",
            "Content-Length: +5",
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        ] {
            let head = format!("POST / HTTP/1.1\r\n{lines}\r\n\r\n");
            assert_eq!(request(head.as_bytes()), Parsed::Other, "{lines}");
        }
        assert_eq!(request(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), Parsed::Other);
    }

    #[test]
    fn other_protocols_are_not_taken_for_http() {
        for bytes in
            [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], b"\x16\x03\x01\x02\x00", b"SSH-2.0-x\r\n", b"PING\r\n"]
        {
            assert_eq!(request(bytes), Parsed::Other, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn whether_the_connection_persists_depends_on_the_version() {
        let close = |head: &str| match answer(head.as_bytes()) {
            Parsed::Head(answer, _) => answer.close,
            other => panic!("{other:?}"),
        };
        assert!(!close("HTTP/1.1 200 OK\r\n\r\n"));
        assert!(close("HTTP/1.1 200 OK\r\nConnection: x, Close\r\n\r\n"));
        assert!(close("HTTP/1.0 200 OK\r\n\r\n"));
        assert!(!close("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n"));
    }

    #[test]
    fn a_head_above_the_limit_is_not_followed() {
        let mut heads = Heads::default();
        assert_eq!(heads.feed(b"GET / HTTP/1.1\r\nA: ", request), Parsed::Partial);
        let mut fed = 0;
        while heads.feed(&[b'x'; 1000], request) == Parsed::Partial {
            fed += 1000;
            assert!(fed <= HEAD_LIMIT);
        }
    }

    #[test]
    fn a_head_in_pieces_leaves_what_follows_it() {
        let mut heads = Heads::default();
        assert_eq!(heads.feed(b"HTTP/1.1 204 No Content\r\n\r", answer), Parsed::Partial);
        let Parsed::Head(head, length) = heads.feed(b"\nHTTP", answer) else { panic!("no head") };
        assert_eq!((head.status, length, heads.is_empty()), (204, 1, true));
    }
}
