//! A TCP connection and a flow become one.
//!
//! Bytes, half-closes and resets pass each way as if there were one connection. A reset stays a reset: a caller
//! that took a broken transfer for a complete one would be the worst that a tunnel can do.

mod to_flow;
mod to_tcp;

use std::future;

use bytes::Bytes;
use tokio::{
    io::Interest,
    net::{TcpStream, tcp::ReadHalf},
};

use crate::{
    budget::Budget,
    flow::{Flow, StreamError},
};

/// What passed, and how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spliced {
    /// Bytes from the TCP connection to the flow.
    pub to_flow: u64,
    /// Bytes from the flow to the TCP connection.
    pub to_tcp: u64,
    /// How it ended.
    pub end: End,
}

/// How a spliced connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Each direction cleanly; the flow's other end has every byte.
    Finished,
    /// The TCP side was reset or broke; the flow was reset.
    TcpReset,
    /// The flow was reset or refused; the TCP side was reset.
    FlowReset,
    /// The session ended; the TCP side was reset.
    ConnectionLost,
    /// Nobody read what came, and its memory was needed; both sides were reset.
    Stalled,
}

/// Gets copies of what passes, in the order in which it arrives on either side; shall return at once.
pub trait Observer: Sync {
    /// These bytes have arrived and go that way; when the connection breaks they may not get there.
    fn passed(&self, way: Way, bytes: Bytes);
    /// No more will go that way; it has ended in order.
    fn ended(&self, way: Way);
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// From the TCP connection to the flow.
    ToFlow,
    /// From the flow to the TCP connection.
    ToTcp,
}

/// Carries bytes both ways until both directions have ended, or one was broken. Ending is passed on as it comes:
/// FIN as [`crate::SendHalf::finish`] and back, RST as [`crate::SendHalf::reset`] and [`crate::RecvHalf::stop`] and
/// back. When cancelled, both sides are reset.
pub async fn splice(tcp: TcpStream, flow: Flow) -> Spliced {
    splice_within(tcp, flow, &Budget::unlimited()).await
}

/// [`splice`], seen by `observer`.
pub async fn splice_observed(tcp: TcpStream, flow: Flow, observer: &dyn Observer) -> Spliced {
    run(tcp, flow, &Budget::unlimited(), Some(observer)).await
}

/// [`splice`], as long as `budget` allows what waits for a side that does not read.
pub async fn splice_within(tcp: TcpStream, flow: Flow, budget: &Budget) -> Spliced {
    run(tcp, flow, budget, None).await
}

async fn run(tcp: TcpStream, flow: Flow, budget: &Budget, observer: Option<&dyn Observer>) -> Spliced {
    let mut tcp = ResetOnDrop(Some(tcp));
    let Flow { mut send, mut recv } = flow;
    let mut spliced = Spliced { to_flow: 0, to_tcp: 0, end: End::Finished };
    let Spliced { to_flow, to_tcp, .. } = &mut spliced;
    let Some(stream) = tcp.0.as_mut() else { return spliced };
    let (read, mut write) = stream.split();
    let outcome = {
        let stopped = send.stopped();
        let up = to_flow::run(&read, &mut send, budget, observer, to_flow);
        let down = to_tcp::run(&mut recv, &mut write, budget, observer, to_tcp);
        tokio::pin!(up, down);
        tokio::select! {
            up = &mut up => match up {
                // The flow waits for its other end, so nothing of it tells that the TCP side breaks meanwhile.
                Ok(()) => tokio::select! { down = &mut down => down, end = broken(&read) => Err(end) },
                Err(end) => Err(end),
            },
            down = &mut down => match down {
                // Nor does anything come from the flow now that would tell that it is not read any more.
                Ok(()) => tokio::select! {
                    biased;
                    up = &mut up => up,
                    Err(error) = stopped => Err(error.into()),
                },
                Err(end) => Err(end),
            },
        }
    };
    let outcome = match outcome {
        Ok(()) => {
            tcp.close();
            send.stopped().await.map_err(End::from)
        }
        Err(end) => Err(end),
    };
    if let Err(end) = outcome {
        send.reset();
        recv.stop();
        spliced.end = end;
    }
    spliced
}

/// Resolves when the TCP connection is broken, even while nothing is read from it or written to it.
async fn broken(tcp: &ReadHalf<'_>) -> End {
    // An error here is one of the reactor's, at the end of the runtime.
    if tcp.ready(Interest::ERROR).await.is_ok() && matches!(tcp.as_ref().take_error(), Ok(None)) {
        future::pending::<()>().await;
    }
    End::TcpReset
}

impl From<StreamError> for End {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::ConnectionLost => Self::ConnectionLost,
            _ => Self::FlowReset,
        }
    }
}

/// Ends a TCP connection with RST unless it was closed in order.
struct ResetOnDrop(Option<TcpStream>);

impl ResetOnDrop {
    fn close(&mut self) {
        self.0 = None;
    }
}

impl Drop for ResetOnDrop {
    fn drop(&mut self) {
        if let Some(tcp) = &self.0 {
            // Without it the connection ends with FIN, which only a system without resources would cause.
            let _ = tcp.set_zero_linger();
        }
    }
}
