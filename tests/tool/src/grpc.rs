//! One gRPC call over HTTP/2 with prior knowledge: many messages, of which each must come back.

use std::convert::Infallible;
use std::io;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper::client::conn::http2;
use hyper::header::{CONTENT_TYPE, HeaderMap, TE};
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::Serialize;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::bytes::Pattern;
use crate::http::Url;

mod messages;

pub use messages::Messages;

/// Options of `grpc`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where to call; the path is /service/method
    pub url: Url,
    /// How many messages
    #[arg(long, default_value_t = 1)]
    pub messages: u32,
    /// How many bytes each has
    #[arg(long, default_value_t = 100)]
    pub bytes: u32,
    /// Give up on the call after so many milliseconds
    #[arg(long, default_value_t = 10_000)]
    pub timeout_ms: u64,
}

/// How a call ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Called {
    /// Of HTTP.
    pub status: u16,
    /// None: whoever answered does not speak gRPC.
    pub grpc_status: Option<u16>,
    /// As it was sent, percent-encoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc_message: Option<String>,
    /// How many came back.
    pub messages: u32,
    /// How many bytes they had together, without what gRPC puts before each.
    pub bytes: u64,
}

/// Prints a JSON line: `{"status":200,"grpc_status":0,"messages":1,"bytes":100}`.
///
/// # Errors
///
/// As [`call`].
pub async fn run(args: Args) -> io::Result<()> {
    crate::say(&crate::within(args.timeout_ms, call(&args)).await?);
    Ok(())
}

/// Makes one call. One that the service fails is an answer, too.
///
/// # Errors
///
/// When there is no complete answer, other messages came back than were sent, or not all of a call that succeeded.
pub async fn call(args: &Args) -> io::Result<Called> {
    let stream = TcpStream::connect(args.url.address()).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(broken)?;
    let mut connections = JoinSet::new();
    connections.spawn(connection);

    let (count, length) = (args.messages, args.bytes);
    let said = (0..count).map(move |number| Ok::<_, Infallible>(Frame::data(message(number, length))));
    let request = Request::post(format!("http://{}{}", args.url.authority, args.url.path))
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers")
        .body(StreamBody::new(stream::iter(said)))
        .map_err(io::Error::other)?;
    let (head, body) = sender.send_request(request).await.map_err(broken)?.into_parts();

    let mut called = Called { status: head.status.as_u16(), ..Called::default() };
    let mut heard = Messages::new(body);
    if head.status == StatusCode::OK {
        while let Some(came) = heard.next().await? {
            if called.messages >= count || came != message(called.messages, length) {
                return Err(io::Error::other(format!(
                    "message {} is another than was sent",
                    called.messages
                )));
            }
            called.messages += 1;
            called.bytes += u64::from(length);
        }
    }
    let field = |fields: &HeaderMap, name: &str| {
        fields.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    // In the trailers, or in the headers of an answer that is nothing else.
    let told = |name: &str| field(heard.trailers(), name).or_else(|| field(&head.headers, name));
    called.grpc_status = told("grpc-status").and_then(|status| status.parse().ok());
    called.grpc_message = told("grpc-message");
    match called.grpc_status {
        None if called.status == 200 => Err(io::Error::other("the answer ends without grpc-status")),
        Some(0) if called.messages != count => {
            Err(io::Error::other(format!("sent {count} messages, {} came back", called.messages)))
        }
        _ => Ok(called),
    }
}

/// The error with its cause, without which it says only that it is one of HTTP/2.
fn broken(error: hyper::Error) -> io::Error {
    match std::error::Error::source(&error) {
        Some(cause) => io::Error::other(format!("{error}: {cause}")),
        None => io::Error::other(error),
    }
}

/// The message of this number, as it is on the wire: not compressed, its length, its bytes.
fn message(number: u32, length: u32) -> Bytes {
    let bytes = Pattern::new(u64::from(number)).take(usize::try_from(length).unwrap_or_default());
    let mut message = BytesMut::with_capacity(bytes.len() + messages::PREFIX);
    message.put_u8(0);
    message.put_u32(length);
    message.extend_from_slice(&bytes);
    message.freeze()
}

#[cfg(test)]
mod tests;
