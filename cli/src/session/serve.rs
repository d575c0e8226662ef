//! The developer's process, from the pod's environment to a port that listens, and the paths that it uses.

use std::ffi::OsString;
use std::sync::Arc;

use tokio::time::{self, Instant};
use tunnel::message::Env;
use tunnel::status::{Process as ProcessState, Serving};
use tunnel::tasks::Tasks;

use super::attach::{Ended, Wanted};
use super::current::Current;
use super::inspect::Inspector;
use super::inspect::replay::Ways;
use super::network::Contacts;
use super::reload::Live;
use super::requests::{Requests, Way};
use super::sync::Sync;
use super::{Context, dns, env, expose, outbound, process, said};
use crate::error::{Exit, Failure};
use crate::sandbox::{self, Sandbox};

/// A process that is being served.
pub struct Served {
    /// How the agent's streams reach it.
    pub requests: Requests,
    /// The process, if devbridge runs it.
    pub process: Option<sandbox::Process>,
}

/// From the pod's environment to a process that listens. When it fails or is dropped, the process has ended.
///
/// # Errors
/// See [`Ended`].
pub async fn serve(
    context: &Context,
    wanted: &Wanted,
    pod: &str,
    current: &Current,
    tasks: &Tasks,
) -> Result<Served, Ended> {
    let step = context.output.step("environment", "fetching the pod's environment");
    let pod_env = env::fetch(&current.connection()).await.map_err(|error| {
        Failure::new("DB-ENV-002", Exit::Failure, "cannot fetch the pod's environment").why(error)
    })?;
    let application = env::of_the_application(&pod_env);
    if let Some(path) = &wanted.env_out {
        env::write(path, &application)?;
    }
    step.done(&format!("{} variables", application.len()));

    if let Some(sync) = &wanted.sync {
        return serve_in_the_pod(context, wanted, sync, pod, current, tasks).await;
    }
    let all = env::of_the_process(&application, &context.cluster.namespace, &wanted.target, &wanted.session);
    if let Some(reload) = &wanted.reload {
        reload.saves.begun(&context.output).await;
    }
    let (way, process) = run_process(context, wanted, &pod_env, all, current, tasks).await?;
    context.inspector.reaches(Ways {
        way: way.clone(),
        ports: wanted.ports.clone(),
        current: current.clone(),
        // Not in a circle.
        context: Context { inspector: Inspector::new(false), ..context.clone() },
    });
    tasks.spawn_until_stopped(context.inspector.clone().run());
    let requests = of(context, wanted, way.clone());
    if let (Some(reload), Some(process)) = (&wanted.reload, &process) {
        let live = Live {
            starter: process.starter(),
            way: way.clone(),
            ports: wanted.ports.values().copied().collect(),
            current: current.clone(),
            board: context.board.clone(),
            output: context.output.clone(),
        };
        tasks.spawn_until_stopped(Arc::clone(reload).run(live));
    }
    await_ports(context, wanted, &way, process.as_ref()).await?;
    Ok(Served { requests, process })
}

/// Brings the code into the agent's pod and starts it there; waits until it listens.
async fn serve_in_the_pod(
    context: &Context,
    wanted: &Wanted,
    sync: &Arc<Sync>,
    pod: &str,
    current: &Current,
    tasks: &Tasks,
) -> Result<Served, Ended> {
    sync.begun().await;
    tasks.spawn_until_stopped(Arc::clone(sync).words());
    sync.at(pod);
    let mut joined = sync.join(pod, &current.connection(), tasks, true).await?;
    tasks.spawn_until_stopped(Arc::clone(sync).run());
    let step = context.output.step("listen", "waiting for the code to listen");
    match joined.listens(wanted.wait).await {
        Ok(()) => {
            step.done("the code listens");
            context.board.serving(Serving::Pod);
        }
        Err(why) => {
            step.note(&why);
            step.done("attaching all the same; originals serve until the code listens");
            context.board.serving(Serving::Originals { why });
        }
    }
    Ok(Served { requests: of(context, wanted, Way::Laptop), process: None })
}

/// The requests path by this way.
fn of(context: &Context, wanted: &Wanted, way: Way) -> Requests {
    Requests {
        way,
        ports: wanted.ports.clone(),
        board: context.board.clone(),
        inspector: context.inspector.clone(),
    }
}

/// Starts the process in its sandbox and the paths that it uses; without a command, only says where requests go.
async fn run_process(
    context: &Context,
    wanted: &Wanted,
    pod_env: &Env,
    all: Vec<(OsString, OsString)>,
    current: &Current,
    tasks: &Tasks,
) -> Result<(Way, Option<sandbox::Process>), Failure> {
    if wanted.command.is_empty() {
        return Ok((Way::Laptop, None));
    }
    let step = context.output.step("process", "starting the process");
    let started = process::start(wanted.command.clone(), pod_env, all, wanted.capture).await?;
    let (Sandbox { process, dialer, tcp, dns }, terminal) = started;
    if let Some(terminal) = terminal {
        // Ends with the sandbox, once the last words are read.
        tasks.spawn(said::run(terminal, context.output.clone()));
    }
    let board = &context.board;
    board.process(ProcessState::Running { pid: process.pid() });
    let contacts = Contacts::default();
    tasks.spawn_until_stopped(contacts.clone().publish(context.output.journal().clone()));
    let seen = outbound::Seen { board: board.clone(), inspector: context.inspector.clone(), contacts };
    tasks.spawn_until_stopped(dns::run(dns, current.clone(), board.clone(), seen.contacts.clone()));
    tasks.spawn_until_stopped(outbound::run(tcp, current.clone(), seen));
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
            // One that is started anew may listen yet.
            exit = process.wait(), if wanted.reload.is_none() => {
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
    context.board.serving(match missing.first() {
        None => Serving::Laptop,
        Some(port) => Serving::Originals { why: format!("nothing listens on 127.0.0.1:{port}") },
    });
}
