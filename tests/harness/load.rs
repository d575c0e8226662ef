//! Requests from inside the cluster at a steady rate, while a test does something to the service.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use tokio::time::{self, Instant};
use tool::load::{Asked, Summary};

use crate::{Exec, World};

/// How much to ask for.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Requests a second on fresh connections.
    pub fresh: u32,
    /// Requests a second on kept connections, all together.
    pub kept: u32,
    /// How many connections are kept.
    pub connections: u32,
}

impl Load {
    /// 200 requests a second in all, half of them on fresh connections, half on 20 kept ones; GET and POST.
    pub const USUAL: Self = Self { fresh: 100, kept: 100, connections: 20 };
}

/// A load under way.
pub struct RunningLoad {
    exec: Exec,
    newest: Summary,
    each: BTreeMap<String, Vec<Asked>>,
    started: Instant,
    /// How much later than `started` the load's own clock began, in seconds.
    behind: f64,
}

/// What a load has counted, and when each of its requests was.
#[derive(Clone)]
pub struct Counted {
    summary: Summary,
    /// All requests by who answered them; by nobody where they failed.
    pub(crate) each: BTreeMap<String, Vec<Asked>>,
    /// When the load's clock was at zero.
    zero: Instant,
}

impl Counted {
    /// `each` is of all lines.
    pub(crate) fn new(mut summary: Summary, each: BTreeMap<String, Vec<Asked>>, zero: Instant) -> Self {
        summary.each.clear();
        Self { summary, each, zero }
    }

    /// An instant of the test on the load's clock, in seconds.
    pub(crate) fn clock(&self, instant: Instant) -> f64 {
        match instant.checked_duration_since(self.zero) {
            Some(after) => after.as_secs_f64(),
            None => -self.zero.duration_since(instant).as_secs_f64(),
        }
    }
}

impl Deref for Counted {
    type Target = Summary;

    fn deref(&self) -> &Summary {
        &self.summary
    }
}

impl fmt::Debug for Counted {
    /// Without the single requests: there are thousands.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.summary.fmt(f)
    }
}

/// Adds the requests of one line to those of the lines before.
pub(crate) fn gather(all: &mut BTreeMap<String, Vec<Asked>>, line: &Summary) {
    for (by, asked) in &line.each {
        all.entry(by.clone()).or_default().extend(asked);
    }
}

impl World {
    /// Starts to ask `url` from inside the cluster; returns when the first answers are there.
    pub async fn load(&self, url: &str, load: Load) -> RunningLoad {
        let rates = [load.fresh, load.kept, load.connections].map(|number| number.to_string());
        let args = ["load", url, "--fresh", &rates[0], "--kept", &rates[1], "--connections", &rates[2]];
        let started = Instant::now();
        let exec = self.tool(&args).await;
        let (newest, each) = (Summary::default(), BTreeMap::new());
        let mut running = RunningLoad { exec, newest, each, started, behind: f64::MAX };
        running.until("the first answers", Duration::from_secs(20), |summary| summary.ok > 0).await;
        running
    }
}

impl RunningLoad {
    /// Waits for counts; they are told once a second.
    pub async fn until(
        &mut self,
        what: &str,
        within: Duration,
        enough: impl Fn(&Summary) -> bool,
    ) -> &Summary {
        let end = Instant::now() + within;
        loop {
            assert!(Instant::now() < end, "not within {within:?}: {what}; counted: {:?}", self.newest);
            let line = time::timeout_at(end, self.exec.line(within)).await.unwrap_or_default();
            let Some(line) = line else { panic!("the load ended before {what}; counted: {:?}", self.newest) };
            if let Ok(summary) = serde_json::from_value(line) {
                self.newest = summary;
                gather(&mut self.each, &self.newest);
                // A failed test shows the newest line.
                self.newest.each.clear();
                self.behind = self.behind.min(self.started.elapsed().as_secs_f64() - self.newest.seconds);
                if enough(&self.newest) {
                    return &self.newest;
                }
            }
        }
    }

    /// Now, on the load's own clock, by which it tells when something failed.
    pub fn clock(&self) -> f64 {
        self.started.elapsed().as_secs_f64() - self.behind
    }

    /// Waits until `host` has given so many answers more than it has now.
    pub async fn answered_by(&mut self, host: &str, more: u64, within: Duration) {
        self.go_on(0.0).await;
        let had = self.newest.by.get(host).copied().unwrap_or_default();
        let enough = |summary: &Summary| summary.by.get(host).copied().unwrap_or_default() >= had + more;
        self.until(&format!("{more} answers more by {host}"), within, enough).await;
    }

    /// Goes on asking for so long from now, and has counted until then. (Counts that were not read yet are older than now.)
    pub async fn go_on(&mut self, seconds: f64) {
        let until = self.clock() + seconds;
        self.until("time passes", Duration::from_secs_f64(seconds + 20.0), |summary| {
            summary.seconds >= until
        })
        .await;
    }

    /// Sends no more, waits for open answers, and gives all that was counted.
    pub async fn end(mut self) -> Counted {
        self.exec.say("end\n").await;
        self.until("the end", Duration::from_secs(30), |summary| summary.last).await;
        let zero = self.started + Duration::from_secs_f64(self.behind.max(0.0));
        Counted::new(self.newest, self.each, zero)
    }
}
