//! An error for a caller whom nobody shall serve.
//!
//! A person who sees it should know why, so HTTP/1.x is answered with a status and a sentence. What another protocol
//! would understand is not known; it gets a reset, like from a server that crashed.

use std::time::Duration;

use tokio::{io::AsyncWriteExt as _, time};

use super::caller::Caller;

/// How long to wait for a request, to tell whether the caller speaks HTTP.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the caller may take to read the answer.
const WRITE: Duration = Duration::from_secs(2);

const BODY: &str = "devbridge: this service is swapped for a process on a laptop, which does not serve now, and the \
     session was started with --unavailable error\n";

/// Ends the caller's connection with an error.
pub(super) async fn refuse(mut caller: Caller) {
    if !matches!(time::timeout(PATIENCE, asks(&mut caller)).await, Ok(true)) {
        return caller.reset();
    }
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
         Retry-After: 1\r\nConnection: close\r\n\r\n{BODY}",
        BODY.len()
    );
    match time::timeout(WRITE, caller.tcp.write_all(answer.as_bytes())).await {
        Ok(Ok(())) => caller.part().await,
        _ => caller.reset(),
    }
}

/// Whether the caller has sent the head of an HTTP/1.x request, and got nothing for it yet. Cancel safe.
async fn asks(caller: &mut Caller) -> bool {
    loop {
        if caller.exchange.asked() {
            return true;
        }
        let room = caller.kept.room();
        if caller.exchange.is_opaque() || caller.ended || room == 0 {
            return false;
        }
        if caller.tcp.readable().await.is_err() || caller.read_into_kept(room).is_err() {
            return false;
        }
    }
}
