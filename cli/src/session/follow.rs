//! Follow: a session that is attached stays so while agents, Services and networks come and go, and never stands in
//! the way of the originals meanwhile.
//!
//! | what happens | what follows |
//! |---|---|
//! | the agent's process ends | its bootstrap starts another, which serves the originals; the session takes a seat there |
//! | its container, pod or node ends | the key off at once; the session takes a seat at the next agent; the key on |
//! | no way to the agent for a second | the key off until the way is back |
//! | no way to it for 8 s more, while the API server answers | the pod is deleted and another agent found |
//! | a Service has no ready agent behind it | the key off until it has |
//! | the keeper takes the key off: it lost sight of the laptop or the agent | put on again, each time later |
//! | somebody else takes it off | put on again once; who does it again manages that Service: the session ends |
//! | the target or its Service is deleted, or the Service selects other pods | the session ends |

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::DeleteParams;
use tokio::sync::watch as flag;
use tokio::time::{self, Instant};
use tunnel::{Closed, LinkState};

use super::attach::{Attached, Making};
use super::lead::{self, Astray};
use super::over::over;
use super::reach::reach;
use super::seat::{Seat, report, visible};
use super::{Context, originals};
use crate::cluster::api::Doing;
use crate::cluster::originals::agent_pods;
use crate::cluster::watch;
use crate::error::{Exit, Failure};

/// No way to the agent for so long is not one lost packet.
const AWAY: Duration = Duration::from_secs(1);
/// An agent that can't be reached for so long, while the API server can, is replaced: longer than the longest pause between
/// two dials, and twice as long as most API servers need to find kubelets again after a restart.
const REPLACE: Duration = Duration::from_secs(8);
/// Longest wait for the API server to take the key off; without it, the agent and the keeper do what is needed.
const PATCH: Duration = Duration::from_secs(5);
/// Pause before another try to find an agent.
const AGAIN: Duration = Duration::from_secs(1);
/// Somebody who takes the key off twice in this time does it on purpose.
const TWICE: Duration = Duration::from_secs(60);
/// Longest pause before a key goes on that the keeper took off again and again: it can't see an agent that is there.
const APART: Duration = Duration::from_secs(30);

/// What is wrong.
enum Trouble {
    /// The agent is another process now; its pod serves the originals.
    Process,
    /// The pod of the agent is gone, or about to go.
    Pod,
    /// There is no way to the agent, for now.
    Away,
    /// A Service does not lead here.
    Astray(Astray),
}

/// Keeps the session attached until `stop` is true; then every request that changes something has been answered.
///
/// # Flow
/// See the table above.
///
/// # Guarantees
/// The key is on only while the agent is ready and there was a way to it a second ago.
///
/// # Errors
/// The session can't go on; the caller leaves.
pub async fn follow(
    context: &Context,
    making: &Making,
    services: &[String],
    attached: &mut Attached,
    mut stop: flag::Receiver<bool>,
) -> Result<(), Failure> {
    let mut taken_off: Option<Instant> = None;
    let mut kept_off: Option<(Instant, Duration)> = None;
    loop {
        let trouble = match &attached.seat {
            None => Trouble::Pod,
            Some(seat) => tokio::select! {
                () = asked(&mut stop) => return Ok(()),
                over = over(context, making, services) => return Err(over),
                trouble = trouble(context, services, seat, attached) => trouble?,
            },
        };
        match &trouble {
            Trouble::Process => {}
            Trouble::Pod | Trouble::Away | Trouble::Astray(Astray::Unready) => {
                let off = time::timeout(PATCH, lead::back(context, &making.record)).await;
                if let Err(error) = off.unwrap_or(Ok(())) {
                    tracing::debug!(error = &error as &dyn std::error::Error, "the key stays for now");
                }
            }
            Trouble::Astray(Astray::TakenOff(by)) => {
                let again = taken_off.replace(Instant::now()).is_some_and(|last| last.elapsed() < TWICE);
                if again || by.is_controller() {
                    return Err(lead::put_back(context, by));
                }
            }
            Trouble::Astray(Astray::KeptOff) => {
                let before = kept_off.filter(|(last, pause)| last.elapsed() < *pause + TWICE);
                let pause = before.map_or(Duration::ZERO, |(_, pause)| APART.min(pause * 2 + AGAIN));
                kept_off = Some((Instant::now(), pause));
                tokio::select! {
                    () = asked(&mut stop) => return Ok(()),
                    over = over(context, making, services) => return Err(over),
                    () = time::sleep(pause) => {}
                }
            }
        }
        let replaced = tokio::select! {
            () = asked(&mut stop) => return Ok(()),
            over = over(context, making, services) => return Err(over),
            replaced = mend(context, making, services, attached, &trouble) => replaced,
        };
        loop {
            match lead::here(context, making, services).await {
                Err(failure) if failure.exit == Exit::Cluster => {}
                done => break done?,
            }
            // The API server is away: the Services stay as they are until it is back.
            tokio::select! {
                () = asked(&mut stop) => return Ok(()),
                () = time::sleep(AGAIN) => {}
            }
        }
        if replaced {
            context.output.state(&format!("at an agent again, in pod {}", attached.started.pod));
        }
    }
}

/// Resolves when something is wrong.
async fn trouble(
    context: &Context,
    services: &[String],
    seat: &Seat,
    attached: &Attached,
) -> Result<Trouble, Failure> {
    tokio::select! {
        closed = seat.connection.closed() => Ok(match closed {
            Closed::Forgotten => Trouble::Process,
            _ => Trouble::Pod,
        }),
        () = pod_gone(context, &attached.started.pod) => Ok(Trouble::Pod),
        () = seat.connection.lost_for(AWAY) => Ok(Trouble::Away),
        astray = lead::astray(context, services, &attached.started) => Ok(Trouble::Astray(astray?)),
    }
}

/// Until there is an armed agent that the Services can lead to; whether it is another one.
async fn mend(
    context: &Context,
    making: &Making,
    services: &[String],
    attached: &mut Attached,
    trouble: &Trouble,
) -> bool {
    if let (Trouble::Away | Trouble::Astray(_), Some(seat)) = (trouble, &attached.seat) {
        let mended = async {
            back(seat).await;
            visible(context, services, &attached.started).await
        };
        let lost = async {
            tokio::select! {
                _ = seat.connection.closed() => {}
                () = pod_gone(context, &attached.started.pod) => {}
                () = replaced(context, seat, &attached.started.pod) => {}
            }
        };
        tokio::select! {
            mended = mended => if mended.is_ok() { return false },
            () = lost => {}
        }
    }
    if let Some(seat) = attached.seat.take() {
        // What is open there is answered first, while the next seat is taken.
        attached.tasks.spawn(seat.retire());
    }
    loop {
        match next(context, making, services, attached).await {
            Ok(()) => return true,
            Err(failure) => {
                tracing::debug!(%failure, "no agent yet");
                time::sleep(AGAIN).await;
            }
        }
    }
}

/// Deletes the agent's pod when there was no way to it for a while, so that it is no endpoint of any Service any more and
/// its Deployment makes another one: a node without power tells Kubernetes nothing for most of a minute.
///
/// Only time in which the API server answers counts, since the way to the agent leads through it; when it answers again,
/// the agent is dialled at once.
async fn replaced(context: &Context, seat: &Seat, pod: &str) {
    let pods = context.cluster.api::<Pod>();
    loop {
        seat.connection.lost_for(AWAY).await;
        if !matches!(time::timeout(PATCH, pods.get_opt(pod)).await, Ok(Ok(_))) {
            time::sleep(AGAIN).await;
            continue;
        }
        seat.connection.dial_now();
        tokio::select! {
            () = back(seat) => continue,
            () = time::sleep(REPLACE) => {}
        }
        match time::timeout(PATCH, pods.delete(pod, &DeleteParams::default())).await {
            Ok(Ok(_)) => {
                return context
                    .output
                    .state(&format!("pod {pod} can't be reached; it was deleted to have another agent"));
            }
            other => tracing::debug!(?other, pod, "the agent's pod stays"),
        }
    }
}

/// Takes a seat at the next agent.
async fn next(
    context: &Context,
    making: &Making,
    services: &[String],
    attached: &mut Attached,
) -> Result<(), Failure> {
    let deployments = context.cluster.api::<Deployment>();
    let name = &context.names.agent;
    if deployments.get_opt(name).await.doing(|| format!("read Deployment {name}"))?.is_none() {
        making.objects.create(&context.cluster, &making.record.owner(), &making.parts).await?;
    }
    let known = originals::now(context).await?;
    let reached = reach(context, making).await?;
    if let Some(sync) = &attached.sync {
        sync.at(&reached.pod);
    }
    let mut seat = Seat::take(context, &reached).await?;
    let probed = seat.originals(context, known).await?;
    report(&context.output, &probed);
    if let Some(sync) = &attached.sync {
        // It serves nobody before it has what the laptop has.
        sync.join(&reached.pod, &seat.connection, &seat.tasks, false).await?;
    }
    seat.arm(attached.requests.clone(), attached.sync.is_some()).await?;
    attached.replace.with(seat.connection.clone());
    attached.seat = Some(seat);
    attached.started = reached.started().await?;
    visible(context, services, &attached.started).await
}

async fn asked(stop: &mut flag::Receiver<bool>) {
    // Whoever could ask is gone: then nobody does.
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending().await
    }
}

/// Resolves when there is a way to the agent again.
async fn back(seat: &Seat) {
    if seat.connection.link().wait_for(|state| *state == LinkState::Up).await.is_err() {
        std::future::pending().await
    }
}

/// Resolves when the pod is gone, ends, or has ended. Not when that can't be known.
async fn pod_gone(context: &Context, name: &str) {
    let look = |pods: &[Pod]| {
        let there = pods.iter().find(|pod| pod.name_any() == name);
        let lives = there.is_some_and(|pod| {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            pod.metadata.deletion_timestamp.is_none() && !matches!(phase, Some("Failed" | "Succeeded"))
        });
        (!lives).then_some(())
    };
    let pods = context.cluster.api::<Pod>();
    if watch::follow(&pods, &agent_pods(&context.names), look).await.is_err() {
        std::future::pending().await
    }
}
