//! The requests path: callers in the cluster, served by the laptop or by originals.
//!
//! Each caller's connection has one task. It finds somebody to serve ([`leg`]): the laptop if it takes
//! requests ([`mod@ask`]), after an acknowledgement ([`offer`]), otherwise an original, or nobody ([`refuse`]). Then bytes are relayed ([`relay`])
//! while an observer follows the exchanges ([`exchange`]), so that the connection can change hands between two
//! of them, and a request that nobody answered can be given to somebody else. When the agent ends, callers are
//! told politely to connect again ([`farewell`]).

mod ask;
mod caller;
mod exchange;
mod farewell;
mod leg;
mod offer;
mod refuse;
mod relay;

use std::{sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time,
};
use tracing::{debug, warn};
use tunnel::{message::Unavailable, tasks::Tasks};

use crate::agent::Agent;

pub(crate) use ask::HELD_LIMIT;

/// What reads bytes of others, for [`crate::fuzz`].
pub(crate) mod fuzz {
    pub(crate) use super::{
        exchange::{Exchange, State},
        farewell::Farewell,
    };
}

use ask::{Asked, ask};
use caller::Caller;
use leg::Leg;
use relay::Ended;

/// Most connections of callers at a time; more are reset.
const CALLERS_LIMIT: usize = 10_240;
/// Pause after a failed accept (out of descriptors), which would otherwise fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Places for callers' connections, of all ports together.
pub(crate) fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(CALLERS_LIMIT))
}

/// Accepts callers of container port `port` until cancelled; each one's task belongs to `flows`.
pub(crate) async fn accept(
    agent: Arc<Agent>,
    port: u16,
    listener: TcpListener,
    places: Arc<Semaphore>,
    flows: Tasks,
) {
    loop {
        let (tcp, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                debug!(port, %error, "cannot accept a caller");
                time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            warn!(port, limit = CALLERS_LIMIT, "too many callers, resetting one");
            agent.counts.failed();
            caller::reset(&tcp);
            continue;
        };
        let caller = Caller::new(tcp, from, port, &agent.budget);
        let agent = Arc::clone(&agent);
        flows.spawn(async move {
            serve(&agent, caller).await;
            drop(place);
        });
    }
}

/// Whom to ask next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Whoever takes requests now; a new connection or a new request.
    Anybody,
    /// Somebody else than the laptop's process, which broke the connection: what its session wants.
    Other,
    /// An original.
    Original,
}

/// Serves one caller until either side ends the connection.
async fn serve(agent: &Agent, mut caller: Caller) {
    let mut next = Next::Anybody;
    loop {
        let mut leg = match connect(agent, &mut caller, next).await {
            Connected::To(leg) => leg,
            Connected::Gone => return,
            Connected::Nobody => {
                debug!(port = caller.port, "nobody takes a caller");
                agent.counts.failed();
                return caller.reset();
            }
            Connected::Refused => {
                agent.counts.failed();
                return refuse::refuse(caller).await;
            }
        };
        match relay::relay(agent, &mut caller, &mut leg).await {
            Ended::Done => return,
            Ended::Reset => return caller.reset(),
            Ended::Stalled => {
                warn!(port = caller.port, from = %caller.from, "a stalled connection is reset, its memory is needed");
                leg.reset();
                return caller.reset();
            }
            Ended::Parted => {
                agent.partings.spawn(leg.part());
                return caller.part().await;
            }
            Ended::Given => {
                next = if leg.laptop().is_some() { Next::Other } else { Next::Original };
                leg.reset();
                caller.give_again();
                if next == Next::Other && caller.exchange.between() {
                    // Nothing is owed to it yet; what it sends from now on is kept.
                    caller.kept.begin();
                    caller.fruitless += 1;
                    if caller.fruitless >= relay::FRUITLESS {
                        // That process accepts, and ends what it has accepted.
                        next = Next::Original;
                    }
                }
            }
            Ended::Moved => {
                leg.reset();
                caller.kept.begin();
                next = Next::Other;
            }
            Ended::Parked => {
                // The next request must not wait for it.
                agent.partings.spawn(leg.part());
                if !caller.next_request().await {
                    return;
                }
                next = Next::Anybody;
            }
        }
    }
}

enum Connected {
    To(Leg),
    /// The caller left meanwhile.
    Gone,
    /// Nobody could be reached.
    Nobody,
    /// Nobody shall serve it.
    Refused,
}

async fn connect(agent: &Agent, caller: &mut Caller, next: Next) -> Connected {
    let asks = match next {
        Next::Anybody => {
            caller.kept.begin();
            true
        }
        // The same process is asked again only by who waits for it.
        Next::Other => {
            matches!(agent.desk.unavailable(), Some(Unavailable::Hold { .. } | Unavailable::Error))
        }
        Next::Original => false,
    };
    if asks {
        match ask(agent, caller).await {
            Asked::Taken(leg) => return Connected::To(leg),
            Asked::Gone => return Connected::Gone,
            Asked::Nobody => return Connected::Refused,
            Asked::Original => {}
        }
    }
    match agent.originals.dial(caller.port).await {
        Some(tcp) => {
            agent.counts.originals();
            caller.give_kept();
            Connected::To(Leg::original(tcp))
        }
        None => Connected::Nobody,
    }
}

/// Sends small writes at once: requests wait for answers.
fn without_delay(tcp: &TcpStream) {
    if let Err(error) = tcp.set_nodelay(true) {
        debug!(%error, "cannot set TCP_NODELAY");
    }
}
