//! The pods beside the one that the session itself is at, when the code runs in all of the target's replicas.
//!
//! Each has a connection, a seat and a copy of the code of its own, and serves as soon as it is up to date: side by side, so
//! that many pods take no longer than one. Services, record and undo stay with the session.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use tokio::sync::watch as flag;
use tokio::time;
use tunnel::tasks::Tasks;

use super::Sync;
use crate::cluster::agent_pod::AgentPod;
use crate::cluster::originals::agent_pods;
use crate::cluster::watch;
use crate::error::Failure;
use crate::session::reach::Door;
use crate::session::requests::Requests;
use crate::session::seat::{DRAIN, Seat};
use crate::session::{Context, originals};

/// Pause before a pod is tried again.
const AGAIN: Duration = Duration::from_millis(200);

/// What it takes to be at other pods.
pub struct Others {
    /// Meets their agents.
    pub door: Door,
    /// Tells them from those of other sessions.
    pub pod: AgentPod,
    /// Answers their probes.
    pub requests: Requests,
}

impl Sync {
    /// Keeps all pods in sync but the one that the session is at, and takes requests there, until dropped. Returns at once
    /// where there is one pod alone.
    pub async fn others(self: Arc<Self>, others: Others) {
        if self.code.replicas < 2 {
            return;
        }
        let others = Arc::new(others);
        let mut kept: BTreeMap<String, Tasks> = BTreeMap::new();
        let api = self.context.cluster.api::<Pod>();
        let mut at = self.at.subscribe();
        loop {
            let own = at.borrow_and_update().clone();
            let look = |pods: &[Pod]| {
                let runs = |pod: &&Pod| {
                    let node = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
                    node && pod.metadata.deletion_timestamp.is_none() && others.pod.is(pod)
                };
                let names: Vec<_> = pods.iter().filter(runs).map(ResourceExt::name_any).collect();
                kept.retain(|pod, _| names.contains(pod) && Some(pod) != own.as_ref());
                for pod in names.into_iter().filter(|pod| Some(pod) != own.as_ref()) {
                    kept.entry(pod).or_insert_with_key(|pod| {
                        let tasks = Tasks::default();
                        tasks.spawn_until_stopped(Arc::clone(&self).keep(Arc::clone(&others), pod.clone()));
                        tasks
                    });
                }
                None::<()>
            };
            // Nothing is known of other pods before the session is at one.
            let watched = async {
                match own {
                    Some(_) => drop(watch::follow(&api, &agent_pods(&self.context.names), look).await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = watched => time::sleep(AGAIN).await,
                changed = at.changed() => if changed.is_err() { return },
            }
        }
    }

    /// The session is at this pod from now on; whoever was there beside it leaves.
    pub fn at(&self, pod: &str) {
        self.at.send_replace(Some(pod.to_owned()));
    }

    /// Has the other pods give their requests to the originals, before the session leaves.
    pub async fn leave(&self) {
        self.leaving.send_replace(true);
        let _ = time::timeout(DRAIN, self.seats.finished()).await;
    }

    /// Is at one pod, again and again.
    async fn keep(self: Arc<Self>, others: Arc<Others>, pod: String) {
        let context = Context { board: self.context.board.beside(&pod), ..self.context.clone() };
        let mut leaving = self.leaving.subscribe();
        while !*leaving.borrow_and_update() {
            match self.seat(&context, &others, &pod).await {
                Ok(seat) => {
                    self.context.output.state(&format!("pod {pod} serves, too"));
                    self.stay(seat).await;
                }
                Err(failure) => tracing::debug!(%failure, pod, "not at this pod yet"),
            }
            time::sleep(AGAIN).await;
        }
    }

    async fn seat(self: &Arc<Self>, context: &Context, others: &Others, pod: &str) -> Result<Seat, Failure> {
        let gone = |why: String| {
            Failure::new("DB-TUNNEL-001", crate::error::Exit::Cluster, "cannot connect to the agent").why(why)
        };
        let connection = others.door.dial(context, pod).await?.map_err(|error| gone(error.to_string()))?;
        let mut seat = Seat::at(context, connection).await?;
        let known = originals::now(context).await?;
        seat.originals(context, known).await?;
        self.join(pod, &seat.connection, &seat.tasks, false).await?;
        seat.arm(others.requests.clone(), true).await?;
        Ok(seat)
    }

    /// Until the connection is lost, or the session leaves. Owned by the session, not by who waits here: leaving takes time.
    async fn stay(&self, seat: Seat) {
        let mut leaving = self.leaving.subscribe();
        let (lost_tx, mut lost) = flag::channel(false);
        self.seats.spawn(async move {
            tokio::select! {
                _ = seat.lost() => {}
                _ = leaving.wait_for(|leaving| *leaving) => {}
                // Who kept it is gone.
                () = lost_tx.closed() => {}
            }
            seat.retire().await;
            lost_tx.send_replace(true);
        });
        let _ = lost.wait_for(|lost| *lost).await;
    }
}
