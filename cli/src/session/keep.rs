//! Keeps the record alive, and notices when somebody else ended the session.

use std::cell::Cell;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use tokio::time::{self, Instant};
use tunnel::RESUME;
use tunnel::status::Link;

use super::Context;
use crate::cluster::record::{RENEW, Record, TTL, taken_by};
use crate::cluster::watch::{self, Selection};

/// So many refusals in a row are no mistake of the moment.
const REFUSALS: u32 = 3;

/// Why the record is not this session's any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// It was deleted, or is another session's now; by whom, if they said so.
    Record(Option<String>),
    /// It was deleted after this laptop had not renewed it for so many seconds.
    Slept(i64),
    /// This user may not renew it. Rights in a namespace that is deleted end before the namespace does.
    Rights,
    /// The cluster does not accept this user's credentials any more, nobody logged in again, and there is no way to the
    /// agent, either.
    Login,
}

/// Renews the record until it is lost. An API server that is away changes nothing; the next renewal tells.
///
/// Cancel safe.
pub async fn run(context: &Context, record: &Record) -> Lost {
    let leases = context.cluster.api::<Lease>();
    // By the clock on the wall: the others stand still while a laptop sleeps.
    let renewed_at = Cell::new(Timestamp::now());
    let deleted = || match Timestamp::now().as_second() - renewed_at.get().as_second() {
        seconds if seconds > TTL.as_secs().cast_signed() => Lost::Slept(seconds),
        _ => Lost::Record(None),
    };
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
        let mut login = Login::new(context);
        loop {
            time::sleep(RENEW).await;
            // What is late is no sign of life.
            let Ok(renewed) = time::timeout(RENEW, record.renew(&context.cluster)).await else { continue };
            match renewed {
                Err(error) if error.is_not_found() || error.is_conflict() || error.status() == Some(422) => {
                    return deleted();
                }
                Err(error) if error.is_no_login() => {
                    if login.is_lacking() {
                        return Lost::Login;
                    }
                }
                Err(error) if error.status() == Some(403) => refusals += 1,
                Ok(()) => {
                    renewed_at.set(Timestamp::now());
                    refusals = 0;
                    login.is_there();
                }
                _ => refusals = 0,
            }
            if refusals >= REFUSALS {
                return Lost::Rights;
            }
        }
    };
    tokio::select! {
        by = gone => by.map_or_else(deleted, |by| Lost::Record(Some(by))),
        lost = renew => lost,
    }
}

/// Whether this user is logged in, as the renewals show it.
///
/// Without a login the session lives on: the way to the agent is open, and whoever logs in again finds everything as it was. It
/// ends when that way is lost, too, for as long as a record lives without renewals: then nothing is left to go back to. So
/// does the session of a service account that is deleted with its namespace.
struct Login<'a> {
    context: &'a Context,
    /// None while there is one; else when there was a way to the agent last.
    lacking: Option<Instant>,
}

impl<'a> Login<'a> {
    fn new(context: &'a Context) -> Self {
        Self { context, lacking: None }
    }

    fn is_there(&mut self) {
        if self.lacking.take().is_some() {
            self.context.output.state("logged in again");
        }
    }

    /// Says so the first time; whether it has been so for too long.
    fn is_lacking(&mut self) -> bool {
        let way = self.lacking.get_or_insert_with(|| {
            let why = self.context.cluster.upkeep.trouble();
            let why = why.unwrap_or_else(|| "it does not accept these credentials any more".into());
            self.context.output.state(&format!(
                "the cluster wants a new login: {why}; log in as usual, this session then goes on"
            ));
            Instant::now()
        });
        if matches!(self.context.board.read().link, Link::Up { .. }) {
            *way = Instant::now();
        }
        way.elapsed() > TTL + RESUME
    }
}
