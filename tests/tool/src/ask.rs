//! Any request, as often as told, and the whole answer to each: what is sent is what the options say and no more.

use std::io::{self, Read as _};

use flate2::read::MultiGzDecoder;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::io::BufReader;
use tokio::net::TcpStream;

use crate::http::{self, Head, MAX_BODY, Request, Url};

/// Options of `ask`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where to ask
    pub url: Url,
    /// The method; GET, or POST with a body, unless given
    #[arg(short = 'X')]
    pub method: Option<String>,
    /// A header, 'name: value'; may be given several times
    #[arg(short = 'H', value_parser = header)]
    pub headers: Vec<(String, String)>,
    /// The body
    #[arg(short = 'd')]
    pub body: Option<String>,
    /// How often, each time on a connection of its own
    #[arg(long, default_value_t = 1)]
    pub times: u32,
    /// Give up on one answer after so many milliseconds
    #[arg(long, default_value_t = 10_000)]
    pub timeout_ms: u64,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a header is 'name: value'")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// One whole answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answered {
    /// The last one; those before it say only that it takes longer.
    pub status: u16,
    /// As they came, in their order.
    pub headers: Vec<(String, String)>,
    /// Parsed where it is JSON, text where not; decompressed from gzip.
    pub body: Value,
}

/// Prints a JSON line for each answer: `{"status":200,"headers":[[…,…],…],"body":…}` or `{"error":…}`. True when all were
/// complete.
pub async fn run(args: Args) -> bool {
    let mut complete = true;
    for _ in 0..args.times {
        match crate::within(args.timeout_ms, ask(&args)).await {
            Ok(answered) => crate::say(&answered),
            Err(error) => {
                complete = false;
                crate::say(&json!({ "error": error.to_string() }));
            }
        }
    }
    complete
}

/// Asks once.
///
/// # Errors
///
/// When there is no complete answer, or its body is not compressed as it says.
pub async fn ask(args: &Args) -> io::Result<Answered> {
    let body = args.body.as_ref().map(String::as_bytes);
    let method = args.method.as_deref().unwrap_or(if body.is_some() { "POST" } else { "GET" });
    let mut stream = TcpStream::connect(args.url.address()).await?;
    stream.set_nodelay(true)?;
    let request = Request { method, url: &args.url, headers: &args.headers, body, close: true };
    request.send(&mut stream).await?;
    let (head, body) = http::read_last_answer(&mut BufReader::new(stream), method).await?;
    let body = plain(&head, body)?;
    let text = String::from_utf8_lossy(&body).into_owned();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok(Answered { status: head.status()?, headers: head.headers, body })
}

fn plain(head: &Head, body: Vec<u8>) -> io::Result<Vec<u8>> {
    // An answer to HEAD tells how a body would be compressed, and has none.
    if body.is_empty() || head.header("content-encoding") != Some("gzip") {
        return Ok(body);
    }
    let mut plain = Vec::new();
    MultiGzDecoder::new(body.as_slice()).take(MAX_BODY as u64).read_to_end(&mut plain)?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answered(method: &str, bytes: &[u8]) -> io::Result<Value> {
        let (head, body) = http::read_last_answer(&mut BufReader::new(bytes), method).await?;
        Ok(json!([head.status()?, String::from_utf8_lossy(&plain(&head, body)?)]))
    }

    #[tokio::test]
    async fn an_answer_ends_where_its_head_and_its_request_say() {
        for (method, bytes, expected) in [
            ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc", json!([200, "ab"])),
            ("GET", "HTTP/1.1 200 OK\r\n\r\nabc", json!([200, "abc"])),
            (
                "HEAD",
                "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nContent-Encoding: gzip\r\n\r\n",
                json!([200, ""]),
            ),
            ("GET", "HTTP/1.1 204 OK\r\n\r\n", json!([204, ""])),
            (
                "GET",
                "HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 201 OK\r\nContent-Length: 1\r\n\r\na",
                json!([201, "a"]),
            ),
        ] {
            assert_eq!(answered(method, bytes.as_bytes()).await.unwrap(), expected, "{method} {bytes:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_cut_or_not_compressed_as_it_says_is_an_error() {
        for bytes in [
            "",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nabc",
        ] {
            assert!(answered("GET", bytes.as_bytes()).await.is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_header_is_a_name_and_a_value() {
        assert_eq!(header("X-Time: 12:30 "), Ok(("X-Time".to_owned(), "12:30".to_owned())));
        assert!(header("X-Time").is_err());
    }
}
