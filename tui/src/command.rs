//! What keys and the palette can say, apart from which key says it: [`crate::input::keymap`] binds them.

/// One thing to do. Where it makes no sense it does nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    // Everywhere.
    /// Back out of what is open; at the top: close the dashboard.
    Quit,
    /// Close the dashboard at once; the session that it belongs to ends.
    Interrupt,
    /// Stop, as a shell's job.
    Suspend,
    /// Draw all of it anew.
    Redraw,
    /// The keys of this screen.
    Help,
    /// Type a command.
    Palette,
    /// Another screen.
    Go(Screen),
    /// The next screen.
    NextScreen,
    /// The one before.
    PreviousScreen,
    /// The next session.
    NextSession,
    /// The one before.
    PreviousSession,
    /// A session, by its id or its target's name.
    Session(String),
    /// Close what is open, or take the filter away.
    Back,
    /// Stop showing what is new, or go on.
    Freeze,
    /// Take the mouse from the terminal, or give it back.
    Mouse,
    /// End the session.
    Leave,

    // Lists and texts.
    /// A line up.
    Up,
    /// A line down.
    Down,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// Half a page up.
    HalfUp,
    /// Half a page down.
    HalfDown,
    /// To the first.
    First,
    /// To the last.
    Last,
    /// To the left.
    Left,
    /// To the right.
    Right,
    /// Open what is selected.
    Open,
    /// Show the newest as it comes, or stay.
    Follow,
    /// Type a filter.
    Filter,
    /// This filter.
    FilterBy(String),
    /// The next that is worth looking at: a failure, a warning, a match.
    NextMatch,
    /// The one before.
    PreviousMatch,
    /// Long lines go on in the next one, or are cut.
    Wrap,

    // Requests.
    /// Mark, to compare.
    Mark,
    /// Send again, to the process.
    Replay,
    /// Send again, to an original.
    ReplayToCluster,
    /// Change in the editor, and send.
    EditReplay,
    /// Compare the two that are marked, or a replay with what it replays.
    Diff,
    /// What to copy it as.
    Copy,
    /// Copy it as this.
    CopyAs(CopyAs),
    /// Write those in view as HAR; to this file.
    Har(Option<String>),
    /// Forget all.
    Clear,
    /// Show secrets, or cover them.
    Reveal,

    // Sync.
    /// Compare the pods with the laptop.
    Verify,
    /// Compare, and send again what differs.
    Repair,

    // Logs.
    /// Another source.
    Source,
    /// When each line was written, or not.
    Times,
    /// Only what matters more, or all.
    Level,
}

/// The screens, in the order of their keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Screen {
    /// All sessions.
    #[default]
    Sessions,
    /// What passed.
    Requests,
    /// Names and addresses that the process asks for.
    Network,
    /// What was saved and where it is.
    Sync,
    /// What is written.
    Logs,
    /// What happened.
    Events,
}

/// What a request is copied as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyAs {
    /// A command line of curl.
    Curl,
    /// A command line of HTTPie.
    Httpie,
    /// As it was sent.
    Raw,
    /// The body of the answer.
    Body,
    /// Its address.
    Url,
}

impl Screen {
    /// All of them, in order.
    pub const ALL: [Self; 6] =
        [Self::Sessions, Self::Requests, Self::Network, Self::Sync, Self::Logs, Self::Events];

    /// Its name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Requests => "requests",
            Self::Network => "network",
            Self::Sync => "sync",
            Self::Logs => "logs",
            Self::Events => "events",
        }
    }

    /// The one after it, or before; in a circle.
    pub(crate) fn step(self, by: isize) -> Self {
        let at = Self::ALL.iter().position(|screen| *screen == self).unwrap_or(0);
        let count = Self::ALL.len();
        let next = at.wrapping_add_signed(by).wrapping_add(count) % count;
        Self::ALL.get(next).copied().unwrap_or_default()
    }
}
