//! The seat at the agent: one connection to one agent process, and everything that lives as long as that.
//!
//! An agent may be replaced under a running session: its process, its container or its pod ends, or its node does. The
//! session then takes a seat at the next one; the process, the record and the Services stay as they are.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use tokio::time::Instant;
use tunnel::message::{Original, Probed, Refusal};
use tunnel::tasks::Tasks;
use tunnel::{Connection, LinkState};

use super::control::{Control, ControlError};
use super::reach::Reached;
use super::requests::Requests;
use super::{Context, originals};
use crate::cluster::api::Doing;
use crate::cluster::start::Started;
use crate::cluster::{originals as slices, watch};
use crate::error::{Exit, Failure};
use crate::output::Output;

/// From ready at the agent to ready in the Service's EndpointSlice: the kubelet probes every second.
const VISIBLE: Duration = Duration::from_secs(30);
/// From the key to EndpointSlices without originals: usually some milliseconds.
const ALONE: Duration = Duration::from_secs(5);
/// Requests under way may take so long; longer ones are cut.
pub const DRAIN: Duration = Duration::from_secs(5);
/// Background work ends at once; this bounds it.
const TASKS: Duration = Duration::from_secs(1);

/// A connection to an agent that knows this laptop.
pub struct Seat {
    /// To the agent.
    pub connection: Connection,
    /// Orders to the agent.
    pub control: Control,
    /// Everything that lives as long as the seat.
    pub tasks: Tasks,
}

impl Seat {
    /// Says hello.
    ///
    /// # Errors
    /// The agent speaks another protocol, or is gone again.
    pub async fn take(context: &Context, reached: &Reached<'_>) -> Result<Self, ControlError> {
        Self::at(context, reached.connection.clone()).await
    }

    /// The same at the other end of a connection.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub async fn at(context: &Context, connection: Connection) -> Result<Self, ControlError> {
        let tasks = Tasks::default();
        let (mut control, conversation) = Control::open(&connection, context.board.clone()).await?;
        tasks.spawn_until_stopped(conversation);
        control.welcome().await?;
        Ok(Self { connection, control, tasks })
    }

    /// Tells the agent where the originals are, and has each of them dialled once.
    ///
    /// # Errors
    /// No answer.
    pub async fn originals(
        &mut self,
        context: &Context,
        known: Vec<Original>,
    ) -> Result<Vec<Probed>, ControlError> {
        let probed = self.control.probe_originals(known).await?;
        self.tasks.spawn_until_stopped(originals::run(context.clone(), self.control.sender()));
        Ok(probed)
    }

    /// Takes the agent's streams from now on, and has it take requests for this laptop, or for the code in its pod.
    ///
    /// # Errors
    /// The probe of the whole way failed, or the agent is gone.
    pub async fn arm(&mut self, requests: Requests, in_the_pod: bool) -> Result<(), ControlError> {
        self.tasks.spawn_until_stopped(requests.run(self.connection.clone()));
        self.control.arm(in_the_pod).await
    }

    /// Whether there is a way to the agent now.
    pub fn is_up(&self) -> bool {
        *self.connection.link().borrow() == LinkState::Up
    }

    /// Resolves when the seat is lost for good: there was no way to the agent for longer than the resume time, or it is
    /// another process now.
    pub async fn lost(&self) -> io::Error {
        io::Error::other(self.connection.closed().await.to_string())
    }

    /// Lets what is open end, as far as the agent is still there, then gives up.
    pub async fn retire(mut self) {
        if self.is_up() {
            self.control.drain(DRAIN).await;
        }
        self.give_up("the agent was replaced").await;
    }

    /// Ends the connection and all that belongs to it.
    pub async fn give_up(self, why: &str) {
        self.connection.close(why);
        self.tasks.stop(TASKS).await;
    }
}

/// A policy between pods of the same name is common: then the agent can't fall back, and that must be known.
pub fn report(output: &Output, probed: &[Probed]) {
    if probed.is_empty() {
        output.note("no original is ready: when this laptop can't answer, nobody does");
    }
    for Probed { original, refusal } in probed {
        let why = match refusal {
            None => continue,
            Some(Refusal::NotListening) => "refuses connections",
            Some(Refusal::Unreachable) => "can't be reached (a NetworkPolicy?)",
            Some(Refusal::TimedOut) => "does not answer (a NetworkPolicy?)",
            Some(Refusal::Unavailable) => "could not be tried",
        };
        output.note(&format!("original {} {why}: fallback can't use it", original.addr));
    }
}

/// Waits until every Service's own EndpointSlice has the agent as ready, so that the key never leaves it without one.
///
/// # Errors
/// It did not become ready in time, or the API server refuses.
pub async fn visible(context: &Context, services: &[String], started: &Started) -> Result<(), Failure> {
    let api = context.cluster.api::<EndpointSlice>();
    for service in services {
        let look = |set: &[EndpointSlice]| slices::has_ready(set, &started.addresses).then_some(());
        let found = watch::until(&api, &slices::slices_of(service), Instant::now() + VISIBLE, look).await;
        if found.doing(|| format!("watch EndpointSlices of {service}"))?.is_none() {
            return Err(Failure::new(
                "DB-AGENT-003",
                Exit::Timeout,
                format!("the agent did not become ready in Service {service}"),
            )
            .why(format!(
                "its pod {} does not pass its readiness probe, or a sidecar of it does not",
                started.pod
            ))
            .fix(format!("kubectl -n {} describe pod {}", context.cluster.namespace, started.pod)));
        }
    }
    Ok(())
}

/// Waits until the Services lead to the agent alone, so that "requests come here" is true when it is said; kube-proxy
/// follows within its own second. Gives up quietly: nothing fails if it takes longer.
pub async fn alone(context: &Context, services: &[String], started: &Started) {
    let api = context.cluster.api::<EndpointSlice>();
    let mut agents = started.addresses.clone();
    // Code may run in several pods.
    let pods = context.cluster.api::<Pod>();
    let params = kube::api::ListParams::default().labels(&slices::agent_pods(&context.names).labels);
    for pod in pods.list(&params).await.map(|pods| pods.items).unwrap_or_default() {
        let ips = pod.status.into_iter().flat_map(|status| status.pod_ips.unwrap_or_default());
        agents.extend(ips.filter_map(|ip| ip.ip.parse::<IpAddr>().ok()));
    }
    let deadline = Instant::now() + ALONE;
    for service in services {
        let look = |set: &[EndpointSlice]| slices::has_only(set, &agents).then_some(());
        if watch::until(&api, &slices::slices_of(service), deadline, look).await.is_err() {
            return;
        }
    }
}
