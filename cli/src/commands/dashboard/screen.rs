//! The thread that draws. It lives until the screen is closed, gives the terminal back, and only then lets others print.

use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::watch;
use tokio::time;
use tui::feed::Feed;
use tui::{Closed, Options};
use tunnel::tasks::Tasks;

use super::act::Acting;
use super::{feeding, look};
use crate::args::dashboard::Look;
use crate::error::{Exit, Failure};
use crate::output::Output;

/// How long the screen may take to close: it looks ten times a second. One whose user is in an editor takes longer.
const CLOSES: Duration = Duration::from_millis(500);

/// A screen that is open. Closed when dropped.
pub(crate) struct Open {
    feed: Feed,
    closed: watch::Receiver<Option<Closed>>,
    thread: Option<JoinHandle<()>>,
    _tasks: Tasks,
}

impl Open {
    /// Takes the terminal. `first` is the session that is shown first, by its id or its target's name.
    ///
    /// # Errors
    /// The terminal can't be used.
    pub(super) fn begin(
        first: Option<&str>,
        wanted: &Look,
        kubeconfig: Option<PathBuf>,
        output: &Output,
    ) -> Result<Self, Failure> {
        let unusable = |error: std::io::Error| {
            Failure::new("DB-DASHBOARD-002", Exit::Failure, "the dashboard can't use this terminal")
                .why(error)
                .fix("devbridge dashboard --plain")
        };
        let options = Options {
            look: look::look(wanted),
            zone: TimeZone::system(),
            first: first.map(str::to_owned),
            mouse: wanted.mouse,
        };
        let (feed, tasks) = feeding();
        let mut acting = Acting::begin(feed.clone(), kubeconfig, &tasks);
        let (closed_tx, closed) = watch::channel(None);
        let quiet = output.hush();
        let terminal = tui::Terminal::take().map_err(unusable)?;
        let (feeds, says) = (feed.clone(), output.clone());
        let drawing = move || {
            let ended = tui::run(terminal, &feeds, &mut acting, options);
            drop(quiet);
            let closed = ended.unwrap_or_else(|error| {
                says.warn(&format!("the terminal does not do as the dashboard wants: {error}"));
                Closed::Ended
            });
            closed_tx.send_replace(Some(closed));
        };
        let thread = thread::Builder::new().name("dashboard".into()).spawn(drawing).map_err(unusable)?;
        Ok(Self { feed, closed, thread: Some(thread), _tasks: tasks })
    }

    /// Waits until it is closed: then the terminal is given back. Cancel safe.
    pub(crate) async fn closed(&mut self) -> Closed {
        match self.closed.wait_for(Option::is_some).await {
            Ok(closed) => closed.unwrap_or(Closed::Ended),
            Err(_) => Closed::Ended,
        }
    }

    /// Closes it, so that what is said from now on is seen. Somebody who is in an editor just now is not interrupted: what is
    /// said comes when that ends.
    pub(crate) async fn close(&mut self) {
        self.feed.close();
        let _ = time::timeout(CLOSES, self.closed()).await;
    }

    /// Closes it, so that this process may end. Somebody who is in an editor is waited for; with a terminal that goes, both end.
    pub(crate) async fn end(mut self) {
        self.feed.close();
        self.closed().await;
        if let Some(thread) = self.thread.take() {
            // It has nothing left to do.
            let _ = thread.join();
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.feed.close();
    }
}
