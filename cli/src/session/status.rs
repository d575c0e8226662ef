//! The session's state, folded from both ends: one value that is replaced, never a queue that anybody waits for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tunnel::message::{Counters, Unavailable};
use tunnel::status::{Link, Phase, Process, Requests, Serving, Session};

use crate::output::Output;

/// Written by every path, read by the control socket. Cheap to clone.
#[derive(Clone)]
pub struct Board {
    state: Arc<watch::Sender<Session>>,
    output: Output,
    /// What each agent of the session has counted.
    counted: Arc<Mutex<BTreeMap<String, Counters>>>,
    /// The agent that this one is written by, if it is not the one that the session itself is at.
    beside: Option<String>,
}

impl Board {
    /// Begins with `session`.
    pub fn new(session: Session, output: Output) -> Self {
        Self { state: Arc::new(watch::Sender::new(session)), output, counted: Arc::default(), beside: None }
    }

    /// The same board for the agent in another pod of the session, whose connection is not the session's.
    #[must_use]
    pub fn beside(&self, pod: &str) -> Self {
        Self { beside: Some(pod.to_owned()), ..self.clone() }
    }

    /// The newest state.
    pub fn read(&self) -> Session {
        self.state.borrow().clone()
    }

    /// The newest state, now and later.
    pub fn changes(&self) -> watch::Receiver<Session> {
        self.state.subscribe()
    }

    /// One way to the agent, in microseconds: half of the last round trip.
    pub fn one_way_us(&self) -> Option<u64> {
        match self.state.borrow().link {
            Link::Up { round_trip_us } => Some(round_trip_us / 2),
            Link::Connecting | Link::Lost => None,
        }
    }

    /// Changes the state; readers see it when they look.
    pub fn change(&self, change: impl FnOnce(&mut Session)) {
        self.state.send_modify(change);
    }

    /// Sets who serves, and says so when it is news and the session is attached.
    pub fn serving(&self, serving: Serving) {
        let mut news = None;
        self.state.send_if_modified(|session| {
            let serving = match serving {
                Serving::Originals { why } if session.unavailable == Unavailable::Error => {
                    Serving::Nobody { why }
                }
                serving => serving,
            };
            let changed = session.serving != serving;
            session.serving = serving;
            news = (changed && session.phase == Phase::Attached).then(|| line(session));
            changed
        });
        if let Some(news) = news {
            self.output.state(&news);
        }
    }

    /// Sets the state of the way to the agent, and says so when it is lost or back.
    pub fn link(&self, link: Link) {
        if self.beside.is_some() {
            return;
        }
        let before = self.read();
        match (&before.link, &link) {
            (Link::Up { .. }, Link::Lost) => {
                let others = others(before.unavailable);
                self.output
                    .state(&format!("connection to the agent lost; {others} while devbridge dials again"));
            }
            (Link::Lost, Link::Up { .. }) => self.output.state("connected to the agent again"),
            _ => {}
        }
        self.change(|session| session.link = link);
    }

    /// Takes over what the agent counted, and says so when it had to reset connections.
    pub fn count(&self, counters: Counters) {
        let counters = self.sum(counters);
        let before = self.read().requests;
        if counters.stalled > before.stalled {
            self.output.warn(&format!(
                "the agent has reset {} connections, because one side did not read and what waited took too much memory",
                counters.stalled - before.stalled
            ));
        }
        self.change(|session| {
            session.requests = Requests {
                laptop: counters.laptop,
                originals: counters.originals,
                failed: counters.failed,
                stalled: counters.stalled,
                open: counters.open,
            };
        });
    }

    /// Of all agents that count now, this one's newest included.
    fn sum(&self, own: Counters) -> Counters {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.insert(self.beside.clone().unwrap_or_default(), own);
        counted.values().fold(Counters::default(), |sum, one| Counters {
            laptop: sum.laptop + one.laptop,
            originals: sum.originals + one.originals,
            failed: sum.failed + one.failed,
            stalled: sum.stalled + one.stalled,
            open: sum.open + one.open,
        })
    }

    /// Sets the state of the developer's process.
    pub fn process(&self, process: Process) {
        self.change(|session| session.process = process);
    }
}

/// A state line: why, then who serves.
pub fn line(session: &Session) -> String {
    match &session.serving {
        Serving::Laptop => "requests reach this laptop".into(),
        Serving::Pod => "requests reach this code in the cluster".into(),
        Serving::Originals { why } | Serving::Nobody { why } => {
            format!("{why}; {}", others(session.unavailable))
        }
    }
}

/// Who serves while this laptop does not.
fn others(unavailable: Unavailable) -> String {
    match unavailable {
        Unavailable::Cluster => "originals serve".into(),
        Unavailable::Hold { millis } => {
            format!("requests wait up to {} s, then originals serve", f64::from(millis) / 1e3)
        }
        Unavailable::Error => "callers get an error".into(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A session that has just begun.
    pub(crate) fn session() -> Session {
        Session {
            id: "0a1b2c3d".into(),
            context: "kind".into(),
            namespace: "shop".into(),
            target: "deployment/web".into(),
            services: vec!["web".into()],
            pid: 1,
            since: "2026-01-01T00:00:00Z".into(),
            phase: Phase::Attaching,
            link: Link::Connecting,
            process: Process::None,
            restarts: 0,
            serving: Serving::Originals { why: "not yet".into() },
            unavailable: Unavailable::Cluster,
            ports: Vec::new(),
            requests: Requests::default(),
            outbound: tunnel::status::Outbound::default(),
            dns: tunnel::status::Dns::default(),
            sync: None,
        }
    }
}
