//! Leave: everything as it was, without a failed request.

use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time;
use tunnel::status::Phase;

use super::Context;
use super::attach::Attached;
use super::seat::DRAIN;
use crate::cluster::key;
use crate::cluster::record::Record;
use crate::error::Failure;
use crate::sandbox;

/// A process that was asked to end has so long.
const GRACE: Duration = Duration::from_secs(5);
/// Background work ends at once; this bounds it.
const TASKS: Duration = Duration::from_secs(1);

/// Undoes the session.
///
/// # Flow
/// 1. The key off: new connections go to the originals.
/// 2. The agent moves what is open to the originals, each connection when its request has been answered, while the
///    laptop still answers.
/// 3. The record deleted: Kubernetes removes the rest, the agent drains by itself.
/// 4. The process ends, by `signal` if it is not `None`.
///
/// # Guarantees
/// Every step is tried even if one before failed, and all are safe to repeat.
///
/// # Errors
/// The first step that failed; what is left is what `devbridge leave` removes.
pub async fn leave(
    context: &Context,
    record: &Record,
    attached: Attached,
    signal: Option<Signal>,
) -> Result<Option<sandbox::Exit>, (Failure, Option<sandbox::Exit>)> {
    let Attached { mut seat, process, sync, tasks, .. } = attached;
    context.board.change(|session| session.phase = Phase::Leaving);
    let step = context.output.step("key", "leading the Service back to the originals");
    let unset = match record.is_anothers(&context.cluster).await {
        // The key is theirs.
        Ok(true) => Ok(Vec::new()),
        _ => key::unset(&context.cluster, &context.names.agent).await,
    };
    if let Ok(services) = &unset {
        step.done(&if services.is_empty() {
            "no Service leads to the agent".into()
        } else {
            format!("{} leads to the originals", services.join(", "))
        });
    }
    if let Some(seat) = seat.as_mut().filter(|seat| seat.is_up()) {
        let step = context.output.step("drain", "letting open requests finish");
        let open = context.board.read().requests.open;
        if let Some(sync) = &sync {
            sync.leave().await;
        }
        if seat.control.drain(DRAIN).await {
            step.done("open connections moved to the originals");
        } else {
            step.done(&format!(
                "not all of {open} connections ended in {} s; the rest is cut",
                DRAIN.as_secs()
            ));
        }
    }
    let step = context.output.step("record", "deleting the record");
    let deleted = record.delete(&context.cluster).await;
    if deleted.is_ok() {
        step.done("nothing of devbridge stays; the agent ends by itself");
    }
    let exit = match process {
        Some(process) => Some(end(process, signal).await),
        None => None,
    };
    if let Some(seat) = seat {
        seat.give_up("the session was left").await;
    }
    tasks.stop(TASKS).await;
    match unset.map(drop).and(deleted) {
        Ok(()) => Ok(exit),
        Err(error) => Err((error.into(), exit)),
    }
}

/// Ends the process: politely first.
async fn end(process: sandbox::Process, signal: Option<Signal>) -> sandbox::Exit {
    if let Some(exit) = process.exit() {
        return exit;
    }
    if let Some(signal) = signal {
        process.pass_on(signal).await;
        if let Ok(exit) = time::timeout(GRACE, process.wait()).await {
            return exit;
        }
    }
    process.end().await
}
