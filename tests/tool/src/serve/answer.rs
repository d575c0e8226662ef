//! What HTTP/1.1 is answered: the first part of the path says which of these it is.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tokio::{fs, net, time};

use super::count::count;
use crate::http::{Answer, Head, MAX_BODY, Url};
use crate::{bytes, get};

/// ```text
/// /env             the environment
/// /file/PATH       a file's text
/// /resolve/NAME    a name's addresses
/// /fetch/URL       what that answers
/// /slow/MS         the echo, later
/// /status/STATUS   that status
/// /headers         all that arrived
/// /gzip            JSON of about 2 KiB, compressed; the same for the same name and path
/// /large/BYTES     so many bytes of text, the same each time; 64 MiB at most
/// /cookie          the echo, and a cookie that is a secret
/// /count/NAME      a counter, to which each POST adds one
/// any other        the echo: what arrived, with the body's hash
/// ```
pub(super) async fn answer(head: &Head, body: &[u8], by: &str) -> Answer {
    let (method, path) = (head.method(), head.path());
    let inner = path.trim_start_matches('/');
    let (verb, rest) = inner.split_once('/').unwrap_or((inner, ""));
    // What was given to the verb, without the query and what else only makes paths different.
    let word = rest.split(['/', '?']).next().unwrap_or_default();
    let verb = verb.split('?').next().unwrap_or_default();
    let (status, told) = match verb {
        "env" => (200, json!({ "by": by, "env": std::env::vars().collect::<BTreeMap<_, _>>() })),
        "file" => match fs::read_to_string(format!("/{rest}")).await {
            Ok(text) => (200, json!({ "by": by, "text": text })),
            Err(error) => (404, json!({ "by": by, "error": error.to_string() })),
        },
        "resolve" => match net::lookup_host((rest, 0)).await {
            Ok(found) => {
                (200, json!({ "by": by, "addresses": found.map(|a| a.ip().to_string()).collect::<Vec<_>>() }))
            }
            Err(error) => (502, json!({ "by": by, "error": error.to_string() })),
        },
        "fetch" => match rest.parse::<Url>() {
            Ok(url) => match get::fetch(&url, &[]).await {
                Ok((status, body)) => (200, json!({ "by": by, "status": status, "body": body })),
                Err(error) => (502, json!({ "by": by, "error": error.to_string() })),
            },
            Err(why) => (400, json!({ "by": by, "error": why })),
        },
        "slow" => {
            time::sleep(Duration::from_millis(word.parse().unwrap_or(0))).await;
            (200, echo(method, path, body, by))
        }
        "status" => match word.parse().ok().filter(|status| (200..600).contains(status)) {
            Some(status) => (status, json!({ "by": by, "method": method, "path": path, "status": status })),
            None => (400, json!({ "by": by, "error": "a status is a number from 200 to 599" })),
        },
        "headers" => {
            let text = String::from_utf8_lossy(body);
            let headers = &head.headers;
            (200, json!({ "by": by, "method": method, "path": path, "headers": headers, "body": text }))
        }
        "gzip" => match gzip(&json!({ "by": by, "path": path, "lines": vec!["one line as the others"; 80] }))
        {
            Ok(body) => {
                return Answer::new(200, "application/json", body).with("Content-Encoding", "gzip");
            }
            Err(error) => (500, json!({ "by": by, "error": error.to_string() })),
        },
        "large" => match word.parse().ok().filter(|length| *length <= MAX_BODY) {
            Some(length) => return Answer::new(200, "text/plain", text(length)),
            None => (400, json!({ "by": by, "error": format!("a length is a number up to {MAX_BODY}") })),
        },
        "cookie" => {
            return Answer::json(200, &echo(method, path, body, by))
                .with("Set-Cookie", "session=s3cret; Path=/; HttpOnly");
        }
        "count" => {
            let now = count(word, u64::from(method == "POST"));
            (200, json!({ "by": by, "name": word, "count": now }))
        }
        _ => (200, echo(method, path, body, by)),
    };
    Answer::json(status, &told)
}

/// What arrived, but the body only as its length and hash.
pub(super) fn echo(method: &str, path: &str, body: &[u8], by: &str) -> Value {
    json!({ "by": by, "method": method, "path": path, "bytes": body.len(), "sha256": bytes::sha256(body) })
}

fn gzip(value: &Value) -> io::Result<Vec<u8>> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::default());
    writer.write_all(value.to_string().as_bytes())?;
    writer.finish()
}

/// Lines of eight bytes that count, so that a piece that is missing shows.
fn text(length: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(length + 8);
    let mut line = 0;
    while text.len() < length {
        text.extend_from_slice(format!("{line:07}\n").as_bytes());
        line += 1;
    }
    text.truncate(length);
    text
}
