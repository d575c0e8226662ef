//! The outbound path: connections of the laptop's process, dialled from the pod.

use std::{net::SocketAddr, time::Duration};

use tokio::{net::TcpStream, time};
use tracing::{debug, warn};
use tunnel::{
    Flow,
    message::{MAX_OPEN, Refusal, Reply},
    splice::{End, splice_within},
};

use crate::{agent::Agent, refusal::refusal};

/// How long a dial may take; the laptop's process would wait longer, but few would wait for it.
const DIAL: Duration = Duration::from_secs(10);
/// Most connections at a time.
pub(crate) const LIMIT: usize = 8192;

/// Dials `to`, answers, and carries bytes until both directions have ended. When cancelled, the stream is reset.
pub(crate) async fn serve(agent: &Agent, to: SocketAddr, mut flow: Flow) {
    let Ok(_place) = agent.outbound.try_acquire() else {
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
    if splice_within(tcp, flow, &agent.budget).await.end == End::Stalled {
        warn!(%to, "a stalled connection is reset, its memory is needed");
    }
}

async fn refuse(mut flow: Flow, refusal: Refusal) {
    if flow.send.message(&Reply::Refused(refusal), MAX_OPEN).await.is_ok() {
        flow.send.finish();
    }
    flow.recv.stop();
}
