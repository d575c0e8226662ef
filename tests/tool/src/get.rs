//! One question, or some, one after the other, each on a connection of its own.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::time;

use crate::bytes::Pattern;
use crate::http::{self, Url};

/// Options of `get`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where to ask
    pub url: Url,
    /// How often
    #[arg(long, default_value_t = 1)]
    pub times: u32,
    /// Send a body of so many bytes by POST
    #[arg(long, default_value_t = 0)]
    pub body: usize,
    /// Give up on one answer after so many milliseconds
    #[arg(long, default_value_t = 10_000)]
    pub timeout_ms: u64,
}

/// Prints a JSON line for each answer: `{"status":200,"body":…}` or `{"error":…}`. True when all were complete.
pub async fn run(args: Args) -> bool {
    let mut complete = true;
    for _ in 0..args.times {
        let body = Pattern::new(1).take(args.body);
        let answer = time::timeout(Duration::from_millis(args.timeout_ms), fetch(&args.url, &body)).await;
        crate::say(&match answer {
            Ok(Ok((status, body))) => json!({ "status": status, "body": body }),
            Ok(Err(error)) => {
                complete = false;
                json!({ "error": error.to_string() })
            }
            Err(_) => {
                complete = false;
                json!({ "error": "no answer in time" })
            }
        });
    }
    complete
}

/// Asks once; the body is parsed where it is JSON.
///
/// # Errors
///
/// When there is no complete answer.
pub async fn fetch(url: &Url, body: &[u8]) -> io::Result<(u16, Value)> {
    let mut stream = TcpStream::connect(url.address()).await?;
    stream.set_nodelay(true)?;
    http::send_request(&mut stream, url, body, true).await?;
    let (head, body) = http::read_answer(&mut BufReader::new(stream)).await?;
    let text = String::from_utf8_lossy(&body).into_owned();
    Ok((head.status()?, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}
