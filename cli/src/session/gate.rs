//! Requests that come while the process is being started again wait here, and not at the agent: only this end knows the
//! millisecond in which the new one listens.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time;

/// An agent that gets no answer for 2 s takes the laptop for silent, so it is answered before.
const LONGEST: Duration = Duration::from_millis(1500);

/// Ports of the laptop whose process is being started. Cheap to clone; clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate {
    closed: Arc<watch::Sender<BTreeSet<u16>>>,
}

impl Gate {
    /// Open.
    pub fn new() -> Self {
        Self { closed: Arc::new(watch::Sender::new(BTreeSet::new())) }
    }

    /// Requests for these ports wait, until they are opened.
    pub fn close(&self, ports: impl IntoIterator<Item = u16>) {
        self.closed.send_modify(|closed| closed.extend(ports));
    }

    /// The process listens on this port, or will not.
    pub fn open(&self, port: u16) {
        self.closed.send_if_modified(|closed| closed.remove(&port));
    }

    /// All ports.
    pub fn open_all(&self) {
        self.closed.send_modify(BTreeSet::clear);
    }

    /// Waits until the port is open; `false`: that took too long. Cancel safe.
    pub async fn passed(&self, port: u16) -> bool {
        let mut closed = self.closed.subscribe();
        let open = closed.wait_for(|closed| !closed.contains(&port));
        // The sender lives as long as this.
        time::timeout(LONGEST, open).await.is_ok()
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_asks_while_it_is_closed_passes_when_it_is_opened_and_is_told_when_it_is_not() {
        let gate = Gate::new();
        assert!(gate.passed(80).await);
        gate.close([80, 81]);
        let (passed, ()) = tokio::join!(gate.passed(80), async {
            time::sleep(Duration::from_millis(700)).await;
            gate.open(80);
        });
        assert!(passed && !gate.passed(81).await);
        gate.open_all();
        assert!(gate.passed(81).await);
    }
}
