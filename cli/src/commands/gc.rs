//! `devbridge gc`: removes what sessions that died have left.
//!
//! Whether a record's holder lives is seen, not computed: a record that does not change for its ttl by this
//! laptop's own clock belongs to nobody. The holder's clock is never believed.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt;
use kube::api::ListParams;
use tokio::time::{self, Duration};

use crate::args::Gc;
use crate::cluster::api::{ApiError, Doing};
use crate::cluster::names::SELECT_OURS;
use crate::cluster::record::TTL;
use crate::cluster::{Cluster, repair};
use crate::error::Failure;
use crate::output::Output;

/// Finds and removes leftovers of the namespace.
///
/// # Errors
/// The API server can't be reached or refuses.
pub async fn run(args: Gc, output: &Output) -> Result<(), Failure> {
    let cluster = Cluster::connect(&args.cluster).await?;
    cluster.announce(output);
    if !args.dry_run {
        cluster.check_protected(args.cluster.yes).await?;
    }
    let dead = dead_records(&cluster, output).await?;
    let leftovers = repair::sorted(repair::leftovers(&cluster, &dead).await?);
    if leftovers.is_empty() {
        output.say(&format!("nothing is left behind in namespace {}", cluster.namespace));
        return Ok(());
    }
    for leftover in &leftovers {
        let verb = if args.dry_run { "would " } else { "" };
        output.data(&format!("{verb}{}: {} {}", leftover.action, leftover.kind, leftover.name));
        if !args.dry_run {
            repair::remove(&cluster, leftover).await?;
        }
    }
    Ok(())
}

/// Records that nobody renews.
async fn dead_records(cluster: &Cluster, output: &Output) -> Result<BTreeSet<String>, ApiError> {
    let before = versions(cluster).await?;
    if before.is_empty() {
        return Ok(BTreeSet::new());
    }
    // One second more than the ttl, for a renewal that is on its way.
    let wait = TTL + Duration::from_secs(1);
    let step = output.step(
        "watch",
        &format!("watching {} record(s) for {} s: who renews lives", before.len(), wait.as_secs()),
    );
    time::sleep(wait).await;
    let after = versions(cluster).await?;
    let dead: BTreeSet<_> = before
        .iter()
        .filter(|(name, version)| after.get(*name) == Some(version))
        .map(|(name, _)| name.clone())
        .collect();
    step.done(&format!("{} of {} records belong to nobody", dead.len(), before.len()));
    Ok(dead)
}

async fn versions(cluster: &Cluster) -> Result<BTreeMap<String, String>, ApiError> {
    let list = cluster.api::<Lease>().list(&ListParams::default().labels(SELECT_OURS)).await;
    let list = list.doing(|| "list Leases".into())?;
    Ok(list
        .items
        .iter()
        .map(|lease| (lease.name_any(), lease.resource_version().unwrap_or_default()))
        .collect())
}
