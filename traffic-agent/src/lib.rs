//! The pod end of devbridge.
//!
//! The agent stands in for a target in the cluster: its pod carries the target's labels, listens on its ports and
//! takes its requests (`requests`) to a developer's laptop, or to the target's own pods (`originals`) whenever
//! that laptop does not serve them. It answers the laptop's questions as this pod: `outbound` connections,
//! `dns`, `env`. The laptop comes through `control`. The agent has no Kubernetes rights and needs none.
//!
//! Of a synced target it runs the laptop's code itself: `sync` writes its files, `process` runs it, [`mod@seed`] gives it a place.
//!
//! The same program is the [`keeper`], which cleans up after laptops that died.

mod agent;
pub mod config;
mod control;
pub mod descriptors;
mod dns;
mod env;
#[doc(hidden)]
pub mod fuzz;
mod health;
pub mod inherited;
pub mod keeper;
mod laptop;
pub mod nameservers;
mod originals;
mod outbound;
mod process;
mod ready;
mod refusal;
mod requests;
pub mod seed;
mod sync;

use std::{io, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    time::{self, Instant},
};
use tracing::{info, warn};
use tunnel::{accept::Acceptor, budget::Budget, tasks::Tasks};

use agent::{Agent, Phase};
use config::{Config, Keys};
use nameservers::Nameservers;
use originals::{Finder, Originals, Own};
use ready::Ready;

/// The sockets of an agent.
#[derive(Debug)]
pub struct Listeners {
    /// For callers, with the container port that each stands for.
    pub requests: Vec<(u16, TcpListener)>,
    /// For the laptop; on loopback.
    pub control: TcpListener,
    /// For the kubelet and the keeper.
    pub health: TcpListener,
}

/// How an agent that shall end takes its time.
#[derive(Debug, Clone, Copy)]
pub struct Grace {
    /// How long callers are still accepted: until every node has learnt that this pod is not ready.
    pub accept: Duration,
    /// It has, if nobody new came for so long; nodes need about a second.
    pub quiet: Duration,
    /// How long open connections may take, counted from the same moment.
    pub flows: Duration,
}

impl Default for Grace {
    fn default() -> Self {
        Self {
            accept: Duration::from_secs(10),
            quiet: Duration::from_secs(5),
            flows: Duration::from_secs(60),
        }
    }
}

/// The agent could not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The tunnel could not be set up.
    #[error("cannot accept sessions")]
    Sessions(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The operating system gave no random numbers.
    #[error("no random numbers")]
    Random(#[source] io::Error),
}

/// Runs an agent until `shutdown` resolves and its connections have ended, or their time is over.
///
/// # Errors
/// [`RunError`], before anything is accepted.
pub async fn run(
    config: &Config,
    keys: Keys,
    nameservers: Nameservers,
    listeners: Listeners,
    grace: Grace,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let acceptor = Acceptor::new(listeners.control, keys.agent, keys.laptop)
        .map_err(|error| RunError::Sessions(Box::new(error)))?;
    let agent = Arc::new(make(config, &nameservers)?);
    let (loops, accepting, flows, sessions) =
        (Tasks::default(), Tasks::default(), Tasks::default(), Tasks::default());

    let ready = agent.ready.watch();
    loops.spawn_until_stopped(health::serve(listeners.health, ready));
    loops.spawn_until_stopped(control::accept(Arc::clone(&agent), acceptor, sessions.clone()));
    let refreshed = Arc::clone(&agent);
    loops.spawn_until_stopped(async move { refreshed.originals.refresh().await });
    let places = requests::places();
    for (port, listener) in listeners.requests {
        let (agent, places) = (Arc::clone(&agent), Arc::clone(&places));
        accepting.spawn_until_stopped(requests::accept(agent, port, listener, places, flows.clone()));
    }

    shutdown.await;
    info!(open = flows.running(), "ending");
    agent.phase.send_replace(Phase::Leaving);
    let led_here = agent.ready.end();
    agent.desk.close();
    let asked = Instant::now();
    if led_here {
        led_elsewhere(&agent, grace).await;
    }
    accepting.stop(Duration::ZERO).await;
    flows.stop(grace.flows.saturating_sub(asked.elapsed())).await;
    loops.stop(Duration::ZERO).await;
    sessions.stop(SESSIONS).await;
    agent.process.end().await;
    agent.partings.stop(Duration::ZERO).await;
    Ok(())
}

/// Waits until no new callers are led here. Cancel safe.
async fn led_elsewhere(agent: &Agent, grace: Grace) {
    let end = Instant::now() + grace.accept;
    let (mut came, mut last) = (agent.counts.all(), Instant::now());
    // Looked at so often that little is added to the wait.
    let mut looks = time::interval((grace.quiet / LOOKS).max(Duration::from_millis(1)));
    while last.elapsed() < grace.quiet && Instant::now() < end {
        looks.tick().await;
        let now = agent.counts.all();
        if now != came {
            (came, last) = (now, Instant::now());
        }
    }
}

/// How often new callers are looked for in the time in which none may come.
const LOOKS: u32 = 20;
/// How long sessions may take to say that the agent is ending.
const SESSIONS: Duration = Duration::from_secs(3);

fn make(config: &Config, nameservers: &Nameservers) -> Result<Agent, RunError> {
    let mut boot = [0; 16];
    getrandom::fill(&mut boot).map_err(|error| RunError::Random(error.into()))?;
    let finder = config.names.as_ref().and_then(|names| {
        Finder::new(names, &config.namespace, nameservers)
            .inspect_err(|error| warn!(%error, "originals cannot be found by DNS"))
            .ok()
    });
    let own = Own { ips: config.pod_ips.clone(), ports: config.listen.clone() };
    Ok(Agent {
        originals: Originals::new(own, finder),
        desk: laptop::Desk::default(),
        counts: agent::Counts::default(),
        phase: watch::Sender::new(Phase::Running),
        ready: Ready::new(&config.run),
        process: process::Process::new(config.listen.clone()).noted_in(&config.run),
        nameservers: nameservers.servers.clone(),
        outbound: Arc::new(Semaphore::new(outbound::LIMIT)),
        budget: Budget::new(agent::BUDGET),
        held: Semaphore::new(requests::HELD_LIMIT),
        partings: Tasks::default(),
        boot,
        run: config.run.clone(),
        code: config.code.clone(),
    })
}
