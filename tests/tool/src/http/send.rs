//! Requests and answers, each in one write.

use std::io;

use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::Url;

/// A request in all its parts.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// As in the request line.
    pub method: &'a str,
    /// Where it goes.
    pub url: &'a Url,
    /// In this order, after those that are made for it; one that is given here is not made.
    pub headers: &'a [(String, String)],
    /// None: no body, and no length of one.
    pub body: Option<&'a [u8]>,
    /// Whether the connection ends after the answer.
    pub close: bool,
}

impl Request<'_> {
    /// Sends it in one write.
    ///
    /// # Errors
    ///
    /// When the connection breaks.
    pub async fn send(&self, writer: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let host = ("Host", self.url.authority.clone());
        let length = self.body.map(|body| ("Content-Length", body.len().to_string()));
        let close = self.close.then(|| ("Connection", "close".to_owned()));
        let given = |name: &str| self.headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.url.path);
        for (name, value) in std::iter::once(host).chain(length).chain(close) {
            if !given(name) {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        for (name, value) in self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(self.body.unwrap_or_default());
        writer.write_all(&bytes).await
    }
}

/// Sends a request in one write; `body` is sent with a POST and must be empty otherwise.
///
/// # Errors
///
/// When the connection breaks.
pub async fn send_request(
    writer: &mut (impl AsyncWrite + Unpin),
    url: &Url,
    body: &[u8],
    close: bool,
) -> io::Result<()> {
    let (method, body) = if body.is_empty() { ("GET", None) } else { ("POST", Some(body)) };
    Request { method, url, headers: &[], body, close }.send(writer).await
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// From 200 on.
    pub status: u16,
    /// Beside the length and the end of the connection.
    pub headers: Vec<(&'static str, String)>,
    /// Not sent with a status that has none.
    pub body: Vec<u8>,
}

impl Answer {
    /// Of a content type, and no other header.
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("Content-Type", content_type.to_owned())], body: body.into() }
    }

    /// JSON.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// Whether an answer has no body, and says nothing true of one's length (RFC 9112 §6.3).
pub(super) fn bodiless(method: &str, status: u16) -> bool {
    method == "HEAD" || matches!(status, 100..200 | 204 | 304)
}

/// Sends the answer to a request of `method` in one write.
///
/// # Errors
///
/// When the connection breaks.
pub async fn send_answer(
    writer: &mut (impl AsyncWrite + Unpin),
    method: &str,
    answer: &Answer,
    close: bool,
) -> io::Result<()> {
    let Answer { status, headers, body } = answer;
    let mut head = format!("HTTP/1.1 {status} {}\r\n", if *status < 300 { "OK" } else { "Error" });
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !bodiless("GET", *status) {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str(if close { "Connection: close\r\n\r\n" } else { "\r\n" });
    let mut bytes = head.into_bytes();
    if !bodiless(method, *status) {
        bytes.extend_from_slice(body);
    }
    writer.write_all(&bytes).await
}
