//! One HTTP/1.1 exchange: what the keeper needs of HTTP, and no more.
//!
//! A request has a connection of its own, and says so (`Connection: close`): the keeper asks about twice a second, a
//! handshake costs a millisecond, and nothing is left that could have gone stale. See `docs/architecture.md` for what a
//! whole client would have cost in size.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Longest head of an answer.
const HEAD_LIMIT: usize = 32 << 10;
/// Most header fields in it.
const FIELDS: usize = 64;
/// Longest line with a chunk's size.
const SIZE_LIMIT: u64 = 1 << 10;
/// Most bytes that are read at a time.
const PIECE: u64 = 64 << 10;

/// The beginning of an answer, and its body as it comes.
pub(super) struct Answer<S> {
    /// HTTP status.
    pub(super) status: u16,
    stream: S,
    body: Body,
}

/// What is left of the body.
#[derive(Debug, PartialEq, Eq)]
enum Body {
    Exact(u64),
    /// Left in this chunk, its line end not counted.
    Chunk(u64),
    /// A chunk's size comes next.
    Size,
    UntilClose,
    Done,
}

/// Sends `request` (head and body) and reads the answer's head.
///
/// # Errors
/// The connection failed, or what came is not HTTP.
pub(super) async fn exchange<S>(mut stream: S, request: &[u8]) -> io::Result<Answer<S>>
where
    S: AsyncBufRead + AsyncWrite + Unpin,
{
    stream.write_all(request).await?;
    stream.flush().await?;
    let mut head = Vec::with_capacity(1 << 10);
    while !head.ends_with(b"\r\n\r\n") {
        let room = HEAD_LIMIT.saturating_sub(head.len()) as u64;
        if (&mut stream).take(room).read_until(b'\n', &mut head).await? == 0 {
            return Err(malformed("no answer, or one that is too long"));
        }
    }
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut parsed = httparse::Response::new(&mut fields);
    let complete = parsed.parse(&head).is_ok_and(|status| status.is_complete());
    let status = parsed.code.filter(|_| complete).ok_or_else(|| malformed("the answer is not HTTP"))?;
    let field = |name: &str| {
        let found = parsed.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name))?;
        Some(found.value.trim_ascii())
    };
    let body = match (field("transfer-encoding"), field("content-length")) {
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Body::Size,
        (None, Some(length)) => match std::str::from_utf8(length).ok().and_then(|text| text.parse().ok()) {
            Some(length) => Body::Exact(length),
            None => return Err(malformed("the answer's length is no number")),
        },
        (None, None) => Body::UntilClose,
        _ => return Err(malformed("the answer's length is not clear")),
    };
    Ok(Answer { status, stream, body })
}

impl<S: AsyncBufRead + Unpin> Answer<S> {
    /// Appends some of the body to `into`; `false` at its end. Not cancel safe: drop the answer instead.
    ///
    /// # Errors
    /// The connection failed, or the body breaks its framing.
    pub(super) async fn more(&mut self, into: &mut Vec<u8>) -> io::Result<bool> {
        if self.body == Body::Size {
            self.body = match self.size().await? {
                0 => Body::Done,
                size => Body::Chunk(size),
            };
        }
        match self.body {
            Body::Exact(left) => {
                let left = self.piece(left, into).await?;
                self.body = if left == 0 { Body::Done } else { Body::Exact(left) };
            }
            Body::Chunk(left) => {
                let left = self.piece(left, into).await?;
                self.body = Body::Chunk(left);
                if left == 0 {
                    let mut end = [0; 2];
                    self.stream.read_exact(&mut end).await?;
                    if end != *b"\r\n" {
                        return Err(malformed("a chunk does not end"));
                    }
                    self.body = Body::Size;
                }
            }
            Body::UntilClose => {
                if (&mut self.stream).take(PIECE).read_buf(into).await? == 0 {
                    self.body = Body::Done;
                }
            }
            Body::Size | Body::Done => {}
        }
        Ok(self.body != Body::Done)
    }

    /// The whole body.
    ///
    /// # Errors
    /// As [`Self::more`], or it is longer than `limit` bytes.
    pub(super) async fn all(&mut self, limit: usize) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        while self.more(&mut all).await? {
            if all.len() > limit {
                return Err(malformed("the answer is too long"));
            }
        }
        Ok(all)
    }

    async fn piece(&mut self, left: u64, into: &mut Vec<u8>) -> io::Result<u64> {
        if left == 0 {
            return Ok(0);
        }
        match (&mut self.stream).take(left.min(PIECE)).read_buf(into).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => Ok(left - read as u64),
        }
    }

    async fn size(&mut self) -> io::Result<u64> {
        let mut line = Vec::new();
        (&mut self.stream).take(SIZE_LIMIT).read_until(b'\n', &mut line).await?;
        match httparse::parse_chunk_size(&line) {
            Ok(httparse::Status::Complete((_, size))) => Ok(size),
            _ => Err(malformed("a chunk has no size")),
        }
    }
}

fn malformed(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use tokio::io::{BufReader, join};

    use super::*;

    async fn answer(bytes: &[u8]) -> io::Result<(u16, Vec<u8>)> {
        let stream = BufReader::new(join(bytes, tokio::io::sink()));
        let mut answer = exchange(stream, b"GET / HTTP/1.1\r\n\r\n").await?;
        let body = answer.all(64).await?;
        Ok((answer.status, body))
    }

    #[tokio::test]
    async fn a_body_of_each_kind_is_read_to_its_end_and_not_beyond() {
        for (head, body) in [
            ("Content-Length: 4", "body tail"),
            ("Transfer-Encoding: chunked", "3\r\nbod\r\n1;x=y\r\ny\r\n0\r\n\r\n"),
            ("X: y", "body"),
        ] {
            let bytes = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}");
            assert_eq!(answer(bytes.as_bytes()).await.unwrap().1, b"body"[..4].to_vec(), "{head}");
        }
        assert_eq!(answer(b"HTTP/1.1 409 No\r\nContent-Length: 0\r\n\r\n").await.unwrap(), (409, vec![]));
    }

    #[tokio::test]
    async fn what_is_cut_too_long_or_no_http_is_an_error() {
        let long = "x".repeat(100);
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(HEAD_LIMIT));
        for bytes in [
            "",
            "SSH-2.0-x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbody",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
            &format!("HTTP/1.1 200 OK\r\n\r\n{long}"),
            &endless,
        ] {
            assert!(answer(bytes.as_bytes()).await.is_err(), "{bytes:.60}");
        }
    }
}
