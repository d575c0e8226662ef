//! HTTP/1.x: the bytes that were sent, and a reader of what comes.
//!
//! Not by a client's library: what is sent again shall be what was sent, in the order and the letters in which it was. What
//! comes is read as everything is that passes.

use std::time::Instant;

use bytes::Bytes;
use inspector::export::{Side as Of, raw};
use inspector::read::{Clock, Limits, Reader, Side, Sink};
use inspector::{Body, Direction, Exchange, Header, Message, Route, Version};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time;

use super::{ANSWER, Outgoing, ReplayError, late};
use crate::session::inspect::{Inspector, begins};

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;

/// A request's bytes.
pub(super) fn bytes(outgoing: &Outgoing, version: Version) -> Result<Bytes, ReplayError> {
    let malformed = |why: &str| ReplayError::Malformed(why.to_owned());
    if outgoing.method.is_empty() || outgoing.method.parse::<http::Method>().is_err() {
        return Err(malformed("its method is none"));
    }
    if outgoing.target.is_empty() || outgoing.target.contains(|c: char| c.is_control() || c == ' ') {
        return Err(malformed("its path has spaces, or is empty"));
    }
    let mut exchange = begins(Direction::Requests, 0, Route::Laptop { why: String::new() });
    exchange.version = version;
    exchange.method.clone_from(&outgoing.method);
    exchange.target.clone_from(&outgoing.target);
    exchange.host.clone_from(&outgoing.host);
    exchange.request = outgoing.request.clone();
    let kept = &outgoing.request.body.kept;
    exchange.request.body = Body { size: kept.len() as u64, kept: kept.clone(), ..Body::default() };
    let length = kept.len().to_string();
    let headers = &mut exchange.request.headers;
    // The body comes with its head, whatever the server says.
    headers.retain(|header| !header.name.eq_ignore_ascii_case("expect"));
    let named = |header: &&mut Header, name: &str| header.name.eq_ignore_ascii_case(name);
    if let Some(host) = headers.iter_mut().find(|header| named(header, "host")) {
        host.value.clone_from(&outgoing.host);
    }
    let chunked = headers.iter().any(|header| header.name.eq_ignore_ascii_case("transfer-encoding"));
    match headers.iter_mut().find(|header| named(header, "content-length")) {
        Some(header) => header.value = length,
        None if chunked || kept.is_empty() => {}
        None => headers.push(Header { name: "Content-Length".into(), value: length }),
    }
    raw(&exchange, Of::Request).ok_or_else(|| malformed("it has no head"))
}

/// Sends it and reads the answer.
pub(super) async fn hold<IO>(
    inspector: &Inspector,
    exchange: &mut Exchange,
    io: IO,
    bytes: &Bytes,
) -> Result<(), ReplayError>
where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut first = exchange.clone();
    first.request = Message::default();
    let mut reader = Reader::new(first, Clock::now(), Limits::default());
    let mut told = Answer { inspector, newest: exchange.clone(), ended: false };
    reader.feed(Side::Asker, bytes, Instant::now(), &mut told);
    let (mut read, mut write) = tokio::io::split(io);
    let reading = async {
        let mut piece = vec![0; PIECE];
        while !told.ended && !reader.is_opaque() {
            match read.read(&mut piece).await {
                Ok(0) => reader.finish(Side::Answerer, Instant::now(), &mut told),
                Ok(length) => {
                    let bytes = piece.get(..length).unwrap_or_default();
                    reader.feed(Side::Answerer, bytes, Instant::now(), &mut told);
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        match told.newest.end {
            Some(inspector::End::Complete) => Ok(()),
            _ if told.newest.status.is_none() => {
                Err("the connection ended, or what came is no HTTP".to_owned())
            }
            _ => Err("the connection ended before the answer did".to_owned()),
        }
    };
    let writing = async {
        // Who answers at once and reads no more is heard all the same.
        let _ = write.write_all(bytes).await;
        let _ = write.flush().await;
        std::future::pending().await
    };
    let held = time::timeout(ANSWER, async {
        tokio::select! { held = reading => held, () = writing => Ok(()) }
    })
    .await;
    let id = exchange.id;
    *exchange = told.newest;
    exchange.id = id;
    held.map_err(|_| late())?.map_err(ReplayError::Unanswered)
}

/// What the reader tells.
struct Answer<'a> {
    inspector: &'a Inspector,
    newest: Exchange,
    ended: bool,
}

impl Answer<'_> {
    fn newer(&mut self, exchange: Exchange) {
        self.newest = exchange;
        let mut seen = self.newest.clone();
        // It ends when its sender says so.
        seen.end = None;
        self.inspector.put(seen);
    }
}

impl Sink for Answer<'_> {
    fn begun(&mut self, _: u64, exchange: &Exchange) {
        self.newer(exchange.clone());
    }

    fn answered(&mut self, _: u64, exchange: &Exchange) {
        self.newer(exchange.clone());
    }

    fn ended(&mut self, _: u64, exchange: Exchange) {
        self.ended = true;
        self.newer(exchange);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::inspect::replay::To;

    fn sent(headers: &[(&str, &str)], body: &'static [u8]) -> String {
        let headers =
            headers.iter().map(|(name, value)| Header { name: (*name).into(), value: (*value).into() });
        let outgoing = Outgoing {
            of: 1,
            to: To::Process,
            method: "PUT".into(),
            target: "/a?b".into(),
            host: "web".into(),
            request: Message {
                headers: headers.collect(),
                body: Body { size: 0, kept: Bytes::from_static(body), ..Body::default() },
                trailers: Vec::new(),
            },
        };
        String::from_utf8(bytes(&outgoing, Version::Http11).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn what_is_sent_again_is_what_was_sent_with_the_length_of_its_body() {
        assert_eq!(
            sent(
                &[("X-Odd", "1"), ("hOST", "old"), ("content-length", "9"), ("Expect", "100-continue")],
                b"body"
            ),
            "PUT /a?b HTTP/1.1\r\nX-Odd: 1\r\nhOST: web\r\ncontent-length: 4\r\n\r\nbody"
        );
        assert_eq!(sent(&[], b""), "PUT /a?b HTTP/1.1\r\nHost: web\r\n\r\n");
        assert!(sent(&[("Host", "web")], b"body").ends_with("\r\nContent-Length: 4\r\n\r\nbody"));
        let chunked = sent(&[("Host", "web"), ("Transfer-Encoding", "chunked")], b"body");
        assert!(
            chunked.ends_with("\r\n\r\n4\r\nbody\r\n0\r\n\r\n") && !chunked.contains("Length"),
            "{chunked}"
        );
    }
}
