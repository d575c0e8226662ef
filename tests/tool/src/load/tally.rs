//! Counts of a load, and the words for what failed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::{self, Instant};

use super::Problem;

/// Failures that are described one by one; more are only counted.
const MAX_DESCRIBED: usize = 50;

/// What a load has counted so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The last line of a load.
    pub last: bool,
    /// Since the start.
    pub seconds: f64,
    /// Complete, right answers.
    pub ok: u64,
    /// Everything else.
    pub failed: u64,
    /// Right answers by who gave them.
    pub by: BTreeMap<String, u64>,
    /// Right answers by kind of client: `fresh`, `kept`.
    pub kinds: BTreeMap<String, u64>,
    /// The first failures.
    pub failures: Vec<Failure>,
    /// Half of the right answers came within so many milliseconds.
    pub p50_ms: f64,
    /// All but one of a hundred came within so many milliseconds.
    pub p99_ms: f64,
    /// When the load started, in seconds since 1970 by its machine's clock.
    #[serde(default)]
    pub began: f64,
    /// Every request that ended since the line before, by who answered it; by nobody where it failed.
    #[serde(default)]
    pub each: BTreeMap<String, Vec<Asked>>,
}

/// When a request began, in milliseconds since the load's start, and for how many it lasted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked(pub u32, pub u32);

/// One request that was not answered rightly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// Seconds since the load's start, at the request's end.
    pub at: f64,
    /// How long the request took, in milliseconds.
    pub after_ms: f64,
    /// `fresh` or `kept`.
    pub kind: String,
    /// `GET` or `POST`.
    pub method: String,
    /// `connect`, `send`, `wait`, `check`.
    pub step: String,
    /// For people.
    pub why: String,
}

/// Shared by all clients of a load.
#[derive(Debug)]
pub struct Tally {
    started: Instant,
    began: SystemTime,
    stopped: AtomicBool,
    ended: Notify,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    open: u64,
    summary: Summary,
    /// Microseconds of right answers.
    times: Vec<u32>,
}

impl Tally {
    /// Nothing counted yet; the clock starts.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            started: Instant::now(),
            began: SystemTime::now(),
            stopped: AtomicBool::new(false),
            ended: Notify::new(),
            counts: Mutex::default(),
        })
    }

    /// Lets clients send no more.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether clients are to send no more.
    pub fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Counts a request that is sent now. If the result is dropped untold, it counts as failed.
    pub(super) fn sent(&self) -> Sent<'_> {
        self.counts().open += 1;
        Sent { tally: self, told: false }
    }

    /// Sends no more and waits until open requests ended, but not longer than `patience`.
    pub async fn finish(&self, patience: Duration) -> Summary {
        self.stop();
        let none_open = async {
            loop {
                let ended = self.ended.notified();
                if self.counts().open == 0 {
                    return;
                }
                ended.await;
            }
        };
        let _ = time::timeout(patience, none_open).await;
        self.summary(true)
    }

    /// What was counted until now, and each request since this was asked last.
    pub fn summary(&self, last: bool) -> Summary {
        let mut counts = self.counts();
        let each = std::mem::take(&mut counts.summary.each);
        counts.times.sort_unstable();
        let share = |hundredth: usize| {
            let at = counts.times.len().saturating_sub(1) * hundredth / 100;
            counts.times.get(at).map_or(0.0, |micros| f64::from(*micros) / 1e3)
        };
        let mut summary = Summary {
            last,
            seconds: self.elapsed(),
            p50_ms: share(50),
            p99_ms: share(99),
            began: self.began.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
            each,
            ..counts.summary.clone()
        };
        if last {
            summary.failed += counts.open;
        } else {
            summary.failures.clear();
        }
        summary
    }

    fn elapsed(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is under way.
pub(super) struct Sent<'a> {
    tally: &'a Tally,
    told: bool,
}

impl Sent<'_> {
    pub(super) fn ended(
        mut self,
        kind: &'static str,
        method: &'static str,
        took: Duration,
        result: Result<String, Problem>,
    ) {
        self.told = true;
        let at = self.tally.elapsed();
        let asked = Asked(millis(at - took.as_secs_f64()), millis(took.as_secs_f64()));
        let mut counts = self.tally.counts();
        let by = result.as_ref().map_or("", String::as_str);
        counts.summary.each.entry(by.to_owned()).or_default().push(asked);
        match result {
            Ok(by) => {
                counts.summary.ok += 1;
                *counts.summary.by.entry(by).or_default() += 1;
                *counts.summary.kinds.entry(kind.to_owned()).or_default() += 1;
                counts.times.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
            }
            Err(problem) => {
                counts.summary.failed += 1;
                if counts.summary.failures.len() < MAX_DESCRIBED {
                    counts.summary.failures.push(Failure {
                        at,
                        after_ms: took.as_secs_f64() * 1e3,
                        kind: kind.to_owned(),
                        method: method.to_owned(),
                        step: problem.step.to_owned(),
                        why: problem.why,
                    });
                }
            }
        }
    }
}

/// A load lasts minutes; what would be before its start is at its start.
fn millis(seconds: f64) -> u32 {
    (seconds * 1e3).round() as u32
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        let mut counts = self.tally.counts();
        counts.open -= 1;
        if !self.told {
            counts.summary.failed += 1;
        }
        drop(counts);
        self.tally.ended.notify_waiters();
    }
}
