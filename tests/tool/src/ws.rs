//! Messages through a WebSocket, each waited for before the next.

use std::io;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::bytes::{self, Pattern};
use crate::http::Url;

/// Options of `ws`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where to connect; begins with ws://
    #[arg(value_parser = |text: &str| Url::of("ws://", text))]
    pub url: Url,
    /// How many messages
    #[arg(long, default_value_t = 1)]
    pub messages: u32,
    /// How many bytes each has
    #[arg(long, default_value_t = 100)]
    pub bytes: usize,
    /// Give up after so many milliseconds, from connecting to the last close
    #[arg(long, default_value_t = 10_000)]
    pub timeout_ms: u64,
}

/// Prints a JSON line: `{"echoed":1}`.
///
/// # Errors
///
/// As [`echo`].
pub async fn run(args: Args) -> io::Result<()> {
    let echoed = crate::within(args.timeout_ms, echo(&args)).await?;
    crate::say(&json!({ "echoed": echoed }));
    Ok(())
}

/// Sends text messages, waits for each echo, and closes. Gives how many came back, which is all.
///
/// # Errors
///
/// When there is no WebSocket, another message comes than was sent, or the other end does not close when this one does.
pub async fn echo(args: &Args) -> io::Result<u32> {
    let stream = TcpStream::connect(args.url.address()).await?;
    stream.set_nodelay(true)?;
    let url = format!("ws://{}{}", args.url.authority, args.url.path);
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.map_err(io::Error::other)?;
    for number in 0..args.messages {
        let said = text(number, args.bytes);
        socket.send(Message::text(&*said)).await.map_err(io::Error::other)?;
        match socket.next().await.transpose().map_err(io::Error::other)? {
            Some(Message::Text(heard)) if heard.as_str() == said => {}
            Some(heard) => {
                let kind = if heard.is_text() { "another text" } else { "something else" };
                return Err(io::Error::other(format!("message {number}: {kind} came back")));
            }
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
    socket.close(None).await.map_err(io::Error::other)?;
    while let Some(heard) = socket.next().await {
        let heard = heard.map_err(io::Error::other)?;
        if !heard.is_close() {
            return Err(io::Error::other("a message that was not asked for"));
        }
    }
    Ok(args.messages)
}

/// The message of this number.
fn text(number: u32, length: usize) -> String {
    let mut text = bytes::hex(&Pattern::new(u64::from(number)).take(length.div_ceil(2)));
    text.truncate(length);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::Manner;
    use crate::serve::tests::serving;

    #[tokio::test]
    async fn all_messages_come_back_and_both_ends_close() {
        let (port, _serving) = serving(Manner::WebSocket).await;
        let url = Url::of("ws://", &format!("ws://127.0.0.1:{port}/chat?room=1")).unwrap();
        for (messages, bytes) in [(0, 0), (3, 0), (50, 101), (2, 300_000)] {
            let args = Args { url: url.clone(), messages, bytes, timeout_ms: 10_000 };
            assert_eq!(crate::within(args.timeout_ms, echo(&args)).await.unwrap(), messages);
        }
    }

    #[tokio::test]
    async fn a_service_without_websockets_is_an_error() {
        let (port, _serving) = serving(Manner::Http).await;
        let url = Url::of("ws://", &format!("ws://127.0.0.1:{port}")).unwrap();
        let args = Args { url, messages: 1, bytes: 1, timeout_ms: 10_000 };
        let error = crate::within(args.timeout_ms, echo(&args)).await.unwrap_err();
        assert_ne!(error.kind(), io::ErrorKind::TimedOut, "{error}");
    }
}
