//! The carrier: one `pods/portforward` WebSocket to the agent's control port.
//!
//! The client library's own port-forward cuts what is sent into 4 KiB messages; this pump sends up to 64 KiB at
//! once, which carries 1.6 times as much. The protocol is `v4.channel.k8s.io`: the first byte of a message is
//! the channel (0: data, 1: errors), the first message of each channel repeats the port (two bytes).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures::future::BoxFuture;
use futures::{Sink, SinkExt, Stream, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::Resource;
use kube::api::Request;
use tokio::time::{self, Duration, Instant, Interval};
use tokio_tungstenite::tungstenite::{self, Message};
use tunnel::carrier::{Carrier, Dial};

use super::Cluster;
use crate::error::chain;

/// Channel of the port's bytes.
const DATA: u8 = 0;
/// Channel of the port's error.
const ERRORS: u8 = 1;
/// Interval of WebSocket pings: below the idle limits of usual load balancers.
const PING: Duration = Duration::from_secs(5);
/// A WebSocket from which nothing came for so long, pongs included, is dead.
const DEAD: Duration = Duration::from_secs(10);
/// Longest wait for the API server to upgrade the connection; less than the tunnel waits for a carrier.
const CONNECT: Duration = Duration::from_secs(8);
/// Longest error text that is read.
const MAX_ERROR: usize = 4096;

/// Dials one pod's port through the API server.
#[derive(Clone)]
pub struct PodPort {
    /// Where the pod is.
    pub cluster: Cluster,
    /// Name of the pod.
    pub pod: Arc<str>,
    /// Its port, on its loopback.
    pub port: u16,
    /// The last carrier was given up while it was open.
    silent: Arc<AtomicBool>,
}

impl PodPort {
    /// A port of a pod of `cluster`.
    pub fn new(cluster: Cluster, pod: &str, port: u16) -> Self {
        Self { cluster, pod: pod.into(), port, silent: Arc::default() }
    }
}

impl Dial for PodPort {
    fn dial(&self) -> BoxFuture<'_, io::Result<Carrier>> {
        Box::pin(async move {
            // Connections beside one that went silent went the same way.
            if self.silent.swap(false, Relaxed) {
                self.cluster.upkeep.leave_connections().await;
            }
            let url = Pod::url_path(&(), Some(&self.cluster.namespace));
            let request = Request::new(url).portforward(&self.pod, &[self.port]).map_err(io::Error::other)?;
            let connecting = time::timeout(CONNECT, self.cluster.client.connect(request));
            let connection = connecting
                .await
                .map_err(|_| {
                    self.silent.store(true, Relaxed);
                    io::Error::new(io::ErrorKind::TimedOut, "the API server did not upgrade the connection")
                })?
                .map_err(|error| io::Error::other(chain(&error)))?;
            let (sink, stream) = connection.into_stream().split();
            let mut interval = time::interval_at(Instant::now() + PING, PING);
            interval.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
            let incoming = Incoming {
                stream,
                headers: [false; 2],
                heard: Instant::now(),
                check: time::interval(PING),
                open: Open { still: true, silent: self.silent.clone() },
            };
            Ok(Carrier {
                incoming: Box::pin(incoming),
                outgoing: Box::pin(Outgoing { sink, ping: interval }),
            })
        })
    }
}

struct Incoming<S> {
    stream: S,
    /// Which channels have said their port already.
    headers: [bool; 2],
    heard: Instant,
    check: Interval,
    open: Open,
}

/// Notes that a carrier was given up before it ended.
struct Open {
    still: bool,
    silent: Arc<AtomicBool>,
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.still {
            self.silent.store(true, Relaxed);
        }
    }
}

impl<S> Stream for Incoming<S>
where
    S: Stream<Item = Result<Message, tungstenite::Error>> + Unpin,
{
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = self.poll_item(cx);
        if let Poll::Ready(None | Some(Err(_))) = &item {
            self.open.still = false;
        }
        item
    }
}

impl<S> Incoming<S>
where
    S: Stream<Item = Result<Message, tungstenite::Error>> + Unpin,
{
    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let this = self;
        while let Poll::Ready(item) = this.stream.poll_next_unpin(cx) {
            this.heard = Instant::now();
            let mut bytes = match item {
                None | Some(Ok(Message::Close(_))) => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(io::Error::other(error)))),
                Some(Ok(Message::Binary(bytes))) => bytes,
                Some(Ok(_)) => continue,
            };
            if bytes.is_empty() {
                continue;
            }
            let channel = bytes.get_u8();
            match (channel, this.headers.get_mut(usize::from(channel))) {
                (_, Some(seen @ false)) => *seen = true,
                (DATA, _) => return Poll::Ready(Some(Ok(bytes))),
                (ERRORS, _) => {
                    bytes.truncate(MAX_ERROR);
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::ConnectionRefused, text))));
                }
                _ => {}
            }
        }
        while this.check.poll_tick(cx).is_ready() {
            if this.heard.elapsed() > DEAD {
                this.open.silent.store(true, Relaxed);
                return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, "no answer to pings"))));
            }
        }
        Poll::Pending
    }
}

struct Outgoing<S> {
    sink: S,
    ping: Interval,
}

impl<S> Sink<Bytes> for Outgoing<S>
where
    S: Sink<Message, Error = tungstenite::Error> + Unpin,
{
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The tunnel sends at least its keep-alive every second, so pings need no timer task of their own.
        if self.sink.poll_ready_unpin(cx).map_err(io::Error::other)?.is_pending() {
            return Poll::Pending;
        }
        if self.ping.poll_tick(cx).is_ready() {
            self.sink.start_send_unpin(Message::Ping(Bytes::new())).map_err(io::Error::other)?;
        }
        self.sink.poll_ready_unpin(cx).map_err(io::Error::other)
    }

    fn start_send(mut self: Pin<&mut Self>, bytes: Bytes) -> io::Result<()> {
        let mut message = BytesMut::with_capacity(bytes.len() + 1);
        message.put_u8(DATA);
        message.put(bytes);
        self.sink.start_send_unpin(Message::Binary(message.freeze())).map_err(io::Error::other)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.sink.poll_flush_unpin(cx).map_err(io::Error::other)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.sink.poll_close_unpin(cx).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incoming_of<S>(stream: S) -> Incoming<S> {
        let open = Open { still: true, silent: Arc::default() };
        Incoming { stream, headers: [false; 2], heard: Instant::now(), check: time::interval(PING), open }
    }

    fn incoming(
        messages: Vec<Message>,
    ) -> Incoming<impl Stream<Item = Result<Message, tungstenite::Error>> + Unpin> {
        let stream = futures::stream::iter(messages.into_iter().map(Ok));
        incoming_of(stream)
    }

    #[tokio::test(start_paused = true)]
    async fn the_port_at_the_head_of_each_channel_is_not_data() {
        let message = |bytes: &'static [u8]| Message::Binary(Bytes::from_static(bytes));
        let mut incoming =
            incoming(vec![message(b"\0\x50\0"), message(b"\x01\x50\0"), message(b"\0hello"), message(b"")]);
        assert_eq!(incoming.next().await.unwrap().unwrap(), "hello");
        assert!(incoming.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_error_channel_says_ends_the_carrier() {
        let message = |bytes: &'static [u8]| Message::Binary(Bytes::from_static(bytes));
        let mut incoming = incoming(vec![message(b"\x01\x50\0"), message(b"\x01connection refused")]);
        let error = incoming.next().await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "connection refused");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_is_given_up() {
        let mut incoming = incoming_of(futures::stream::pending());
        let error = incoming.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(incoming.open.silent.load(Relaxed));
    }

    #[tokio::test(start_paused = true)]
    async fn a_carrier_was_silent_when_it_is_given_up_before_it_ends() {
        let ended = incoming(Vec::new());
        let silent = ended.open.silent.clone();
        let _ = std::pin::pin!(ended).next().await;
        assert!(!silent.load(Relaxed));
        let open = incoming_of(futures::stream::pending::<Result<Message, tungstenite::Error>>());
        let silent = open.open.silent.clone();
        drop(open);
        assert!(silent.load(Relaxed));
    }
}
