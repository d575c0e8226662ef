//! Headers that are not the same in two messages.

use std::collections::BTreeMap;

use crate::exchange::Header;

/// Headers that differ from one exchange to the next, whatever the service does: clocks, numbers of requests and traces, hops.
/// `ETag` is none of them: it is about the contents. In small letters; `x-b3-`, `x-datadog-` and `x-ratelimit-` are prefixes.
pub const VOLATILE: [&str; 26] = [
    "age",
    "b3",
    "connection",
    "correlation-id",
    "date",
    "keep-alive",
    "request-id",
    "sentry-trace",
    "server-timing",
    "traceparent",
    "tracestate",
    "uber-trace-id",
    "x-amz-request-id",
    "x-amzn-requestid",
    "x-amzn-trace-id",
    "x-b3-",
    "x-cloud-trace-context",
    "x-correlation-id",
    "x-datadog-",
    "x-envoy-upstream-service-time",
    "x-ratelimit-",
    "x-request-id",
    "x-request-start",
    "x-response-time",
    "x-runtime",
    "x-trace-id",
];

/// A header that is not the same in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    /// In small letters.
    pub name: String,
    /// Its values in the first, in their order.
    pub a: Vec<String>,
    /// In the second.
    pub b: Vec<String>,
    /// It always differs, and does not count.
    pub volatile: bool,
}

/// By their names.
pub(super) fn compare(a: &[Header], b: &[Header]) -> Vec<Differing> {
    let mut all: BTreeMap<String, (Vec<&str>, Vec<&str>)> = BTreeMap::new();
    for Header { name, value } in a {
        all.entry(name.to_ascii_lowercase()).or_default().0.push(value);
    }
    for Header { name, value } in b {
        all.entry(name.to_ascii_lowercase()).or_default().1.push(value);
    }
    let differing = all.into_iter().filter(|(_, (a, b))| a != b);
    let owned = |values: Vec<&str>| values.into_iter().map(str::to_owned).collect();
    differing
        .map(|(name, (a, b))| Differing { volatile: is_volatile(&name), a: owned(a), b: owned(b), name })
        .collect()
}

fn is_volatile(name: &str) -> bool {
    VOLATILE
        .iter()
        .any(|volatile| name == *volatile || (volatile.ends_with('-') && name.starts_with(volatile)))
}
