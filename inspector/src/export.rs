//! Exchanges for other programs: curl, HTTPie, raw, HAR.
//!
//! What an exchange holds came from a network, and what is written here is run by shells and read by other programs. So every
//! word of a command line is quoted, what can't be said is left out with a comment that says so, and the comments themselves
//! are made of plain words: a shell that does not know comments, as zsh at its prompt, finds nothing in them to run.
//!
//! Secrets are not covered here: [`crate::mask::cover`] comes first, and the commands say that something is missing.

mod command;
mod curl;
mod har;
mod httpie;
mod raw;
mod shell;
#[cfg(test)]
mod tests;

pub use self::curl::curl;
pub use self::har::har;
pub use self::httpie::httpie;
pub use self::raw::{Side, raw};
