//! What goes wrong: with one file, or with the stream.

use std::io;

use rustix::io::Errno;

/// Why the stream is not served any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Ended {
    /// The laptop sent what no laptop sends.
    #[error("the laptop broke the protocol: {0}")]
    Violation(&'static str),
    /// The folder can't be written; the laptop was told.
    #[error("the folder can't be written")]
    Unwritable,
    /// Nobody waits for answers.
    #[error("the stream is over")]
    Gone,
}

/// One thing that could not be done; the laptop is told, and the rest goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    /// What failed.
    pub(super) doing: &'static str,
    /// Number of the error; 0: the contents are not what they should be.
    pub(super) errno: i32,
}

impl Fault {
    pub(super) fn new(doing: &'static str, errno: Errno) -> Self {
        Self { doing, errno: errno.raw_os_error() }
    }

    /// The contents are not what they should be.
    pub(super) const fn contents(doing: &'static str) -> Self {
        Self { doing, errno: 0 }
    }

    /// What was looked for is not there: neither it, nor the folder that it would be in.
    pub(super) fn absent(&self) -> bool {
        [Errno::NOENT, Errno::NOTDIR, Errno::LOOP].iter().any(|errno| errno.raw_os_error() == self.errno)
    }
}

/// Says what was being done when the system refused.
pub(super) trait Doing<T> {
    fn doing(self, what: &'static str) -> Result<T, Fault>;
}

impl<T> Doing<T> for Result<T, Errno> {
    fn doing(self, what: &'static str) -> Result<T, Fault> {
        self.map_err(|errno| Fault::new(what, errno))
    }
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: &'static str) -> Result<T, Fault> {
        self.map_err(|error| {
            // An error that is not the system's own says that bytes ended early.
            Fault { doing: what, errno: error.raw_os_error().unwrap_or(Errno::IO.raw_os_error()) }
        })
    }
}
