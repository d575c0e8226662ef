//! Which session is meant, and what it tells.

use std::path::PathBuf;

use inspector::Exchange;
use inspector::filter::{Filter, FilterError};
use tunnel::status::Session;

use crate::commands::own::{self, Own, Unclear, the_one};
use crate::error::{Exit, Failure};
use crate::session::inspect::told::{Query, Told};
use crate::session::socket::Requests;

/// A running session of this user.
pub(in crate::commands) struct Of {
    pub(in crate::commands) session: Session,
    pub(in crate::commands) socket: PathBuf,
}

impl Of {
    /// The one that is named, or the only one.
    pub(in crate::commands) async fn find(named: Option<&str>) -> Result<Self, Failure> {
        the_one(own::all().await?, named).map(|Own { session, socket }| Self { session, socket }).map_err(
            |unclear| match unclear {
                Unclear::Several { there } => {
                    let which = if named.is_some() { "its id, of `devbridge status`" } else { "TARGET" };
                    Failure::new("DB-REQUESTS-002", Exit::Usage, "several sessions are meant")
                        .why(format!("they are: {there}"))
                        .fix(format!("--session with {which}"))
                }
                Unclear::Other { named, there } => {
                    let what = format!("no session of `{named}` runs here");
                    Failure::new("DB-REQUESTS-001", Exit::Target, what).why(format!("there are: {there}"))
                }
                Unclear::Nothing => Failure::new(
                    "DB-REQUESTS-001",
                    Exit::Target,
                    "no session runs on this laptop",
                )
                .why("requests are kept by the session that they came through, and no longer than it lives")
                .fix("devbridge intercept TARGET -- CMD"),
            },
        )
    }

    /// The one of this id.
    pub(in crate::commands) async fn id(id: &str) -> Result<Self, Failure> {
        Self::find(Some(id)).await
    }

    /// Asks it for exchanges. The filter was read here before.
    pub(in crate::commands) async fn ask(&self, query: Query) -> Result<Requests, Failure> {
        Requests::ask(&self.socket, query).await.map_err(|error| self.silent(error))
    }

    /// All that match.
    pub(in crate::commands) async fn all(&self, query: Query) -> Result<(Vec<Exchange>, u64), Failure> {
        let mut requests = self.ask(query).await?;
        let mut all = Vec::new();
        loop {
            match requests.next().await.map_err(|error| self.silent(error))? {
                Some(Told::Exchange(exchange)) => all.push(*exchange),
                Some(Told::Now { dropped }) => return Ok((all, dropped)),
                Some(Told::Filter(why)) => return Err(self.silent(why)),
                None => return Err(self.silent("it has ended")),
            }
        }
    }

    /// One of them, with its bodies.
    pub(in crate::commands) async fn one(&self, id: u64, reveal: bool) -> Result<Exchange, Failure> {
        let query = Query { filter: vec![format!("id={id}")], bodies: true, reveal, ..Query::default() };
        let (found, dropped) = self.all(query).await?;
        let failure = || {
            let failure = Failure::new("DB-REQUESTS-003", Exit::Target, format!("there is no request {id}"));
            if id <= dropped {
                failure.why("only the newest are kept").fix("devbridge requests list")
            } else {
                failure.fix("devbridge requests list")
            }
        };
        found.into_iter().next().ok_or_else(failure)
    }

    /// It does not answer as it should.
    pub(in crate::commands) fn silent(&self, why: impl std::fmt::Display) -> Failure {
        let what = format!("the session of {} does not answer", self.session.target);
        Failure::new("DB-REQUESTS-004", Exit::Failure, what).why(why)
    }

    /// Why there may be nothing to see.
    pub(in crate::commands) fn nothing(&self) -> &'static str {
        if self.session.sync.is_some() {
            "its code runs in the cluster, and requests do not come to this laptop; devbridge intercept brings them here"
        } else {
            "nothing that is HTTP has passed yet, or the session was started with --no-record"
        }
    }
}

/// Reads filters before anything is asked.
pub(in crate::commands) fn check(filter: &[String]) -> Result<(), Failure> {
    Filter::parse(filter).map(drop).map_err(|error| unreadable(&error))
}

fn unreadable(error: &FilterError) -> Failure {
    Failure::new("DB-REQUESTS-005", Exit::Usage, "the filter can't be read")
        .why(error)
        .fix("devbridge requests list --help, or docs/requests.md")
}
