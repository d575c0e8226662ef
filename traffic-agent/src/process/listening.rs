//! Notices when a process accepts connections on the container's ports.
//!
//! A program that has bound a port listens on it a moment later, which nobody is told of; so it is dialled.

use std::{collections::BTreeSet, time::Duration};

use tokio::{
    sync::watch,
    time::{self, Instant},
};

use super::ports::Ports;

/// How often it is dialled at first, when the moment counts.
const SOON: Duration = Duration::from_millis(2);
/// How long that is.
const FIRST: Duration = Duration::from_secs(1);
/// How often it is dialled later.
const LATER: Duration = Duration::from_millis(50);
/// How long a dial may take: a full backlog answers nothing.
const DIAL: Duration = Duration::from_millis(250);

/// What one process listens on.
pub(super) struct Listening {
    binds: watch::Receiver<u64>,
    /// When something was bound last.
    bound: Instant,
    /// Container ports.
    ports: BTreeSet<u16>,
}

impl Listening {
    pub(super) fn new(ports: &Ports) -> Self {
        Self { binds: ports.binds(), bound: Instant::now(), ports: BTreeSet::new() }
    }

    /// Ports that have accepted a connection.
    pub(super) fn ports(&self) -> &BTreeSet<u16> {
        &self.ports
    }

    /// Waits until one more port accepts. Cancel safe.
    pub(super) async fn next(&mut self, ports: &Ports) {
        loop {
            // A closed one changes no more; its sender is in `ports`.
            if self.binds.has_changed().unwrap_or(false) {
                self.binds.mark_unchanged();
                self.bound = Instant::now();
            }
            let mut waiting = false;
            for port in ports.all_bound() {
                if self.ports.contains(&port) {
                    continue;
                }
                if let Ok(Ok(_)) = time::timeout(DIAL, ports.dial(port)).await {
                    // Without a wait in between, so that nothing is lost by being dropped.
                    self.ports.insert(port);
                    return;
                }
                waiting = true;
            }
            let pause = if self.bound.elapsed() < FIRST { SOON } else { LATER };
            tokio::select! {
                changed = self.binds.changed() => if changed.is_ok() { self.bound = Instant::now() },
                () = time::sleep(pause), if waiting => {}
            }
        }
    }
}
