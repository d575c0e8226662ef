//! One number for the whole protocol.
//!
//! A laptop brings the agent of its own version, so the two ends differ only on an agent that several
//! laptops share. Then the older side says what to do; neither carries the past of the other.

/// Raised by any change of bytes on the wire; documented in `docs/protocol.md`.
pub const PROTOCOL: u16 = 5;

/// The version of this build, for messages to people.
pub const RELEASE: &str = env!("CARGO_PKG_VERSION");
