//! The target's own pods, which serve whenever the laptop does not.
//!
//! The laptop pushes their addresses from EndpointSlices while it is there. Afterwards the cluster's DNS brings newer
//! ones: the agent has no rights to ask the API server. But DNS servers answer from caches, so the laptop's last list
//! goes first until those have expired. An address that belongs to this pod or to another agent is never dialled,
//! wherever it came from.

mod finder;

use std::{
    collections::{HashMap, HashSet},
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt as _, stream};
use tokio::{
    net::TcpStream,
    time::{self, Instant},
};
use tracing::{debug, info};
use tunnel::message::{Original, Probed, Refusal};

pub(crate) use finder::Finder;

use crate::refusal::refusal;

/// How long one original may take to accept before the next one is tried.
const DIAL: Duration = Duration::from_millis(250);
/// Most originals tried for one connection.
const TRIES: usize = 16;
/// How long an original that could not be reached is tried after the others.
const SHUNNED: Duration = Duration::from_secs(5);
/// How often names are resolved while there is no laptop.
const REFRESH: Duration = Duration::from_secs(5);
/// Shortest time between two resolutions, when dials fail.
const REFRESH_PAUSE: Duration = Duration::from_secs(1);
/// How long a probe of one original may take.
const PROBE: Duration = Duration::from_secs(1);
/// Probes at a time.
const PROBES: usize = 16;
/// How long an answer of the cluster's DNS may be older than the laptop's last list: what CoreDNS caches
/// (`cache 30` in the usual Corefile), and the next resolution.
const DNS_AGE: Duration = Duration::from_secs(36);
/// Most originals that a laptop may push.
const PUSHED_LIMIT: usize = 8192;

/// Where originals are, and how to reach one.
pub(crate) struct Originals {
    lists: Mutex<Lists>,
    finder: Option<Finder>,
    /// Time of the last resolution; held while one runs, so that many failing dials cause one.
    resolved_at: tokio::sync::Mutex<Option<Instant>>,
    own: Own,
    turn: AtomicUsize,
}

/// What this pod is itself: never an original.
pub(crate) struct Own {
    /// The pod's addresses.
    pub(crate) ips: Vec<IpAddr>,
    /// The ports it listens on.
    pub(crate) ports: Vec<u16>,
}

#[derive(Default)]
struct Lists {
    pushed: HashMap<u16, Vec<SocketAddr>>,
    /// Number of the session whose list `pushed` is, while that session lasts.
    pusher: Option<u64>,
    /// When `pusher` ended.
    abandoned: Option<Instant>,
    resolved: HashMap<u16, Vec<SocketAddr>>,
    agents: HashSet<IpAddr>,
    shunned: HashMap<SocketAddr, Instant>,
}

impl Originals {
    pub(crate) fn new(own: Own, finder: Option<Finder>) -> Self {
        Self {
            lists: Mutex::default(),
            finder,
            resolved_at: tokio::sync::Mutex::default(),
            own,
            turn: AtomicUsize::default(),
        }
    }

    /// Replaces the list with that of session `pusher`.
    pub(crate) fn push(&self, pusher: u64, originals: Vec<Original>) {
        let mut lists = self.lists();
        lists.pusher = Some(pusher);
        lists.pushed.clear();
        for original in originals.into_iter().take(PUSHED_LIMIT) {
            lists.pushed.entry(original.port).or_default().push(original.addr);
        }
    }

    /// Session `pusher` is over: its list ages from now on.
    pub(crate) fn abandon(&self, pusher: u64) {
        let mut lists = self.lists();
        if lists.pusher == Some(pusher) {
            lists.pusher = None;
            lists.abandoned = Some(Instant::now());
            lists.resolved.clear();
        }
    }

    /// Whether a port has an original besides the one that serves now.
    pub(crate) fn several(&self, port: u16) -> bool {
        self.candidates(port).len() > 1
    }

    /// A connection to an original of `port`, or `None` when nobody accepts one.
    ///
    /// Cancel safe: a connection that is being made is closed.
    pub(crate) async fn dial(&self, port: u16) -> Option<TcpStream> {
        let mut tried = HashSet::new();
        if let Some(stream) = self.dial_any(port, &mut tried).await {
            return Some(stream);
        }
        self.resolve(REFRESH_PAUSE).await;
        self.dial_any(port, &mut tried).await
    }

    /// Dials each original once and says what happened.
    pub(crate) async fn probe(&self) -> Vec<Probed> {
        // A list that was pushed and one from DNS name the same.
        let mut all = HashSet::new();
        let ports: Vec<u16> = {
            let lists = self.lists();
            lists
                .pushed
                .keys()
                .chain(lists.resolved.keys())
                .copied()
                .collect::<HashSet<_>>()
                .into_iter()
                .collect()
        };
        for port in ports {
            all.extend(self.candidates(port).into_iter().map(|addr| Original { port, addr }));
        }
        let probes = stream::iter(all).map(|original| async move {
            let refusal = match time::timeout(PROBE, TcpStream::connect(original.addr)).await {
                Ok(Ok(_)) => None,
                Ok(Err(error)) => Some(refusal(&error)),
                Err(_) => Some(Refusal::TimedOut),
            };
            Probed { original, refusal }
        });
        probes.buffer_unordered(PROBES).collect().await
    }

    /// Keeps the list fresh while no laptop does. Runs until cancelled.
    pub(crate) async fn refresh(&self) {
        if self.finder.is_none() {
            return;
        }
        loop {
            if self.lists().pusher.is_none() {
                self.resolve(REFRESH_PAUSE).await;
            }
            time::sleep(REFRESH).await;
        }
    }

    async fn dial_any(&self, port: u16, tried: &mut HashSet<SocketAddr>) -> Option<TcpStream> {
        for addr in self.candidates(port) {
            if tried.len() >= TRIES || !tried.insert(addr) {
                continue;
            }
            let outcome = match time::timeout(DIAL, TcpStream::connect(addr)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            };
            match outcome {
                Ok(stream) => {
                    self.lists().shunned.remove(&addr);
                    return Some(stream);
                }
                Err(error) => {
                    debug!(%addr, %error, "original not reached");
                    self.lists().shunned.insert(addr, Instant::now() + SHUNNED);
                }
            }
        }
        None
    }

    /// Where a connection to `port` may go, best first: each time another one begins.
    fn candidates(&self, port: u16) -> Vec<SocketAddr> {
        let mut lists = self.lists();
        let now = Instant::now();
        lists.shunned.retain(|_, until| *until > now);
        let (pushed, resolved) = (lists.pushed.get(&port), lists.resolved.get(&port));
        let fresh = lists.pusher.is_some() || lists.abandoned.is_some_and(|at| at + DNS_AGE > now);
        let allowed = |list: Option<&Vec<SocketAddr>>| -> Vec<_> {
            let list = list.into_iter().flatten().copied();
            list.filter(|addr| self.allowed(*addr, &lists.agents)).collect()
        };
        let mut first = allowed(if fresh || resolved.is_none() { pushed } else { resolved });
        if !first.is_empty() {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % first.len();
            first.rotate_left(turn);
        }
        if fresh {
            // A last resort beside a fresh list. An old list is none: its addresses may be other pods' by now.
            let more: Vec<_> = allowed(resolved).into_iter().filter(|addr| !first.contains(addr)).collect();
            first.extend(more);
        }
        first.sort_by_key(|addr| lists.shunned.contains_key(addr));
        first
    }

    /// The loop guard: neither this pod nor another agent.
    fn allowed(&self, addr: SocketAddr, agents: &HashSet<IpAddr>) -> bool {
        let ip = addr.ip().to_canonical();
        let here = ip.is_loopback() || ip.is_unspecified();
        let looping = here && self.own.ports.contains(&addr.port());
        !(self.own.ips.contains(&ip) || agents.contains(&ip) || looping)
    }

    /// Resolves names, unless that was done within `pause`.
    async fn resolve(&self, pause: Duration) {
        let Some(finder) = &self.finder else { return };
        let mut resolved_at = self.resolved_at.lock().await;
        if resolved_at.is_some_and(|at| at.elapsed() < pause) {
            return;
        }
        let found = finder.find().await;
        *resolved_at = Some(Instant::now());
        let mut lists = self.lists();
        if !found.agents.is_empty() {
            lists.agents = found.agents;
        }
        for (port, originals) in found.originals {
            // An empty answer is kept out: dialling what was known is better than dialling nobody.
            if !originals.is_empty() && lists.resolved.get(&port) != Some(&originals) {
                info!(port, count = originals.len(), "originals resolved");
                lists.resolved.insert(port, originals);
            }
        }
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
