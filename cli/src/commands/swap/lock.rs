//! Taking the lock of a target, from nobody or from somebody.

use crate::cluster::record::{self, Record, RecordError};
use crate::cluster::target::Target;
use crate::cluster::{Cluster, repair};
use crate::error::Failure;
use crate::output::Output;

/// Others may be faster, as often.
const TRIES: usize = 5;

/// Who wants the lock.
pub(super) struct Claim<'a> {
    /// Id of the session that is to have it.
    pub(super) session: &'a str,
    /// `alice@laptop`
    pub(super) who: &'a str,
    /// Whether a session that holds it is ended.
    pub(super) takeover: bool,
}

/// Takes the lock; with `takeover`, from whoever holds it.
///
/// # Flow
/// One `create`. If somebody holds the lock: their record is told who takes their place, their key goes off, their record
/// is deleted, which ends their session; then again.
///
/// # Guarantees
/// Requests go to the originals meanwhile. Only the record that was seen is deleted: of two who take over at
/// the same time, one wins, and the other is told who.
///
/// # Caveats
/// As [`Record::take`].
///
/// # Errors
/// Somebody holds it, or the API server refuses.
pub(super) async fn take(
    cluster: &Cluster,
    target: &Target,
    claim: &Claim<'_>,
    output: &Output,
) -> Result<Record, Failure> {
    let mut taken = None;
    for _ in 0..TRIES {
        let holder = match Record::take(cluster, target, claim.session, claim.who).await {
            Err(RecordError::Held(holder)) if claim.takeover => holder,
            done => return Ok(done?),
        };
        if taken.as_ref().is_some_and(|uid| *uid != holder.uid) {
            // Somebody else took over at the same time.
            return Err(RecordError::Held(holder).into());
        }
        output.note(&format!("{} holds it (session {}): taking over", holder.who, holder.session));
        record::hand_over(cluster, &holder, claim.who).await?;
        repair::undo(cluster, &target.names, Some(&holder.uid)).await?;
        taken = Some(holder.uid);
    }
    Ok(Record::take(cluster, target, claim.session, claim.who).await?)
}
