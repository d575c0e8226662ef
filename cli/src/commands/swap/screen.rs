//! The dashboard of a session, while there is one.

use std::path::PathBuf;

use tui::Closed;

use crate::commands::dashboard::{self, Open};
use crate::output::Output;

/// What a session's dashboard needs to know.
#[derive(Debug, Clone)]
pub(in crate::commands) struct Beside {
    /// That of the command line, if it names one.
    pub(in crate::commands) kubeconfig: Option<PathBuf>,
}

/// Open, or not any more, or never.
pub(super) struct Screen {
    open: Option<Open>,
    output: Output,
}

impl Screen {
    /// Opens it, if it is wanted. Without it the session goes on as usual.
    pub(super) fn begin(wanted: Option<&Beside>, session: &str, output: &Output) -> Self {
        let open = wanted.map(|beside| dashboard::beside(session, beside.kubeconfig.clone(), output));
        let open = match open.transpose() {
            Ok(open) => open,
            Err(failure) => {
                output.failure(&failure);
                None
            }
        };
        Self { open, output: output.clone() }
    }

    /// Resolves when the user has ended both, the dashboard and its session, with Ctrl-C. Cancel safe.
    pub(super) async fn interrupted(&mut self) {
        let Some(open) = &mut self.open else { return std::future::pending().await };
        match open.closed().await {
            Closed::Interrupted => {}
            Closed::Quit | Closed::Ended => {
                self.open = None;
                self.output.say(
                    "the dashboard is closed, the session goes on; devbridge dashboard opens it again, Ctrl-C leaves",
                );
                std::future::pending().await
            }
        }
    }

    /// Closes it, so that what is said from now on is seen.
    pub(super) async fn close(&mut self) {
        if let Some(open) = &mut self.open {
            open.close().await;
        }
    }

    /// Returns when the terminal has been given back.
    pub(super) async fn end(self) {
        if let Some(open) = self.open {
            open.end().await;
        }
    }
}
