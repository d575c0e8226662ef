//! The session's state, folded from both ends: one value that is replaced, never a queue that anybody waits for.

use std::sync::Arc;

use tokio::sync::watch;
use tunnel::status::{Link, Phase, Process, Serving, Session};

use crate::output::Output;

/// Written by every path, read by the control socket. Cheap to clone.
#[derive(Clone)]
pub struct Board {
    state: Arc<watch::Sender<Session>>,
    output: Output,
}

impl Board {
    /// Begins with `session`.
    pub fn new(session: Session, output: Output) -> Self {
        Self { state: Arc::new(watch::Sender::new(session)), output }
    }

    /// The newest state.
    pub fn read(&self) -> Session {
        self.state.borrow().clone()
    }

    /// Changes the state; readers see it when they look.
    pub fn change(&self, change: impl FnOnce(&mut Session)) {
        self.state.send_modify(change);
    }

    /// Sets who serves, and says so when it is news and the session is attached.
    pub fn serving(&self, serving: Serving) {
        let mut news = false;
        self.state.send_if_modified(|session| {
            news = session.serving != serving && session.phase == Phase::Attached;
            let changed = session.serving != serving;
            session.serving.clone_from(&serving);
            changed
        });
        if news {
            self.output.state(&line(&serving));
        }
    }

    /// Sets the state of the way to the agent, and says so when it is lost or back.
    pub fn link(&self, link: Link) {
        let before = self.read().link;
        match (&before, &link) {
            (Link::Up { .. }, Link::Lost) => {
                self.output
                    .state("connection to the agent lost; originals serve while devbridge dials again");
            }
            (Link::Lost, Link::Up { .. }) => self.output.state("connected to the agent again"),
            _ => {}
        }
        self.change(|session| session.link = link);
    }

    /// Sets the state of the developer's process.
    pub fn process(&self, process: Process) {
        self.change(|session| session.process = process);
    }
}

/// A state line: why, then who serves.
pub fn line(serving: &Serving) -> String {
    match serving {
        Serving::Laptop => "requests reach this laptop".into(),
        Serving::Originals { why } => format!("{why}; originals serve"),
    }
}
