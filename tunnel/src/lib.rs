//! What the laptop end and the pod end of devbridge agree on.
//!
//! One QUIC connection per session, whose datagrams travel in the byte stream of a port-forward. Start with
//! [`message`]: it says what each stream of a session is for.

pub mod message;
pub mod status;
pub mod version;
