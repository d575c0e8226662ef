//! `devbridge leave`: undoes a swap, through its own process where that runs here, else in the cluster.

use k8s_openapi::api::coordination::v1::Lease;

use super::own::{self, Own, Unclear, short};
use crate::args::Leave;
use crate::cluster::api::Doing;
use crate::cluster::names::{Names, TARGET};
use crate::cluster::record::Holder;
use crate::cluster::{Cluster, repair};
use crate::error::{Exit, Failure};
use crate::output::Output;
use crate::session::socket;

/// Leaves the named target, or the one session that runs here.
///
/// # Errors
/// Nothing of that name, several sessions and no name, or the API server refuses.
pub async fn run(args: Leave, output: &Output) -> Result<(), Failure> {
    let sessions = own::all().await?;
    let Some(written) = args.target.as_deref() else {
        let Own { session, socket } = own::the_one(sessions, None).map_err(unclear)?;
        return through(&session.target, &socket, output).await;
    };
    let cluster = Cluster::connect(&args.cluster).await?;
    cluster.announce(output);
    let mine = sessions.iter().find(|Own { session, .. }| {
        short(&session.target) == short(written)
            && session.namespace == cluster.namespace
            && session.context == cluster.context
    });
    if let Some(Own { session, socket }) = mine
        && through(&session.target, socket, output).await.is_ok()
    {
        return Ok(());
    }
    cluster.check_protected(args.cluster.yes).await?;
    in_cluster(&cluster, written, output).await
}

/// Why none is left.
fn unclear(unclear: Unclear) -> Failure {
    match unclear {
        Unclear::Several { there } => {
            Failure::new("DB-LEAVE-002", Exit::Usage, "several sessions run on this laptop")
                .why(format!("they are: {there}"))
                .fix("devbridge leave TARGET")
        }
        Unclear::Nothing | Unclear::Other { .. } => {
            Failure::new("DB-LEAVE-001", Exit::Target, "no session runs on this laptop")
                .fix("name the target, to undo a session of another machine: devbridge leave TARGET")
                .fix("devbridge list")
        }
    }
}

/// The session's own process undoes it: it drains, ends its process and says how it went.
async fn through(target: &str, socket: &std::path::Path, output: &Output) -> Result<(), Failure> {
    let step = output.step("leave", &format!("leaving {target}"));
    match socket::leave(socket).await {
        Ok(Ok(())) => {
            step.done(&format!("left {target}; originals serve"));
            Ok(())
        }
        Ok(Err(left)) => {
            Err(Failure::new("DB-LEAVE-003", Exit::Failure, format!("could not undo all of {target}"))
                .why(left))
        }
        Err(error) => Err(Failure::new(
            "DB-LEAVE-004",
            Exit::Failure,
            format!("the session of {target} does not answer"),
        )
        .why(error)),
    }
}

/// Repairs from outside, for a session of another machine or one that died.
async fn in_cluster(cluster: &Cluster, written: &str, output: &Output) -> Result<(), Failure> {
    let names = Names::new(short(written));
    let lease = cluster
        .api::<Lease>()
        .get_opt(&names.record)
        .await
        .doing(|| format!("read Lease {}", names.record))?;
    let ours = lease
        .filter(|lease| lease.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(TARGET)));
    let holder = ours.as_ref().map(Holder::read);
    let step = output.step("leave", &format!("undoing the session of {written}"));
    let services =
        repair::undo(cluster, &names, ours.as_ref().and_then(|lease| lease.metadata.uid.as_deref())).await?;
    match (holder, services.as_slice()) {
        (None, []) => Err(Failure::new(
            "DB-LEAVE-005",
            Exit::Target,
            format!("no session of `{written}` in namespace {}", cluster.namespace),
        )
        .fix("devbridge list -A")),
        (holder, services) => {
            let whose = holder.map(|holder| format!(" (it was {}'s)", holder.who)).unwrap_or_default();
            let led = if services.is_empty() {
                "no Service led to it".into()
            } else {
                format!("{} leads to the originals", services.join(", "))
            };
            step.done(&format!("left {written}{whose}; {led}"));
            Ok(())
        }
    }
}
