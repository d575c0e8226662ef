//! Moves datagrams between a session's queues and one carrier, until that ends.

use std::{convert::Infallible, io, pin::Pin, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures::{Sink, SinkExt, Stream, StreamExt, future::BoxFuture};
use tokio::time;

use crate::{
    carrier::Carrier,
    frame::{Decoder, FrameError},
    hello::{Answer, Greeting, HelloError},
    link::Link,
};

/// How long the first bytes of a carrier may take.
pub(crate) const GREETING_DEADLINE: Duration = Duration::from_secs(5);

/// A laptop's carrier is given up when nothing comes for so long: the agent's keep-alive is due every second. Pings
/// of the WebSocket would not do, as they are answered half way. To dial in vain costs a handshake; to wait in vain, as much
/// time in which callers do without this laptop.
const SILENCE: Duration = Duration::from_millis(2500);

/// A pump at work; owns its carrier. Resolves with the reason why the carrier ended; dropping it ends that.
pub(crate) type Pump = BoxFuture<'static, CarrierEnd>;

/// Why a carrier is of no more use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CarrierEnd {
    #[error("the carrier was closed")]
    Closed,
    #[error("the carrier failed")]
    Io(#[source] io::Error),
    #[error("nothing came from the other end")]
    Silent,
    #[error("the carrier does not lead to an end of devbridge")]
    Hello(#[source] HelloError),
    #[error("the other end speaks protocol {0}")]
    Protocol(u16),
    #[error("the agent does not know this session")]
    Forgotten,
    #[error("the carrier is damaged")]
    Frame(#[source] FrameError),
}

/// The half of a [`Carrier`] that brings bytes.
pub(crate) type Incoming = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;
type Outgoing = Pin<Box<dyn Sink<Bytes, Error = io::Error> + Send>>;

/// Reads the greeting at the beginning of a carrier, and what came with it.
pub(crate) async fn greeting<T: Greeting>(incoming: &mut Incoming) -> Result<(T, Bytes), CarrierEnd> {
    let read = async {
        let mut bytes = BytesMut::new();
        loop {
            bytes.extend_from_slice(&next(incoming).await?);
            if let Some(greeting) = T::take(&mut bytes).map_err(CarrierEnd::Hello)? {
                return Ok((greeting, bytes.freeze()));
            }
        }
    };
    time::timeout(GREETING_DEADLINE, read).await.unwrap_or(Err(CarrierEnd::Silent))
}

/// The agent's pump: `first` came together with the hello.
pub(crate) async fn agent_pump(link: Arc<Link>, carrier: Carrier, first: Bytes) -> CarrierEnd {
    let Carrier { incoming, outgoing } = carrier;
    // No limit to silence: it is the laptop that makes another carrier, and that one takes this one's place.
    run(write(&link, outgoing), read(&link, incoming, first, Duration::MAX)).await
}

/// The laptop's pump. Datagrams are sent at once; those of the agent follow its answer, which `check` judges.
pub(crate) async fn laptop_pump<F>(link: Arc<Link>, carrier: Carrier, check: F) -> CarrierEnd
where
    F: FnOnce(Answer) -> Result<(), CarrierEnd> + Send,
{
    let Carrier { mut incoming, outgoing } = carrier;
    let read = async {
        let (answer, first) = greeting(&mut incoming).await?;
        check(answer)?;
        read(&link, incoming, first, SILENCE).await
    };
    run(write(&link, outgoing), read).await
}

/// Until one direction fails: the other is of no use then.
async fn run<W, R>(write: W, read: R) -> CarrierEnd
where
    W: Future<Output = Result<Infallible, CarrierEnd>>,
    R: Future<Output = Result<Infallible, CarrierEnd>>,
{
    let Err(end) = tokio::select! { end = write => end, end = read => end };
    end
}

async fn write(link: &Link, mut outgoing: Outgoing) -> Result<Infallible, CarrierEnd> {
    loop {
        // First of all, too: a greeting may have been fed already, and must not wait for datagrams.
        if link.is_drained() {
            outgoing.flush().await.map_err(CarrierEnd::Io)?;
            link.set_flushed();
        }
        outgoing.feed(link.next_chunk().await).await.map_err(CarrierEnd::Io)?;
    }
}

async fn read(
    link: &Link,
    mut incoming: Incoming,
    first: Bytes,
    silence: Duration,
) -> Result<Infallible, CarrierEnd> {
    let mut decoder = Decoder::default();
    let mut chunk = first;
    loop {
        decoder.feed(chunk);
        link.deliver(&mut decoder).await.map_err(CarrierEnd::Frame)?;
        chunk = time::timeout(silence, next(&mut incoming)).await.unwrap_or(Err(CarrierEnd::Silent))?;
    }
}

async fn next(incoming: &mut Incoming) -> Result<Bytes, CarrierEnd> {
    match incoming.next().await {
        Some(chunk) => chunk.map_err(CarrierEnd::Io),
        None => Err(CarrierEnd::Closed),
    }
}
