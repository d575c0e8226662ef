//! Keeps the record alive, and notices when somebody else ended the session.

use k8s_openapi::api::coordination::v1::Lease;
use tokio::time;

use super::Context;
use crate::cluster::record::{RENEW, Record, taken_by};
use crate::cluster::watch::{self, Selection};

/// So many refusals in a row are no mistake of the moment.
const REFUSALS: u32 = 3;

/// Why the record is not this session's any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// It was deleted, or is another session's now; by whom, if they said so.
    Record(Option<String>),
    /// This user may not renew it. Rights in a namespace that is deleted end before the namespace does.
    Rights,
}

/// Renews the record until it is lost. An API server that is away changes nothing; the next renewal tells.
///
/// Cancel safe.
pub async fn run(context: &Context, record: &Record) -> Lost {
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
        let mut refusals = 0;
        loop {
            time::sleep(RENEW).await;
            match record.renew(&context.cluster).await {
                Err(error) if error.is_not_found() || error.is_conflict() || error.status() == Some(422) => {
                    return Lost::Record(None);
                }
                // 401 once the ServiceAccount that this user is has gone with its namespace.
                Err(error) if matches!(error.status(), Some(401 | 403)) => refusals += 1,
                _ => refusals = 0,
            }
            if refusals >= REFUSALS {
                return Lost::Rights;
            }
        }
    };
    tokio::select! {
        by = gone => Lost::Record(by),
        lost = renew => lost,
    }
}
