//! WebSocket: whatever is said comes back.

use std::io;
use std::pin::pin;

use futures::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::{Stage, closed};

/// Sends back every message until the client closes. Pings and the closing are answered by the library, as it reads on.
pub(super) async fn echo(stream: TcpStream, stopping: watch::Receiver<Stage>) -> io::Result<()> {
    let mut socket = tokio_tungstenite::accept_async(stream).await.map_err(io::Error::other)?;
    let mut closed = pin!(closed(stopping));
    let mut closing = false;
    loop {
        let heard = tokio::select! {
            biased;
            heard = socket.next() => heard,
            () = &mut closed, if !closing => {
                closing = true;
                let away = CloseFrame { code: CloseCode::Away, reason: "the service ends".into() };
                socket.close(Some(away)).await.map_err(io::Error::other)?;
                continue;
            }
        };
        let Some(message) = heard else { return Ok(()) };
        let message = message.map_err(io::Error::other)?;
        if matches!(message, Message::Text(_) | Message::Binary(_)) && !closing {
            socket.send(message).await.map_err(io::Error::other)?;
        }
    }
}
