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

/// The address up to the path of where it went, as far as the laptop can reach that: `http://127.0.0.1:3000`. A host that can't be
/// part of an address is left out; commands say it apart from that.
pub fn base(exchange: &Exchange) -> String {
    let host = Some(&exchange.host).filter(|host| is_authority(host));
    match (exchange.direction, exchange.to, host) {
        (Direction::Outbound, _, Some(host)) | (_, None, Some(host)) => format!("http://{host}"),
        (_, Some(to), _) => format!("http://{to}"),
        (_, None, None) => "http://localhost".into(),
    }
}

/// Whether it can stand between `http://` and the path (RFC 3986 §3.2), as shells and terminals are given it.
fn is_authority(host: &str) -> bool {
    let ends = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '/' | '?' | '#' | '\\');
    !host.is_empty() && !host.contains(ends)
}
