//! `devbridge list`: the sessions recorded in the cluster, whoever holds them.

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;

use super::table::table;
use crate::args::{Format, List};
use crate::cluster::Cluster;
use crate::cluster::api::Doing;
use crate::cluster::names::SELECT_OURS;
use crate::cluster::record::{Holder, ago};
use crate::error::Failure;
use crate::output::Output;

/// Prints the records of the namespace, or of all.
///
/// # Errors
/// The API server can't be reached or refuses.
pub async fn run(args: List, output: &Output) -> Result<(), Failure> {
    let cluster = Cluster::connect(&args.cluster).await?;
    let api = if args.all_namespaces { Api::all(cluster.client.clone()) } else { cluster.api::<Lease>() };
    let list = api.list(&ListParams::default().labels(SELECT_OURS)).await.doing(|| "list Leases".into())?;
    let mut holders: Vec<_> = list.items.iter().map(Holder::read).collect();
    holders.sort_by(|a, b| (&a.namespace, &a.target).cmp(&(&b.namespace, &b.target)));
    match args.output {
        Format::Json => output.data(&json(&cluster.context, &holders)),
        Format::Text if holders.is_empty() => {
            let place = if args.all_namespaces {
                "any namespace".into()
            } else {
                format!("namespace {}", cluster.namespace)
            };
            output.say(&format!("no sessions in {place} of {}", cluster.context));
        }
        Format::Text => {
            let rows: Vec<_> = holders
                .iter()
                .map(|holder| {
                    vec![
                        holder.namespace.clone(),
                        holder.target.clone(),
                        holder.mode.clone(),
                        holder.who.clone(),
                        ago(holder.since),
                        ago(holder.renewed),
                        holder.services.join(","),
                    ]
                })
                .collect();
            output.data(&table(
                &["NAMESPACE", "TARGET", "MODE", "HOLDER", "SINCE", "LAST SIGN", "SERVICES"],
                &rows,
            ));
        }
    }
    Ok(())
}

fn json(context: &str, holders: &[Holder]) -> String {
    let sessions: Vec<_> = holders
        .iter()
        .map(|holder| {
            json!({
                "id": holder.session, "namespace": holder.namespace, "target": holder.target, "mode": holder.mode,
                "holder": holder.who, "services": holder.services, "record": holder.record,
                "since": holder.since.map(|time| time.to_string()),
                "renewed": holder.renewed.map(|time| time.to_string()),
            })
        })
        .collect();
    let list = json!({"apiVersion": tunnel::status::API_VERSION, "kind": "Records", "context": context, "sessions": sessions});
    format!("{list:#}")
}
