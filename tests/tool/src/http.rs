//! HTTP/1.1 by hand, for both ends.
//!
//! A client of a test must not be forgiving: libraries retry and pool in their own ways, and what they repair
//! would never be counted.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt};

mod send;
mod url;

pub use send::{Answer, Request, send_answer, send_request};
pub use url::Url;

const MAX_HEAD: u64 = 64 * 1024;
/// Longest body of either direction.
pub(crate) const MAX_BODY: usize = 64 * 1024 * 1024;

/// First line and headers of a request or an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// Without the line end.
    pub first: String,
    /// As they came, in their order, without white space around values.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// Reads up to and with the empty line; `None` when the stream ends before its first byte.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` when it ends later, `InvalidData` when it is no HTTP.
    pub async fn read(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Self>> {
        let mut limited = reader.take(MAX_HEAD);
        let mut head = Self::default();
        let mut begun = false;
        loop {
            let mut line = Vec::new();
            limited.read_until(b'\n', &mut line).await?;
            if line.is_empty() && !begun {
                return Ok(None);
            }
            begun = true;
            let line = String::from_utf8(line).map_err(|_| invalid("head is not text"))?;
            let Some(line) = line.strip_suffix('\n') else { return Err(io::ErrorKind::UnexpectedEof.into()) };
            let line = line.trim_end_matches('\r');
            if line.is_empty() {
                return Ok(Some(head));
            }
            if head.first.is_empty() {
                line.clone_into(&mut head.first);
            } else {
                let (name, value) = line.split_once(':').ok_or_else(|| invalid("header without a colon"))?;
                head.headers.push((name.to_owned(), value.trim().to_owned()));
            }
        }
    }

    /// The value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The method of a request; empty: it has none.
    pub fn method(&self) -> &str {
        self.first.split(' ').next().unwrap_or_default()
    }

    /// Path and query of a request; empty: it has none.
    pub fn path(&self) -> &str {
        self.first.split(' ').nth(1).unwrap_or_default()
    }

    /// Whether the sender ends the connection after this message.
    pub fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
            || self.first.starts_with("HTTP/1.0")
            || self.first.ends_with("HTTP/1.0")
    }

    /// The status of an answer.
    ///
    /// # Errors
    ///
    /// When this is no answer's head.
    pub fn status(&self) -> io::Result<u16> {
        let status = self.first.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
        status.and_then(|status| status.parse().ok()).ok_or_else(|| invalid("not an HTTP answer"))
    }

    /// Reads the body that belongs to this head: by length, in chunks, or none.
    ///
    /// # Errors
    ///
    /// When the stream ends early or the length is none or above 64 MiB.
    pub async fn body(&self, reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<u8>> {
        if self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            return chunked(reader).await;
        }
        let length: usize = match self.header("content-length") {
            Some(length) => length.parse().map_err(|_| invalid("content-length is not a number"))?,
            None => 0,
        };
        if length > MAX_BODY {
            return Err(invalid("body too long"));
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).await?;
        Ok(body)
    }
}

async fn chunked(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        (&mut *reader).take(64).read_line(&mut line).await?;
        let length = usize::from_str_radix(line.trim_end(), 16).map_err(|_| invalid("bad chunk"))?;
        if body.len().saturating_add(length) > MAX_BODY {
            return Err(invalid("body too long"));
        }
        let from = body.len();
        body.resize(from + length, 0);
        reader.read_exact(body.get_mut(from..).unwrap_or_default()).await?;
        let mut end = [0; 2];
        reader.read_exact(&mut end).await?;
        if length == 0 {
            return Ok(body);
        }
    }
}

/// Reads one whole answer to a GET or POST.
///
/// # Errors
///
/// `UnexpectedEof` when the connection ends before the answer does.
pub async fn read_answer<R: AsyncRead + Unpin>(
    reader: &mut tokio::io::BufReader<R>,
) -> io::Result<(Head, Vec<u8>)> {
    let Some(head) = Head::read(reader).await? else { return Err(io::ErrorKind::UnexpectedEof.into()) };
    let body = head.body(reader).await?;
    Ok((head, body))
}

/// Reads one whole answer to a request of `method`, the last on its connection: one that names no length ends with it.
///
/// # Errors
///
/// `UnexpectedEof` when the connection ends before the answer does, as far as that can be told.
pub async fn read_last_answer(
    reader: &mut (impl AsyncBufRead + Unpin),
    method: &str,
) -> io::Result<(Head, Vec<u8>)> {
    loop {
        let Some(head) = Head::read(reader).await? else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        let status = head.status()?;
        let mut body = Vec::new();
        if matches!(status, 100..200) && status != 101 {
            continue;
        }
        if send::bodiless(method, status) {
            return Ok((head, body));
        }
        if head.header("content-length").is_some() || head.header("transfer-encoding").is_some() {
            body = head.body(reader).await?;
        } else if reader.take(MAX_BODY as u64 + 1).read_to_end(&mut body).await? > MAX_BODY {
            return Err(invalid("body too long"));
        }
        return Ok((head, body));
    }
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_in_chunks_is_read_whole() {
        let mut bytes = tokio::io::BufReader::new(
            &b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nrest"[..],
        );
        let (head, body) = read_answer(&mut bytes).await.unwrap();
        assert_eq!((head.status().unwrap(), body.as_slice()), (200, &b"abcde"[..]));
    }

    #[tokio::test]
    async fn a_cut_answer_is_an_error() {
        let mut bytes = tokio::io::BufReader::new(&b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"[..]);
        assert_eq!(read_answer(&mut bytes).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
