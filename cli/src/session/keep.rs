//! Keeps the record alive, and notices when somebody else ended the session.

use k8s_openapi::api::coordination::v1::Lease;
use tokio::time;

use super::Context;
use crate::cluster::record::{RENEW, Record, taken_by};
use crate::cluster::watch::{self, Selection};

/// Renews the record until it is gone: deleted by somebody, or another session's now; returns who took the session's
/// place, if the record told. An API server that is away changes nothing; the next renewal tells.
///
/// Cancel safe.
pub async fn run(context: &Context, record: &Record) -> Option<String> {
    let leases = context.cluster.api::<Lease>();
    let gone = async {
        let selection = Selection::name(record.name());
        let mut by = None;
        let look = |set: &[Lease]| match set.iter().find(|lease| record.is(lease)) {
            Some(lease) => {
                by = taken_by(lease);
                None
            }
            None => Some(by.take()),
        };
        match watch::follow(&leases, &selection, look).await {
            Ok(by) => by,
            // Who may not watch leases still learns it from the renewal.
            Err(_) => std::future::pending().await,
        }
    };
    let renew = async {
        loop {
            time::sleep(RENEW).await;
            if let Err(error) = record.renew(&context.cluster).await
                && (error.is_not_found() || error.is_conflict() || error.status() == Some(422))
            {
                return;
            }
        }
    };
    tokio::select! {
        by = gone => by,
        () = renew => None,
    }
}
