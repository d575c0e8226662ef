//! What other terminals are told of exchanges: some of them, one, or new ones as they come.

use std::io;
use std::sync::Arc;

use inspector::filter::Filter;
use inspector::{Exchange, mask};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::Inspector;

/// Exchanges that are looked at in one go.
const AT_ONCE: usize = 100;

/// Which exchanges somebody wants to know of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Query {
    /// Expressions of the filter language; any of them.
    pub filter: Vec<String>,
    /// Only so many, the newest.
    pub last: Option<usize>,
    /// And those that come or change from now on.
    pub follow: bool,
    /// With bodies.
    pub bodies: bool,
    /// With secrets.
    pub reveal: bool,
}

/// What somebody is told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Told {
    /// An exchange, or its newer state.
    Exchange(Box<Exchange>),
    /// These were all that there are. Ids up to `dropped` are kept no more.
    Now {
        /// See above.
        dropped: u64,
    },
    /// The filter can't be read.
    Filter(String),
}

/// Tells what `query` asks for. Ends when all is told, or nobody listens.
pub async fn tell(inspector: &Inspector, query: &Query, to: &mpsc::Sender<Told>) -> io::Result<()> {
    let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
    let filter = match Filter::parse(&query.filter) {
        Ok(filter) => filter,
        Err(error) => return to.send(Told::Filter(error.to_string())).await.map_err(gone),
    };
    let mut changes = inspector.changes();
    let (all, mut version, dropped) = {
        let ring = inspector.ring();
        let all: Vec<_> = ring.all().map(Arc::clone).collect();
        (all, ring.version(), ring.changed(ring.version(), 0).dropped)
    };
    let matching: Vec<_> = all.into_iter().filter(|exchange| filter.matches(&**exchange)).collect();
    let first = query.last.map_or(0, |last| matching.len().saturating_sub(last));
    for exchange in matching.into_iter().skip(first) {
        to.send(query.told(&exchange)).await.map_err(gone)?;
    }
    to.send(Told::Now { dropped }).await.map_err(gone)?;
    if !query.follow {
        return Ok(());
    }
    loop {
        let changed = inspector.ring().changed(version, AT_ONCE);
        version = changed.version;
        for exchange in changed.exchanges.iter().filter(|exchange| filter.matches(&***exchange)) {
            to.send(query.told(exchange)).await.map_err(gone)?;
        }
        if changed.exchanges.is_empty() {
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return Ok(()) },
                () = to.closed() => return Ok(()),
            }
        }
    }
}

impl Query {
    fn told(&self, exchange: &Exchange) -> Told {
        let mut exchange = if self.reveal { exchange.clone() } else { mask::cover(exchange) };
        if !self.bodies {
            exchange.request.body.kept.clear();
            if let Some(answer) = &mut exchange.answer {
                answer.body.kept.clear();
            }
        }
        Told::Exchange(Box::new(exchange))
    }
}
