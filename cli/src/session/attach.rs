//! Attach: from a record that is ours to a session that takes requests.
//!
//! Nothing here changes anything of the user's: until the key is set, which the caller does, requests go to the
//! originals. So every step may fail or be dropped, and undoing is deleting the record.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::discovery::v1::EndpointSlice;
use tokio::sync::watch;
use tokio::time::{self, Instant};
use tunnel::identity::{KeyPair, PublicKey};
use tunnel::message::{Env, Probed, Refusal};
use tunnel::status::Process as ProcessState;
use tunnel::tasks::Tasks;
use tunnel::{Connection, LinkState};

use super::control::{Control, ControlError};
use super::reach::reach;
use super::requests::{Requests, Way};
use super::{Context, dns, env, expose, originals, outbound, process};
use crate::cluster::agent_pod::AgentPod;
use crate::cluster::api::Doing;
use crate::cluster::objects::Objects;
use crate::cluster::parts::Parts;
use crate::cluster::record::Record;
use crate::cluster::start::{self, Seen, Started};
use crate::cluster::{originals as slices, watch as watching};
use crate::error::{Exit, Failure};
use crate::output::Step;
use crate::sandbox::{self, Sandbox};

/// From ready at the agent to ready in the Service's EndpointSlice: the kubelet probes every second.
const VISIBLE: Duration = Duration::from_secs(30);

/// From the key to EndpointSlices without originals: usually some milliseconds.
const ALONE: Duration = Duration::from_secs(5);

/// What the user asked for.
pub struct Wanted {
    /// The process, if devbridge runs it.
    pub command: Vec<OsString>,
    /// Container port → laptop port.
    pub ports: Arc<BTreeMap<u16, u16>>,
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
}

/// A session that takes requests as soon as the key is set.
pub struct Attached {
    /// To the agent.
    pub connection: Connection,
    /// Orders to the agent.
    pub control: Control,
    /// The process in its sandbox.
    pub process: Option<sandbox::Process>,
    /// Everything that runs for the session.
    pub tasks: Tasks,
    /// The agent's pod.
    pub started: Started,
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
pub async fn attach(context: &Context, making: &Making, wanted: Wanted) -> Result<Attached, Ended> {
    let output = &context.output;
    let owner = making.record.owner();
    let step = output.step("objects", "bringing the agent into the cluster");
    let (known, ()) = tokio::try_join!(
        originals::now(context),
        making.objects.create(&context.cluster, &owner, &making.parts)
    )?;
    step.done("agent delivered");

    let step = output.step("agent", "waiting for the agent's pod");
    let (seen, pod) = watch::channel(Seen::default());
    let starting = start::running(&context.cluster, &context.names, &making.pod.container, output, &seen);
    let connecting = reach(context, making, pod.clone());
    tokio::pin!(starting, connecting);
    let mut started = None;
    let connection = loop {
        tokio::select! {
            connection = &mut connecting => break connection?,
            found = &mut starting, if started.is_none() => started = Some(found?),
        }
    };
    step.done(&format!("agent runs in pod {}", pod.borrow().pod.as_deref().unwrap_or_default()));

    let step = output.step("tunnel", "meeting the agent");
    let tasks = Tasks::default();
    let (mut control, conversation) = Control::open(&connection, context.board.clone()).await?;
    tasks.spawn_until_stopped(conversation);
    control.welcome().await?;
    step.done("connected, end to end encrypted");

    // Dialling originals that a policy shields takes time; the process starts meanwhile.
    let (probed, served) =
        tokio::join!(control.probe_originals(known), serve(context, &wanted, &connection, &tasks));
    let process = served?;
    let step = output.step("originals", "trying the way from the agent to the originals");
    let probed = probed?;
    report_originals(&step, &probed);
    tasks.spawn_until_stopped(originals::run(context.clone(), control.sender()));
    step.done(&format!(
        "{} of {} originals answer",
        probed.iter().filter(|probed| probed.refusal.is_none()).count(),
        probed.len()
    ));

    let step = output.step("arm", "probing the whole way, then taking requests");
    control.arm().await?;
    let started = match started {
        Some(started) => started,
        None => starting.await?,
    };
    visible(context, &wanted.services, &started).await?;
    step.done("agent is ready, and the Service knows it");
    Ok(Attached { connection, control, process, tasks, started })
}

/// From the pod's environment to a process that listens.
async fn serve(
    context: &Context,
    wanted: &Wanted,
    connection: &Connection,
    tasks: &Tasks,
) -> Result<Option<sandbox::Process>, Ended> {
    let step = context.output.step("environment", "fetching the pod's environment");
    let pod_env = env::fetch(connection).await.map_err(|error| {
        Failure::new("DB-ENV-002", Exit::Failure, "cannot fetch the pod's environment").why(error)
    })?;
    let application = env::of_the_application(&pod_env);
    if let Some(path) = &wanted.env_out {
        env::write(path, &application)?;
    }
    step.done(&format!("{} variables", application.len()));

    let all = env::of_the_process(&application, &context.cluster.namespace, &wanted.target, &wanted.session);
    let (way, process) = run_process(context, wanted, &pod_env, all, connection, tasks).await?;
    let requests = Requests { way: way.clone(), ports: wanted.ports.clone(), board: context.board.clone() };
    tasks.spawn_until_stopped(requests.run(connection.clone()));
    await_ports(context, wanted, &way, process.as_ref()).await?;
    Ok(process)
}

/// Starts the process in its sandbox and the paths that it uses; without a command, only says where requests go.
async fn run_process(
    context: &Context,
    wanted: &Wanted,
    pod_env: &Env,
    all: Vec<(OsString, OsString)>,
    connection: &Connection,
    tasks: &Tasks,
) -> Result<(Way, Option<sandbox::Process>), Failure> {
    if wanted.command.is_empty() {
        return Ok((Way::Laptop, None));
    }
    let step = context.output.step("process", "starting the process");
    let started = process::start(wanted.command.clone(), pod_env, all).await?;
    let Sandbox { process, dialer, tcp, dns } = started;
    let board = &context.board;
    board.process(ProcessState::Running { pid: process.pid() });
    tasks.spawn_until_stopped(outbound::run(tcp, connection.clone(), board.clone()));
    tasks.spawn_until_stopped(dns::run(dns, connection.clone(), board.clone()));
    tasks.spawn_until_stopped(expose::run(process.listening(), dialer.clone(), context.output.clone()));
    step.done(&format!("process {} started", process.pid()));
    Ok((Way::Sandbox(dialer), Some(process)))
}

/// Waits until the process listens on every port; without a command, looks once.
async fn await_ports(
    context: &Context,
    wanted: &Wanted,
    way: &Way,
    process: Option<&sandbox::Process>,
) -> Result<(), Ended> {
    let missing = async || {
        let mut missing = Vec::new();
        for port in wanted.ports.values() {
            let listens = way.dial(*port).await.is_ok();
            context.board.change(|session| {
                for known in session.ports.iter_mut().filter(|known| known.laptop == *port) {
                    known.listening = listens;
                }
            });
            if !listens {
                missing.push(*port);
            }
        }
        missing
    };
    let first = missing().await;
    let (Some(process), Some(port)) = (process, first.first()) else {
        serving(context, &first);
        return Ok(());
    };
    let step = context.output.step("listen", &format!("waiting for the process to listen on {port}"));
    let deadline = Instant::now() + wanted.wait;
    let mut listening = process.listening();
    let mut told = Vec::new();
    loop {
        let left = missing().await;
        if left.is_empty() {
            step.done("the process listens");
            serving(context, &left);
            return Ok(());
        }
        let others = listening.borrow_and_update().clone();
        if !others.is_empty() && others != told {
            step.note(&format!(
                "it listens on {others:?}; if that is where requests belong: -p {}:PORT",
                others[0]
            ));
            told = others;
        }
        tokio::select! {
            exit = process.wait() => {
                return Err(Ended::Process(exit));
            }
            changed = time::timeout_at(deadline, listening.changed()) => {
                if changed.is_err() {
                    step.note(&format!("still not after {} s", wanted.wait.as_secs()));
                    step.done("attaching all the same; originals serve until the process listens");
                    serving(context, &left);
                    return Ok(());
                }
            }
        }
    }
}

fn serving(context: &Context, missing: &[u16]) {
    use tunnel::status::Serving;
    context.board.serving(match missing.first() {
        None => Serving::Laptop,
        Some(port) => Serving::Originals { why: format!("nothing listens on 127.0.0.1:{port}") },
    });
}

/// A policy between pods of the same name is common: then the agent can't fall back, and that must be known.
fn report_originals(step: &Step, probed: &[Probed]) {
    if probed.is_empty() {
        step.note("no original is ready: when this laptop can't answer, nobody does");
    }
    for Probed { original, refusal } in probed {
        let why = match refusal {
            None => continue,
            Some(Refusal::NotListening) => "refuses connections",
            Some(Refusal::Unreachable) => "can't be reached (a NetworkPolicy?)",
            Some(Refusal::TimedOut) => "does not answer (a NetworkPolicy?)",
            Some(Refusal::Unavailable) => "could not be tried",
        };
        step.note(&format!("original {} {why}: fallback can't use it", original.addr));
    }
}

/// Waits until every Service's own EndpointSlice has the agent as ready, so that the key never leaves it without one.
async fn visible(context: &Context, services: &[String], started: &Started) -> Result<(), Failure> {
    let api = context.cluster.api::<EndpointSlice>();
    for service in services {
        let look = |set: &[EndpointSlice]| slices::has_ready(set, &started.addresses).then_some(());
        let found = watching::until(&api, &slices::slices_of(service), Instant::now() + VISIBLE, look).await;
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
    let deadline = Instant::now() + ALONE;
    for service in services {
        let look = |set: &[EndpointSlice]| slices::has_only(set, &started.addresses).then_some(());
        if watching::until(&api, &slices::slices_of(service), deadline, look).await.is_err() {
            return;
        }
    }
}

/// Resolves when the session is over for good: the way to the agent was lost for longer than the resume time, or the
/// agent ended it.
pub async fn lost(connection: &Connection) -> io::Error {
    io::Error::other(connection.closed().await.to_string())
}

/// Whether there is a way to the agent now.
pub fn is_up(connection: &Connection) -> bool {
    *connection.link().borrow() == LinkState::Up
}
