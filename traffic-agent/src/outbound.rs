//! The outbound path: connections of the laptop's process, dialled from the pod.

use std::{net::SocketAddr, time::Duration};

use tokio::{net::TcpStream, sync::Semaphore, time};
use tracing::debug;
use tunnel::{
    Flow,
    message::{MAX_OPEN, Refusal, Reply},
    splice,
};

use crate::refusal::refusal;

/// How long a dial may take; the laptop's process would wait longer, but few would wait for it.
const DIAL: Duration = Duration::from_secs(10);
/// Most connections at a time.
pub(crate) const LIMIT: usize = 8192;

/// Dials `to`, answers, and carries bytes until both directions have ended. When cancelled, the stream is reset.
pub(crate) async fn serve(places: &Semaphore, to: SocketAddr, mut flow: Flow) {
    let Ok(_place) = places.try_acquire() else {
        return refuse(flow, Refusal::Unavailable).await;
    };
    let tcp = match time::timeout(DIAL, TcpStream::connect(to)).await {
        Ok(Ok(tcp)) => tcp,
        Ok(Err(error)) => {
            debug!(%to, %error, "outbound connection failed");
            return refuse(flow, refusal(&error)).await;
        }
        Err(_) => return refuse(flow, Refusal::TimedOut).await,
    };
    if let Err(error) = tcp.set_nodelay(true) {
        debug!(%error, "cannot set TCP_NODELAY");
    }
    if let Err(error) = flow.send.message(&Reply::Accepted, MAX_OPEN).await {
        debug!(%to, %error, "laptop left meanwhile");
        return;
    }
    splice::splice(tcp, flow).await;
}

async fn refuse(mut flow: Flow, refusal: Refusal) {
    if flow.send.message(&Reply::Refused(refusal), MAX_OPEN).await.is_ok() {
        flow.send.finish();
    }
    flow.recv.stop();
}
