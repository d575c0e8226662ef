//! The keeper: cleans up in its namespace after laptops that died.
//!
//! It watches the records, the swapped Services and their endpoints, and asks each agent twice a second whether it is ready.
//! `state` decides; here is what observes and acts. It runs from the same binary as the agent, as
//! `traffic-agent keeper`, in a pod of its own with a Role of its own, which is part of the built-in role `edit`:
//! `cli/src/cluster/keeper.rs` makes both.
//!
//! What it may do is fixed, whatever it reads: take our key off a Service, delete a record that nobody renews or an agent's
//! pod whose machine is gone, end itself.

mod answers;
mod api;
mod ask;
mod http;
mod objects;
mod server;
mod state;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt as _, stream::FuturesUnordered};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    time::{self, Instant, MissedTickBehavior},
};
use tracing::{debug, info, warn};
use tunnel::tasks::Tasks;

pub use server::ServerError;

use crate::{config, health, ready::Ready};
use api::{Api, ApiError, DEPLOYMENTS, LEASES, PODS, SERVICES, SLICES, encoded};
use ask::Told;
use objects::{AGENT, AgentPod, DEVBRIDGE, Exactly, MANAGED_BY, Record, endpoints, led_to, may_end};
use server::{ACCOUNT, Server};
use state::{Action, GAP, State, Why};

/// The keeper's own Deployment.
const NAME: &str = "devbridge-keeper";
/// Between two questions for records.
const EVERY: Duration = Duration::from_secs(1);
/// How often is decided when nothing new is seen: time passes, too.
const TICK: Duration = Duration::from_millis(250);
/// After a keeper found that it may not end.
const STAY: Duration = Duration::from_secs(30);
/// The keeper's writable directory.
const RUN_DIR: &str = "/devbridge/run";
/// Observations that wait to be taken in.
const QUEUE: usize = 128;

/// The keeper could not start.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The pod does not say how to reach the API server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A variable is missing or malformed.
    #[error("variable {0} is not set as it should be")]
    Variable(&'static str),
    /// The health port can't be opened.
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] std::io::Error),
}

/// All that was read of the records and pods at one time.
struct Polled {
    asked: Instant,
    answered: Instant,
    records: Vec<Record>,
    pods: Vec<AgentPod>,
}

/// Runs until `shutdown` resolves.
///
/// # Errors
/// [`KeeperError`], before anything is done.
pub async fn run(
    variables: &HashMap<String, String>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), KeeperError> {
    let text = |name| variables.get(name).ok_or(KeeperError::Variable(name));
    let namespace = text(config::NAMESPACE)?.clone();
    let ip: IpAddr = text(config::POD_IP)?.parse().map_err(|_| KeeperError::Variable(config::POD_IP))?;
    let port = text(config::HEALTH_PORT)?.parse().map_err(|_| KeeperError::Variable(config::HEALTH_PORT))?;
    let addr = SocketAddr::new(ip, port);
    let health = TcpListener::bind(addr).await.map_err(|error| KeeperError::Listen(addr, error))?;
    let api = Arc::new(Api::new(Server::of_pod(variables, Path::new(ACCOUNT))?, namespace.clone()));
    info!(release = tunnel::version::RELEASE, %namespace, "keeper of devbridge");

    let ready = Ready::new(Path::new(RUN_DIR));
    let tasks = Tasks::default();
    tasks.spawn_until_stopped(health::serve(health, ready.watch()));
    tokio::select! {
        () = keep(api, &ready, &tasks) => {}
        () = shutdown => info!("ending"),
    }
    ready.end();
    tasks.stop(Duration::ZERO).await;
    Ok(())
}

/// Observes, decides, acts, for ever.
async fn keep(api: Arc<Api>, ready: &Ready, tasks: &Tasks) {
    // poll --all records and pods--> here
    let (polls_tx, mut polls_rx) = mpsc::channel(1);
    // ask --pod, and what it answered--> here
    let (answers_tx, mut answers_rx) = mpsc::channel::<Told>(QUEUE);
    // here --the API server was away--> follow
    let (anew_tx, anew_rx) = watch::channel(0);
    let (services_tx, mut services_rx) = watch::channel(None::<BTreeMap<String, String>>);
    let (slices_tx, mut slices_rx) = watch::channel(None::<BTreeMap<String, (String, bool)>>);
    let (polling, following) = (Arc::clone(&api), Arc::clone(&api));
    tasks.spawn_until_stopped(async move { poll(&polling, polls_tx).await });
    let anew = anew_rx.clone();
    tasks.spawn_until_stopped(async move {
        following.follow(SERVICES, led_to, services_tx, anew).await;
    });
    let following = Arc::clone(&api);
    tasks.spawn_until_stopped(async move {
        following.follow(SLICES, endpoints, slices_tx, anew_rx).await;
    });

    let mut state = State::new();
    let mut asking = every(answers::EVERY);
    let mut tick = every(TICK);
    let mut heard: Option<Instant> = None;
    let mut stay: Option<Instant> = None;
    // While one waits for the API server, pods are asked in time, and the others go on.
    let (mut acting, mut under_way) = (FuturesUnordered::new(), HashSet::new());
    loop {
        tokio::select! {
            Some(Polled { asked, answered, records, pods }) = polls_rx.recv() => {
                if heard.is_some_and(|heard| asked.saturating_duration_since(heard) > GAP) {
                    warn!("the API server was away: every record's time begins again");
                    anew_tx.send_modify(|anew| *anew += 1);
                }
                heard = Some(asked);
                state.pods(pods);
                state.records(asked, answered, records);
                ready.arm();
            }
            Ok(()) = services_rx.changed() => {
                if let Some(services) = &*services_rx.borrow_and_update() {
                    state.services(services);
                }
            }
            Ok(()) = slices_rx.changed() => {
                if let Some(slices) = &*slices_rx.borrow_and_update() {
                    state.endpoints(by_service(slices));
                }
            }
            Some(told) = answers_rx.recv() => state.told(&told),
            _ = asking.tick() => {
                for pod in state.to_ask() {
                    tasks.spawn_until_stopped(ask::question(pod, answers_tx.clone()));
                }
            }
            Some(done) = acting.next() => drop(under_way.remove(&done)),
            _ = tick.tick() => {}
        }
        let now = Instant::now();
        let mut actions = state.decide(now);
        if stay.is_some_and(|until| now < until) {
            actions.retain(|action| *action != Action::End);
        }
        if actions.contains(&Action::End) {
            stay = Some(now + STAY);
        }
        for action in actions {
            if under_way.insert(action.clone()) {
                acting.push(act(&api, action));
            }
        }
    }
}

/// A Service may have several slices.
fn by_service(slices: &BTreeMap<String, (String, bool)>) -> BTreeMap<String, bool> {
    let mut ready = BTreeMap::new();
    for (service, has) in slices.values() {
        *ready.entry(service.clone()).or_insert(false) |= has;
    }
    ready
}

/// Reads all records and agent pods, again and again.
async fn poll(api: &Api, polls_tx: mpsc::Sender<Polled>) {
    let (ours, agents) = (encoded(&format!("{MANAGED_BY}={DEVBRIDGE}")), encoded(AGENT));
    let mut every = every(EVERY);
    let mut told = false;
    loop {
        every.tick().await;
        let asked = Instant::now();
        let (leases, pods) = tokio::join!(api.list(LEASES, &ours), api.list(PODS, &agents));
        let polled = match (leases, pods) {
            (Ok((leases, _)), Ok((pods, _))) => Polled {
                asked,
                answered: Instant::now(),
                records: leases.iter().filter_map(Record::read).collect(),
                pods: pods.iter().filter_map(AgentPod::read).collect(),
            },
            (Err(error), _) | (_, Err(error)) => {
                if !told {
                    warn!(%error, cause = cause(&error), "cannot read records and agents");
                }
                told = true;
                continue;
            }
        };
        told = false;
        if polls_tx.send(polled).await.is_err() {
            return;
        }
    }
}

/// Gives the action back.
async fn act(api: &Api, action: Action) -> Action {
    let done = match &action {
        Action::TakeKey { service, agent, why } => take_key(api, service, agent, *why).await.map(|taken| {
            if taken {
                info!(%service, %agent, ?why, "the key is off: the originals serve");
            }
        }),
        Action::DeleteRecord(lease) => {
            info!(
                name = lease.name,
                "nobody renews this record: deleting it, and all that it owns goes with it"
            );
            api.delete(LEASES, lease).await
        }
        Action::DeletePod { name, uid } => {
            info!(%name, "nothing answers where this agent's pod is: deleting it, and another takes its place");
            api.delete_pod(name, uid).await
        }
        Action::End => end(api).await,
    };
    match done {
        Ok(()) => {}
        Err(error) if error.is_outrun() => debug!(%error, ?action, "somebody else was faster"),
        Err(error) => warn!(%error, cause = cause(&error), ?action, "could not act"),
    }
    action
}

/// Whether the key was taken off.
async fn take_key(api: &Api, service: &str, agent: &str, why: Why) -> Result<bool, ApiError> {
    if why == Why::NoEndpoint {
        // Services and endpoints are watched side by side, and one may be behind.
        let selector = encoded(&format!("kubernetes.io/service-name={service}"));
        let (slices, _) = api.list(SLICES, &selector).await?;
        if slices.iter().filter_map(endpoints).any(|(_, ready)| ready) {
            return Ok(false);
        }
    }
    api.take_key(service, agent).await.map(|()| true)
}

/// Deletes the keeper's own Deployment, unless somebody installed it.
///
/// # Guarantees
/// A session that uses this keeper first makes its record and then marks the Deployment. So, as the Deployment is read
/// before the records and deleted only if it has not changed since, no session is left without a keeper unawares.
async fn end(api: &Api) -> Result<(), ApiError> {
    let own = api.get(DEPLOYMENTS, NAME).await?;
    let Some(exactly) = Exactly::read(&own).filter(|_| may_end(&own)) else { return Ok(()) };
    let ours = encoded(&format!("{MANAGED_BY}={DEVBRIDGE}"));
    let (leases, _) = api.list(LEASES, &ours).await?;
    if leases.iter().any(|lease| Record::read(lease).is_some()) {
        return Ok(());
    }
    info!("nothing is left to keep: ending");
    api.delete(DEPLOYMENTS, &exactly).await
}

fn every(period: Duration) -> time::Interval {
    let mut every = time::interval(period);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    every
}

fn cause(error: &ApiError) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}
