//! What all paths of one agent process share.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::{Semaphore, watch};
use tunnel::{budget::Budget, message::Counters, tasks::Tasks};

use crate::{laptop::Desk, originals::Originals, process::Process, ready::Ready};

/// Most bytes that wait for readers that do not read. The agent's pod has the target's memory limit, and what it
/// needs besides is less than as much again.
pub(crate) const BUDGET: usize = 48 << 20;

/// One agent process.
pub(crate) struct Agent {
    pub(crate) originals: Originals,
    pub(crate) desk: Desk,
    pub(crate) counts: Counts,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) ready: Ready,
    /// The target's process, if it runs here.
    pub(crate) process: Process,
    pub(crate) nameservers: Vec<SocketAddr>,
    /// Places for connections of laptops' processes.
    pub(crate) outbound: Arc<Semaphore>,
    /// Places for callers that wait for the laptop.
    pub(crate) held: Semaphore,
    /// Memory for what waits for readers that do not read.
    pub(crate) budget: Budget,
    /// Connections to servers that are being ended cleanly, without their caller.
    pub(crate) partings: Tasks,
    /// Tells this process from one that was started anew.
    pub(crate) boot: [u8; 16],
    /// The pod's writable directory, which outlives this process.
    pub(crate) run: PathBuf,
    /// Folder that a laptop may write its code into; none: neither files nor a process are taken.
    pub(crate) code: Option<PathBuf>,
}

/// Whether the agent has been asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It serves.
    Running,
    /// It ends connections politely, and then itself.
    Leaving,
}

impl Agent {
    pub(crate) fn leaving(&self) -> bool {
        *self.phase.borrow() == Phase::Leaving
    }
}

/// Connections counted since the start.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    laptop: AtomicU64,
    originals: AtomicU64,
    failed: AtomicU64,
}

impl Counts {
    pub(crate) fn laptop(&self) {
        self.laptop.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn originals(&self) {
        self.originals.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// All that came, whoever served them.
    pub(crate) fn all(&self) -> u64 {
        [&self.laptop, &self.originals, &self.failed].map(|count| count.load(Ordering::Relaxed)).iter().sum()
    }

    /// For the laptop, with the number of its open flows, and of those that were reset because nobody read.
    pub(crate) fn snapshot(&self, open: u64, stalled: u64) -> Counters {
        Counters {
            laptop: self.laptop.load(Ordering::Relaxed),
            originals: self.originals.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            stalled,
            open,
        }
    }
}
