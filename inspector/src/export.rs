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

use crate::exchange::{Direction, Exchange};

/// The address up to the path of where it went, as far as the laptop can reach that: `http://127.0.0.1:3000`.
pub fn base(exchange: &Exchange) -> String {
    match (exchange.direction, exchange.to) {
        (Direction::Outbound, _) if !exchange.host.is_empty() => format!("http://{}", exchange.host),
        (_, Some(to)) => format!("http://{to}"),
        (_, None) => format!("http://{}", exchange.host),
    }
}
