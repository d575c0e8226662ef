//! What goes out: what the user wants done, by whoever can.
//!
//! None of it is needed to look around. Each is answered by a [`crate::feed::Answer`] some time later; the screen waits for
//! none.

use std::path::PathBuf;

use crate::feed::Source;

/// What the user wants done. Sessions are named by their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Tell an exchange with its bodies.
    Open {
        /// Whose.
        session: String,
        /// Which.
        id: u64,
        /// With its secrets.
        reveal: bool,
    },
    /// Send a request again.
    Replay {
        /// Whose.
        session: String,
        /// Which.
        id: u64,
        /// Where it goes.
        to: To,
    },
    /// Have a request changed in the user's editor, and send it. The terminal is the editor's meanwhile.
    Edit {
        /// Whose.
        session: String,
        /// Which.
        id: u64,
    },
    /// Write exchanges to a file, as HAR.
    Export {
        /// Whose.
        session: String,
        /// Which.
        ids: Vec<u64>,
        /// Where.
        path: PathBuf,
    },
    /// Forget all exchanges.
    Clear {
        /// Whose.
        session: String,
    },
    /// Hand a text to the desktop's clipboard, where there is one. The terminal's has it already.
    Copy {
        /// See above.
        text: String,
    },
    /// Tell what they write, from now on, and the last lines before.
    Follow {
        /// Whose.
        session: String,
        /// Of whom.
        source: Source,
    },
    /// Tell what Kubernetes has met with the target, from now on, and before.
    Events {
        /// Whose.
        session: String,
    },
    /// Compare the pods with the laptop.
    Verify {
        /// Whose.
        session: String,
        /// Send again what differs.
        repair: bool,
    },
    /// End a session.
    Leave {
        /// Which.
        session: String,
    },
}

/// Where a replay goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum To {
    /// The developer's process.
    #[default]
    Process,
    /// An original; of an outbound exchange whom the process had asked.
    Cluster,
}
