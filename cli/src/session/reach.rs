//! Reaching the agent: from a pod that has a node to a tunnel.
//!
//! The kubelet looks at its containers once a second, and tells their start that much later. So the agent is dialled
//! from the moment that its pod has a node, again and again until it listens: the tunnel is there some milliseconds
//! after the agent, and most of attach is done before Kubernetes knows that the container runs.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use tokio::sync::watch;
use tokio::time::{self, Instant};
use tunnel::carrier::Dial;
use tunnel::connect::{Connect, ConnectError, connect};
use tunnel::identity::{KeyPair, PublicKey};
use tunnel::{Connection, Token};

use super::Context;
use super::attach::Making;
use crate::cluster::portforward::PodPort;
use crate::cluster::start::{self, Seen, StartError, Started};
use crate::error::{Exit, Failure, chain};

/// How long an agent may take to listen once its container is known to run.
const DIAL: Duration = Duration::from_secs(20);
/// Pause between dials, at first and while the container is known to run.
const REDIAL: Duration = Duration::from_millis(40);
/// Longest pause between dials: an image may have to be pulled.
const PATIENT: Duration = Duration::from_millis(500);
/// An agent that is not listening so long after its container runs deserves an explanation.
const SLOW: Duration = Duration::from_secs(3);

/// An agent at the other end of a tunnel; Kubernetes may not know yet that it runs.
pub struct Reached<'a> {
    /// To the agent.
    pub connection: Connection,
    /// Name of its pod.
    pub pod: String,
    starting: BoxFuture<'a, Result<Started, StartError>>,
}

impl Reached<'_> {
    /// Waits until Kubernetes knows that the agent runs.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn started(self) -> Result<Started, StartError> {
        self.starting.await
    }
}

/// Waits for the agent's pod and connects to it. Cancel safe: nothing is left.
///
/// # Errors
/// The pod does not start, the agent is not the one that was made, or it did not listen in time.
pub async fn reach<'a>(context: &'a Context, making: &'a Making) -> Result<Reached<'a>, Failure> {
    let (seen, pod) = watch::channel(Seen::default());
    let Context { cluster, names, output, .. } = context;
    let mut starting = start::running(cluster, names, &making.pod, output, seen).boxed();
    let connecting = dial_until_it_answers(context, making, pod);
    tokio::pin!(connecting);
    let mut known = false;
    loop {
        tokio::select! {
            connected = &mut connecting => {
                let (connection, pod) = connected?;
                return Ok(Reached { connection, pod, starting });
            }
            found = &mut starting, if !known => {
                starting = ready(Ok(found?)).boxed();
                known = true;
            }
        }
    }
}

/// Dials the pod that `seen` names until the agent answers.
async fn dial_until_it_answers(
    context: &Context,
    making: &Making,
    mut seen: watch::Receiver<Seen>,
) -> Result<(Connection, String), Failure> {
    let mut pause = REDIAL;
    let mut running = None;
    let mut told = false;
    loop {
        let now = seen.borrow_and_update().clone();
        let runs_since = match now.runs {
            true => *running.get_or_insert_with(Instant::now),
            false => Instant::now(),
        };
        let Some(pod) = now.pod else {
            changed(&mut seen).await;
            continue;
        };
        let error = match dial(context, making, &pod).await? {
            Ok(connection) => return Ok((connection, pod)),
            Err(error) => error,
        };
        let may_listen_yet = matches!(&error, ConnectError::Dial(_) | ConnectError::Carrier(_));
        if !may_listen_yet || runs_since.elapsed() > DIAL {
            return Err(Failure::new("DB-TUNNEL-001", Exit::Cluster, "cannot connect to the agent")
                .why(chain(&error))
                .fix("devbridge doctor checks whether port-forward works on this cluster")
                .fix(format!(
                    "kubectl -n {} logs deployment/{}",
                    context.cluster.namespace, context.names.agent
                )));
        }
        if runs_since.elapsed() > SLOW && !told {
            context.output.note(&chain(&error));
            told = true;
        }
        tokio::select! {
            () = time::sleep(pause) => pause = if now.runs { REDIAL } else { PATIENT.min(pause * 5 / 4) },
            () = changed(&mut seen) => pause = REDIAL,
        }
    }
}

async fn dial(
    context: &Context,
    making: &Making,
    pod: &str,
) -> Result<Result<Connection, ConnectError>, Failure> {
    making.door().dial(context, pod).await
}

/// What it takes to meet an agent of a session, whichever pod it is in.
#[derive(Clone)]
pub struct Door {
    /// The agent's control port.
    pub port: u16,
    /// This laptop's.
    pub keys: KeyPair,
    /// The agent's.
    pub agent_key: PublicKey,
}

impl Door {
    /// Dials the agent in a pod once.
    ///
    /// # Errors
    /// No random numbers; the inner one: nobody answers, or not the right agent.
    pub async fn dial(
        &self,
        context: &Context,
        pod: &str,
    ) -> Result<Result<Connection, ConnectError>, Failure> {
        let token = Token::generate().map_err(|error| {
            Failure::new("DB-TUNNEL-003", Exit::Failure, "the system gives no random numbers").why(error)
        })?;
        let dial: Arc<dyn Dial> = Arc::new(PodPort::new(context.cluster.clone(), pod, self.port));
        let (keys, agent) = (self.keys.clone(), self.agent_key);
        Ok(connect(Connect { keys, agent, token, dial, resume: tunnel::RESUME }).await)
    }
}

/// Nothing more is known once the pod is known to run.
async fn changed(seen: &mut watch::Receiver<Seen>) {
    if seen.changed().await.is_err() {
        std::future::pending().await
    }
}
