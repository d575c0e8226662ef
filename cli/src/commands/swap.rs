//! A session that takes a target's requests, from the first word to the exit code: to a process on the laptop
//! (`intercept`), or to the laptop's code in the cluster (`sync`).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use nix::sys::signal::Signal;
use tokio::sync::{mpsc, watch};
use tunnel::message::Unavailable;
use tunnel::status::Phase;

mod begin;
mod end;
mod gitops;
mod identity;
mod keeper;
mod lock;
mod pod;
mod ports;
mod screen;

use self::begin::{ready, status};
use self::end::{Why, finish, undo};
use self::identity::{id, keys, who};
use self::ports::{describe, ports};
pub(super) use self::screen::Beside;
use self::screen::Screen;
use super::signals::Signals;
use crate::args::{ClusterArgs, Taking};
use crate::bundle::Bundle;
use crate::cluster::objects::Objects;
use crate::cluster::parts::Parts;
use crate::cluster::target::Target;
use crate::cluster::{Cluster, agent_pod, key, preflight};
use crate::error::{Exit, Failure};
use crate::output::Output;
use crate::session::attach::{self, Making, Wanted, attach};
use crate::session::follow::follow;
use crate::session::inspect::Inspector;
use crate::session::leave::leave;
use crate::session::reload::Reload;
use crate::session::seat::alone;
use crate::session::socket::{Asked, Socket};
use crate::session::status::Board;
use crate::session::sync::{Order, Sync};
use crate::session::{Context, keep, over};

/// What the session is just changing in the cluster may take so long to be answered when it is asked to end.
const SETTLE: Duration = Duration::from_secs(5);
/// Terminals that may ask a session to leave at once.
const LEAVERS: usize = 16;

/// What a session is to be.
pub(super) struct Plan {
    /// The workload, or the Service in front of it.
    pub(super) target: String,
    /// Where it is.
    pub(super) cluster: ClusterArgs,
    /// `LAPTOP:SERVICE_PORT`
    pub(super) ports: Vec<String>,
    /// Where the pod's environment is written.
    pub(super) env_out: Option<PathBuf>,
    /// How long to wait for the process to listen.
    pub(super) wait: Duration,
    /// What callers get while it does not.
    pub(super) unavailable: Unavailable,
    /// What is done to others that are at the target.
    pub(super) taking: Taking,
    /// Whether requests are kept for `devbridge requests`.
    pub(super) record: bool,
    /// Opens the dashboard when it takes requests; what the process writes is kept for it then.
    pub(super) dashboard: Option<Beside>,
    /// Whose requests are served, and by what.
    pub(super) work: Work,
}

/// What serves the requests.
pub(super) enum Work {
    /// A process on the laptop: this one in a sandbox, or whatever listens.
    Laptop {
        /// The process; empty: somebody else starts it.
        command: Vec<OsString>,
        /// Starts it anew when its files change.
        reload: Option<Reload>,
    },
    /// A process in the target's own container.
    Pod(Box<Order>),
}

/// Runs a session to its end; returns the exit status. One that was ended because the laptop slept begins again, with a
/// `plan` of its own.
///
/// # Errors
/// What stopped it; everything that could be undone has been.
pub(super) async fn run(plan: impl Fn() -> Result<Plan, Failure>, output: &Output) -> Result<u8, Failure> {
    let mut signals = Signals::new().map_err(|error| {
        Failure::new("DB-SYSTEM-001", Exit::Failure, "cannot listen for signals").why(error)
    })?;
    let second = signals.second();
    let sessions = async {
        loop {
            match session(plan()?, output, &mut signals).await? {
                Ended::With(status) => return Ok(status),
                Ended::Asleep(failure) => output.say(&format!(
                    "{}: {}; attaching again",
                    failure.what,
                    failure.why.unwrap_or_default()
                )),
            }
        }
    };
    tokio::select! {
        ended = sessions => ended,
        () = second => Err(Failure::new("DB-STOP-002", Exit::Interrupted, "stopped at once")
            .why("a second Ctrl-C does not wait for the undo; the originals keep serving, but the swap may still be there")
            .fix("devbridge leave")
            .fix("devbridge gc")),
    }
}

/// How a session ended, if not by a failure.
enum Ended {
    /// With this exit status.
    With(u8),
    /// The keeper ended it, because this laptop slept; nobody wanted that.
    Asleep(Failure),
}

async fn session(args: Plan, output: &Output, signals: &mut Signals) -> Result<Ended, Failure> {
    let cluster = Cluster::connect(&args.cluster).await?;
    cluster.announce(output);
    let bundle = Bundle::find()
        .map_err(|error| Failure::new("DB-BUNDLE-001", Exit::Failure, error.to_string()).fix(error.hint()))?;

    let step = output.step("target", &format!("looking for {}", args.target));
    let (protected, target) =
        tokio::join!(cluster.check_protected(args.cluster.yes), Target::find(&cluster, &args.target));
    protected?;
    let target = target?;
    let ports = ports(&target, &args.ports)?;
    step.done(&format!("{}: {}", target.display(), describe(&ports, matches!(args.work, Work::Pod(_)))));
    for warning in &target.warnings {
        output.warn(warning);
    }
    let sync = match args.work {
        Work::Laptop { .. } => None,
        Work::Pod(ref order) => {
            let code = pod::code(&cluster, &target, order).await?;
            Some((pod::status(&code, order), code))
        }
    };
    let (synced, code) = sync.unzip();
    let paused = gitops::controllers(&cluster, &target, args.taking.pause_gitops, output);

    let step = output.step("preflight", "asking the cluster what it would refuse");
    let (keys, agent_keys) = (keys()?, keys()?);
    let parts = Parts::new(&bundle);
    let nodes = nodes(&cluster, &target).await;
    let pod = agent_pod::build(&target, &parts.bootstrap, &parts.agent, &nodes, code.as_ref());
    let pod = pod.of(agent_keys.public());
    let objects = Objects::new(&target, &pod, agent_keys.seed(), keys.public().as_der());
    stop_before(signals, preflight::check(&cluster, &objects, &parts.objects(None))).await?;
    step.done("nothing would be refused");
    if !pod.dropped.is_empty() {
        output.say(&format!("not in the agent's pod: {}", pod.dropped.join("; ")));
    }

    let id = id()?;
    let step = output.step("record", "taking the lock");
    // Not raced with signals: a request that is dropped may still arrive.
    let claim = lock::Claim { session: &id, who: &who(), takeover: args.taking.takeover };
    let record = lock::take(&cluster, &target, &claim, output).await?;
    step.done(&format!("{} is yours", target.display()));

    let mut first = status(&cluster, &target, &id, &ports, args.unavailable);
    first.sync = synced;
    output.journal().begin();
    let board = Board::new(first, output.clone());
    let context = Context {
        cluster: cluster.clone(),
        names: Arc::new(target.names.clone()),
        output: output.clone(),
        board,
        inspector: Inspector::new(args.record && matches!(args.work, Work::Laptop { .. })),
    };
    let making = Making { record, objects, parts, pod, keys, agent_key: agent_keys.public(), paused };
    let (command, reload, order) = match args.work {
        Work::Laptop { command, reload } => (command, reload.map(Arc::new), None),
        Work::Pod(order) => (Vec::new(), None, Some(order)),
    };
    let sync = order.zip(code).map(|(order, code)| Arc::new(Sync::new(*order, code, context.clone())));
    let wanted = Wanted {
        command,
        reload,
        capture: args.dashboard.is_some(),
        sync,
        ports: Arc::new(ports.iter().map(|port| (port.container, port.laptop)).collect()),
        wait: args.wait,
        env_out: args.env_out,
        session: id,
        target: target.names.target.clone(),
        services: target.services.iter().map(|service| service.name.clone()).collect(),
    };
    let keeper = keeper::Beside::start(&context, &target, &bundle, &making.parts, &wanted.session);
    let ended = with_record(&context, &target, making, wanted, signals, args.dashboard).await;
    let kept = keeper.watches();
    keeper.end().await;
    match ended {
        // Without a keeper it was a person who deleted the record.
        Err(failure) if kept && failure.code == over::SLEPT => Ok(Ended::Asleep(failure)),
        ended => ended.map(Ended::With),
    }
}

/// From here on there is something to undo.
async fn with_record(
    context: &Context,
    target: &Target,
    making: Making,
    wanted: Wanted,
    signals: &mut Signals,
    dashboard: Option<Beside>,
) -> Result<u8, Failure> {
    let output = &context.output;
    let (leave_tx, mut leave_rx) = mpsc::channel(LEAVERS);
    let socket = Socket::bind(&wanted.session).map_err(|error| {
        Failure::new("DB-STATUS-001", Exit::Failure, "cannot make the control socket").why(error)
    });
    let session = context.board.read().id;
    let serve = match socket {
        Ok(socket) => socket.run(Asked {
            board: context.board.clone(),
            journal: output.journal().clone(),
            leave: leave_tx,
            sync: wanted.sync.clone(),
            inspector: context.inspector.clone(),
        }),
        Err(failure) => {
            undo(context, &making.record).await?;
            return Err(failure);
        }
    };
    let keeping = keep::run(context, &making.record);
    tokio::pin!(serve, keeping);

    let attaching = attach(context, &making, &wanted);
    let attached = tokio::select! {
        attached = attaching => attached.map_err(Some),
        signal = signals.first() => { output.clear(); output.say(&format!("{signal}: undoing what was made")); Err(None) }
        lost = &mut keeping => Err(Some(over::lost(context, &session, lost).await.into())),
        Some(asked) = leave_rx.recv() => { drop(asked); Err(None) }
        () = &mut serve => Err(None),
    };
    let mut attached = match attached {
        Ok(attached) => attached,
        Err(ended) => {
            undo(context, &making.record).await?;
            return match ended {
                Some(attach::Ended::Failed(failure)) => Err(failure),
                Some(attach::Ended::Process(exit)) => {
                    output.say(&format!(
                        "the process ended with {} before it listened; nothing was swapped",
                        exit.code()
                    ));
                    Ok(exit.code())
                }
                None => Ok(signals.status()),
            };
        }
    };

    let step = output.step("swap", "leading the Service to the agent");
    for service in &target.services {
        // Not raced with signals: a patch that is dropped may still arrive, after the undo.
        let pause = making.paused.contains(&service.name);
        let key = key::Key { agent: &context.names.agent, pause };
        let set = key::set(&context.cluster, &service.name, &service.selector, key).await;
        if let Err(error) = set {
            let _ = leave(context, &making.record, attached, None).await;
            return Err(swap_failure(&service.name, error));
        }
    }
    let services: Vec<_> = target.services.iter().map(|service| service.name.clone()).collect();
    alone(context, &services, &attached.started).await;
    step.done(if wanted.sync.is_some() { "requests go to this code now" } else { "requests come here now" });
    context.board.change(|session| session.phase = Phase::Attached);
    ready(context);

    let process = attached.process.take();
    let exit = async {
        match &process {
            // The next save starts it again.
            Some(process) if wanted.reload.is_none() => process.wait().await,
            _ => std::future::pending().await,
        }
    };
    let (stop_tx, stop) = watch::channel(false);
    let following = follow(context, &making, &services, &mut attached, stop);
    let mut screen = Screen::begin(dashboard.as_ref(), &session, output);
    let why = {
        tokio::pin!(following);
        let why = tokio::select! {
            signal = signals.first() => Why::Signal(signal),
            () = screen.interrupted() => Why::Signal(Signal::SIGINT),
            exit = exit => Why::Process(exit),
            Some(asked) = leave_rx.recv() => Why::Asked(asked),
            lost = &mut keeping => Why::Lost(lost),
            over = &mut following => match over {
                Err(failure) => Why::Over(failure),
                Ok(()) => Why::Signal(Signal::SIGTERM),
            },
            () = &mut serve => Why::Signal(Signal::SIGTERM),
        };
        screen.close().await;
        if !matches!(why, Why::Over(_)) {
            // Not dropped: a patch that is under way may still arrive, after the undo.
            stop_tx.send_replace(true);
            let _ = tokio::time::timeout(SETTLE, following).await;
        }
        why
    };
    attached.process = process;
    let finished = finish(context, &making.record, attached, why, &session).await;
    screen.end().await;
    finished
}

/// Runs `work` unless a signal comes first; for work that makes nothing.
async fn stop_before(
    signals: &mut Signals,
    work: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    tokio::select! {
        done = work => done,
        signal = signals.first() => {
            let exit = if signal == Signal::SIGTERM { Exit::Terminated } else { Exit::Interrupted };
            Err(Failure::new("DB-STOP-001", exit, format!("stopped by {signal}")).why("nothing was changed"))
        }
    }
}

fn swap_failure(service: &str, error: crate::cluster::api::ApiError) -> Failure {
    if error.status() == Some(422) {
        return Failure::new(
            "DB-SWAP-001",
            Exit::Failure,
            format!("Service {service} was changed meanwhile"),
        )
        .why("its selector is not what it was when attach began; nothing was changed")
        .fix("start again");
    }
    error.into()
}

/// Nodes of the target's pods: they have the image. Without an answer the scheduler decides alone.
async fn nodes(cluster: &Cluster, target: &Target) -> std::collections::BTreeSet<String> {
    let labels: BTreeMap<_, _> = target.deployment.spec.selector.match_labels.clone().unwrap_or_default();
    let labels: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let pods = cluster.api::<Pod>().list(&ListParams::default().labels(&labels.join(","))).await;
    let pods = pods.map(|pods| pods.items).unwrap_or_default();
    pods.into_iter().filter_map(|pod| pod.spec?.node_name).collect()
}
