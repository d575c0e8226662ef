//! `devbridge gc`: removes what sessions that died have left.
//!
//! Whether a record's holder lives is seen, not computed: a record that does not change for its ttl by this
//! laptop's own clock belongs to nobody. The holder's clock is never believed.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::{join_all, try_join_all};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use tokio::time::{self, Duration, Instant};

use crate::args::Gc;
use crate::cluster::api::{ApiError, Doing};
use crate::cluster::names::{SELECT_OURS, TARGET};
use crate::cluster::record::TTL;
use crate::cluster::repair::{Dead, Leftover};
use crate::cluster::{Cluster, repair};
use crate::error::{Exit, Failure};
use crate::output::Output;

/// More than the ttl, for a renewal that is on its way.
const WATCH: Duration = Duration::from_secs(TTL.as_secs() + 1);
/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// A longer silence of the API server: laptops could not renew either, so the time begins again.
const GAP: Duration = Duration::from_secs(4);
/// How often the time may begin again.
const ANEW: usize = 5;
/// Namespaces that are asked at the same time.
const SIDE_BY_SIDE: usize = 8;

/// Records of one namespace: name and version.
type Versions = BTreeMap<String, String>;

/// Finds and removes leftovers of the namespace, or of all.
///
/// # Errors
/// The API server can't be reached or refuses.
pub async fn run(args: Gc, output: &Output) -> Result<(), Failure> {
    let cluster = Cluster::connect(&args.cluster).await?;
    let places = if args.all_namespaces {
        output.say(&format!("context: {}, all namespaces", cluster.context));
        all(&cluster).await?
    } else {
        cluster.announce(output);
        vec![cluster.clone()]
    };
    let mut open = Vec::new();
    for place in places {
        match allowed(&place, &args).await {
            Ok(()) => open.push(place),
            Err(failure) if failure.code == "DB-PROTECTED-002" && args.all_namespaces => {
                output.say(&format!("left alone: {}", failure.what));
            }
            Err(failure) => return Err(failure),
        }
    }
    // Who may not look into a namespace has left nothing there.
    let mut records = Vec::new();
    for some in open.chunks(SIDE_BY_SIDE) {
        for (place, versions) in some.iter().zip(join_all(some.iter().map(versions)).await) {
            match versions {
                Ok(versions) => records.push((place.clone(), versions)),
                Err(error) if error.status() == Some(403) && args.all_namespaces => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    let dead = dead(&records, output).await?;
    let mut found = 0;
    for (place, _) in &records {
        let nothing = BTreeSet::new();
        let leftovers = repair::leftovers(place, dead.get(&place.namespace).unwrap_or(&nothing)).await;
        let leftovers = match leftovers {
            Err(error) if error.status() == Some(403) && args.all_namespaces => continue,
            leftovers => leftovers?,
        };
        found += leftovers.len();
        for leftover in &leftovers {
            one(place, leftover, &args, output).await?;
        }
    }
    if found == 0 {
        let place = if args.all_namespaces {
            "in any namespace".into()
        } else {
            format!("in namespace {}", cluster.namespace)
        };
        output.say(&format!("nothing is left behind {place}"));
    }
    Ok(())
}

async fn one(place: &Cluster, leftover: &Leftover, args: &Gc, output: &Output) -> Result<(), ApiError> {
    let what = format!("{}: {} {}", leftover.action, leftover.kind, leftover.name);
    let namespace =
        if args.all_namespaces { format!(" in namespace {}", place.namespace) } else { String::new() };
    if args.dry_run {
        output.data(&format!("would {what}{namespace}"));
    } else if repair::remove(place, leftover).await? {
        output.data(&format!("{what}{namespace}"));
    } else {
        output.say(&format!(
            "left alone, for it has changed meanwhile: {} {}{namespace}",
            leftover.kind, leftover.name
        ));
    }
    Ok(())
}

async fn allowed(place: &Cluster, args: &Gc) -> Result<(), Failure> {
    if args.dry_run { Ok(()) } else { place.check_protected(args.cluster.yes).await }
}

/// Every namespace that the user may see.
async fn all(cluster: &Cluster) -> Result<Vec<Cluster>, Failure> {
    let list = Api::<Namespace>::all(cluster.client.clone()).list_metadata(&ListParams::default()).await;
    let list = match list.doing(|| "list Namespaces".into()) {
        Err(error) if error.status() == Some(403) => {
            return Err(Failure::new("DB-RIGHTS-003", Exit::Rights, "you may not list namespaces")
                .why("so nobody knows which ones to look into")
                .fix("devbridge gc -n NAMESPACE, for each of yours"));
        }
        list => list?,
    };
    let place = |name: String| Cluster { namespace: name, ..cluster.clone() };
    Ok(list.items.iter().map(|namespace| place(namespace.name_any())).collect())
}

/// Records that nobody renews, by namespace. Ends early when all have been renewed.
async fn dead(
    records: &[(Cluster, Versions)],
    output: &Output,
) -> Result<BTreeMap<String, BTreeSet<Dead>>, ApiError> {
    let count: usize = records.iter().map(|(_, versions)| versions.len()).sum();
    let mut silent: Vec<_> = records.iter().filter(|(_, versions)| !versions.is_empty()).cloned().collect();
    if count == 0 {
        return Ok(BTreeMap::new());
    }
    let step = output.step(
        "watch",
        &format!("watching {count} record(s) for up to {} s: who renews lives", WATCH.as_secs()),
    );
    let (mut since, mut heard, mut anew) = (Instant::now(), Instant::now(), 0);
    while !silent.is_empty() && since.elapsed() < WATCH {
        time::sleep(LOOK).await;
        let asked = Instant::now();
        let now = try_join_all(silent.iter().map(|(place, _)| versions(place))).await?;
        for ((_, before), now) in silent.iter_mut().zip(now) {
            before.retain(|name, version| now.get(name) == Some(version));
        }
        silent.retain(|(_, versions)| !versions.is_empty());
        if asked.duration_since(heard) > GAP && anew < ANEW {
            since = asked;
            anew += 1;
        }
        heard = asked;
    }
    let dead: usize = silent.iter().map(|(_, versions)| versions.len()).sum();
    step.done(&format!("{dead} of {count} records belong to nobody"));
    let named =
        |versions: Versions| versions.into_iter().map(|(name, version)| Dead { name, version }).collect();
    Ok(silent.into_iter().map(|(place, versions)| (place.namespace, named(versions))).collect())
}

async fn versions(cluster: &Cluster) -> Result<Versions, ApiError> {
    let params = ListParams::default().labels(&format!("{SELECT_OURS},{TARGET}"));
    let list = cluster.api::<Lease>().list(&params).await.doing(|| "list Leases".into())?;
    Ok(list
        .items
        .iter()
        .map(|lease| (lease.name_any(), lease.resource_version().unwrap_or_default()))
        .collect())
}
