//! The one place that hears signals.
//!
//! SIGINT is Ctrl-C, SIGTERM a service manager or IDE, SIGHUP a closed terminal: each means "leave". A second one
//! means "now".

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tunnel::tasks::Tasks;

/// Signals heard since it was made.
pub struct Signals {
    heard: watch::Receiver<u32>,
    which: Arc<Mutex<Option<Signal>>>,
    _tasks: Tasks,
}

impl Signals {
    /// Begins to listen; from now on these signals don't end the process.
    ///
    /// # Errors
    /// The system refuses a handler.
    pub fn new() -> io::Result<Self> {
        let mut int = signal(SignalKind::interrupt())?;
        let mut term = signal(SignalKind::terminate())?;
        let mut hup = signal(SignalKind::hangup())?;
        let (count, heard) = watch::channel(0);
        let which = Arc::new(Mutex::new(None));
        let first = which.clone();
        let tasks = Tasks::default();
        tasks.spawn_until_stopped(async move {
            loop {
                let signal = tokio::select! {
                    Some(()) = int.recv() => Signal::SIGINT,
                    Some(()) = term.recv() => Signal::SIGTERM,
                    Some(()) = hup.recv() => Signal::SIGHUP,
                    else => return,
                };
                first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(signal);
                count.send_modify(|count| *count += 1);
            }
        });
        Ok(Self { heard, which, _tasks: tasks })
    }

    /// The first signal; answers at once when it has come already. Cancel safe.
    pub async fn first(&mut self) -> Signal {
        // Fails only without a sender, which lives as long as `self`.
        let _ = self.heard.wait_for(|count| *count >= 1).await;
        self.which().unwrap_or(Signal::SIGTERM)
    }

    /// Resolves with the second signal.
    pub fn second(&self) -> impl Future<Output = ()> + use<> {
        let mut heard = self.heard.clone();
        async move {
            if heard.wait_for(|count| *count >= 2).await.is_err() {
                std::future::pending().await
            }
        }
    }

    /// The exit status of a command that was stopped by what was heard: 128 + signal; 0 when nothing was.
    pub fn status(&self) -> u8 {
        self.which().map_or(0, |signal| 128 + u8::try_from(signal as i32).unwrap_or(15))
    }

    fn which(&self) -> Option<Signal> {
        *self.which.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
