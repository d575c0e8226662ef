//! Attach: from a record that is ours to a session that takes requests.
//!
//! Nothing here changes anything of the user's: until the key is set, which the caller does, requests go to the
//! originals. So every step may fail or be dropped, and undoing is deleting the record.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tunnel::identity::{KeyPair, PublicKey};
use tunnel::tasks::Tasks;

use super::control::ControlError;
use super::current::Replace;
use super::reach::{Door, reach};
use super::reload::Reload;
use super::requests::Requests;
use super::seat::{Seat, report, visible};
use super::serve::{Served, serve};
use super::sync::{Others, Sync};
use super::{Context, originals};
use crate::cluster::agent_pod::AgentPod;
use crate::cluster::objects::Objects;
use crate::cluster::parts::Parts;
use crate::cluster::record::Record;
use crate::cluster::start::Started;
use crate::error::{Exit, Failure};
use crate::sandbox;

/// Agents that may go away one after the other while it attaches.
const MEETINGS: usize = 5;

/// What the user asked for.
pub struct Wanted {
    /// The process, if devbridge runs it.
    pub command: Vec<OsString>,
    /// Container port → laptop port.
    pub ports: Arc<BTreeMap<u16, u16>>,
    /// Starts the process anew when its files change.
    pub reload: Option<Arc<Reload>>,
    /// The process writes on a terminal of its own, and what it writes goes into the journal, too.
    pub capture: bool,
    /// Runs the code in the agent's pod, instead of a process on the laptop.
    pub sync: Option<Arc<Sync>>,
    /// How long to wait for the process to listen.
    pub wait: Duration,
    /// Where the application's environment is written.
    pub env_out: Option<PathBuf>,
    /// Session id, for the process's environment.
    pub session: String,
    /// The target, for the process's environment.
    pub target: String,
    /// Services that will be swapped.
    pub services: Vec<String>,
}

/// What is made in the cluster.
pub struct Making {
    /// The record that owns all of it.
    pub record: Record,
    /// Secret, Services, Deployment.
    pub objects: Objects,
    /// The agent's binary.
    pub parts: Parts,
    /// The agent's pod.
    pub pod: AgentPod,
    /// This laptop's key.
    pub keys: KeyPair,
    /// The agent's.
    pub agent_key: PublicKey,
    /// Services whose GitOps controller is to leave them alone while they are swapped.
    pub paused: BTreeSet<String>,
}

impl Making {
    /// What it takes to meet an agent of it.
    pub fn door(&self) -> Door {
        Door { port: self.pod.ports.control, keys: self.keys.clone(), agent_key: self.agent_key }
    }
}

/// A session that takes requests as soon as the key is set.
pub struct Attached {
    /// At the agent; none while there is no agent.
    pub seat: Option<Seat>,
    /// The agent's pod.
    pub started: Started,
    /// The process in its sandbox.
    pub process: Option<sandbox::Process>,
    /// How the agent's streams reach the process.
    pub requests: Requests,
    /// Brings the code into the next agent's pod.
    pub sync: Option<Arc<Sync>>,
    /// Tells outbound and dns of another agent.
    pub replace: Replace,
    /// Everything that runs for the process.
    pub tasks: Tasks,
}

/// Why attach ended before it was done.
pub enum Ended {
    /// Something failed.
    Failed(Failure),
    /// The process ended while it was waited for.
    Process(sandbox::Exit),
}

impl<E: Into<Failure>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        let exit = match error {
            ControlError::Silent => Exit::Timeout,
            _ => Exit::Failure,
        };
        Self::new("DB-TUNNEL-002", exit, "the agent did not do as it was told").why(error)
    }
}

/// Makes everything, starts everything, and arms the agent.
///
/// # Flow
/// Objects → the agent's pod runs → tunnel → environment → process, its port awaited, originals probed meanwhile →
/// end-to-end probe, armed → ready in the Service's EndpointSlice.
///
/// # Guarantees
/// The user's objects are not changed. When it fails or is dropped, deleting the record removes all that was made,
/// and the process has ended.
///
/// # Errors
/// See [`Ended`].
pub async fn attach(context: &Context, making: &Making, wanted: &Wanted) -> Result<Attached, Ended> {
    let output = &context.output;
    let owner = making.record.owner();
    let step = output.step("objects", "bringing the agent into the cluster");
    making.objects.create(&context.cluster, &owner, &making.parts).await?;
    step.done("agent delivered");

    let step = output.step("agent", "waiting for the agent's pod");
    let mut reached = reach(context, making).await?;
    step.done(&format!("agent runs in pod {}", reached.pod));

    let step = output.step("tunnel", "meeting the agent");
    let mut met = Seat::take(context, &reached).await;
    for _ in 1..MEETINGS {
        let Err(ControlError::Ended) = &met else { break };
        // Nothing depends on this agent yet: the next one will do as well.
        let why = reached.connection.closed().now_or_never();
        let why = why.map_or_else(|| "it said no more".into(), |closed| closed.to_string());
        output.note(&format!("that agent went away ({why}); waiting for the next"));
        reached = reach(context, making).await?;
        met = Seat::take(context, &reached).await;
    }
    let mut seat = met?;
    step.done("connected, end to end encrypted");

    let (replace, current) = Replace::new(seat.connection.clone());
    let tasks = Tasks::default();
    let known = originals::now(context).await?;
    // Dialling originals that a policy shields takes time; the process starts meanwhile.
    let (probed, served) =
        tokio::join!(seat.originals(context, known), serve(context, wanted, &reached.pod, &current, &tasks));
    let Served { requests, process } = served?;
    if let Some(sync) = &wanted.sync {
        let others = Others { door: making.door(), pod: making.pod.clone(), requests: requests.clone() };
        tasks.spawn_until_stopped(Arc::clone(sync).others(others));
    }
    let step = output.step("originals", "trying the way from the agent to the originals");
    let probed = probed?;
    report(output, &probed);
    step.done(&format!(
        "{} of {} originals answer",
        probed.iter().filter(|probed| probed.refusal.is_none()).count(),
        probed.len()
    ));

    let step = output.step("arm", "probing the whole way, then taking requests");
    seat.arm(requests.clone(), wanted.sync.is_some()).await?;
    let started = reached.started().await?;
    visible(context, &wanted.services, &started).await?;
    step.done("agent is ready, and the Service knows it");
    let sync = wanted.sync.clone();
    Ok(Attached { seat: Some(seat), started, process, requests, sync, replace, tasks })
}
