//! Why a dial failed, in the tunnel's words.

use std::io::{Error, ErrorKind};

use tunnel::message::Refusal;

/// The refusal that makes the laptop's process see what `connect(2)` would have told it in the pod.
pub(crate) fn refusal(error: &Error) -> Refusal {
    match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Refusal::NotListening,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::PermissionDenied => {
            Refusal::Unreachable
        }
        ErrorKind::TimedOut => Refusal::TimedOut,
        // Out of descriptors, ports or memory: this end's trouble.
        _ => Refusal::Unavailable,
    }
}
