//! Whether the agent is ready.
//!
//! From the first arming on, the target's Service may lead here, and stays so whatever becomes of the laptop: not
//! ready would cut the Service off. So it is also remembered for an agent that is started anew in the same pod; that
//! one serves the originals until the laptop is back. Only the request to end takes it back.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tokio::sync::watch;
use tracing::{info, warn};

/// Name of the file that says that an agent of this pod was armed.
const MARK: &str = "armed";

/// Readiness, as `/readyz` tells it.
#[derive(Debug)]
pub(crate) struct Ready {
    state: watch::Sender<State>,
    mark: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unarmed,
    Armed,
    Ending,
}

impl Ready {
    /// Readiness as an earlier agent left it in directory `run`.
    pub(crate) fn new(run: &Path) -> Self {
        let mark = run.join(MARK);
        let armed = mark.exists();
        if armed {
            info!("an agent of this pod was armed before: ready");
        }
        Self { state: watch::Sender::new(if armed { State::Armed } else { State::Unarmed }), mark }
    }

    /// The agent was armed. Without effect after [`Self::end`].
    pub(crate) fn arm(&self) {
        let changed = self.state.send_if_modified(|state| {
            let arms = *state == State::Unarmed;
            if arms {
                *state = State::Armed;
            }
            arms
        });
        if changed && let Err(error) = fs::write(&self.mark, []) {
            warn!(%error, "a restarted agent will not know that it was armed");
        }
    }

    /// The agent was asked to end; whether a Service may have led here until now.
    pub(crate) fn end(&self) -> bool {
        self.state.send_replace(State::Ending) == State::Armed
    }

    /// For `/readyz`.
    pub(crate) fn watch(&self) -> Watch {
        Watch(self.state.subscribe())
    }
}

/// Reads the readiness.
#[derive(Debug, Clone)]
pub(crate) struct Watch(watch::Receiver<State>);

impl Watch {
    pub(crate) fn ready(&self) -> bool {
        *self.0.borrow() == State::Armed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restarted_agent_is_as_ready_as_the_one_before() {
        let run = tempfile::tempdir().unwrap();
        let first = Ready::new(run.path());
        assert!(!first.watch().ready());
        first.arm();
        assert!(first.watch().ready());
        assert!(Ready::new(run.path()).watch().ready());
    }

    #[test]
    fn an_ending_agent_is_not_ready_again() {
        let ready = Ready::new(Path::new("/nonexistent"));
        assert!(!Ready::new(Path::new("/nonexistent")).end());
        ready.arm();
        assert!(ready.end());
        ready.arm();
        assert!(!ready.watch().ready());
    }
}
