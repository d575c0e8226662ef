//! Names of gRPC's status codes. Source: <https://grpc.github.io/grpc/core/md_doc_statuscodes.html>.

use super::quantity::count;

/// In the order of their numbers, from 0.
pub(super) const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The number of a name, in any case, or what is a number already. A number may be one that has no name.
pub(super) fn read(text: &str) -> Option<u64> {
    let named = NAMES.iter().position(|name| name.eq_ignore_ascii_case(text));
    named.map(|number| number as u64).or_else(|| count(text).filter(|number| u32::try_from(*number).is_ok()))
}

/// The name of a number that has one.
pub(super) fn name(status: u64) -> Option<&'static str> {
    usize::try_from(status).ok().and_then(|status| NAMES.get(status).copied())
}
