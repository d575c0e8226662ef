//! Values of headers.

use super::{COVER, names, url};
use crate::exchange::Header;

/// Authentication schemes that people know: the word says nothing secret. Any other first word may be a part of the secret.
const SCHEMES: [&str; 22] = [
    "apikey",
    "aws4-ecdsa-p256-sha256",
    "aws4-hmac-sha256",
    "basic",
    "bearer",
    "digest",
    "dpop",
    "gnap",
    "googlelogin",
    "hawk",
    "hoba",
    "jwt",
    "key",
    "mutual",
    "negotiate",
    "ntlm",
    "oauth",
    "privatetoken",
    "scram-sha-256",
    "sharedkey",
    "token",
    "vapid",
];
/// Headers whose values are addresses; proxies add the ones with `x-`.
const ADDRESSES: [&str; 9] = [
    "location",
    "content-location",
    "referer",
    "referrer",
    "x-forwarded-uri",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-url",
    "x-envoy-original-path",
];
/// How kubectl and browsers send a bearer token with a WebSocket.
const KUBERNETES: &str = "base64url.bearer.authorization.k8s.io.";

pub(super) fn cover(header: &mut Header) {
    let name = header.name.to_ascii_lowercase();
    let value = header.value.as_str();
    if value.is_empty() {
        return;
    }
    let covered = match name.as_str() {
        "authorization" | "proxy-authorization" => scheme(value),
        "cookie" => list(value, ';', |cookie, _| pair(cookie)),
        // Only the first is the cookie; the others are its attributes.
        "set-cookie" => list(value, ';', |part, first| if first { pair(part) } else { part.to_owned() }),
        "sec-websocket-protocol" => list(value, ',', |protocol, _| bearer(protocol)),
        "host" => url::authority(value),
        _ if ADDRESSES.contains(&name.as_str()) => url::address(value),
        _ if names::header(&name, value) => COVER.to_owned(),
        _ => return,
    };
    header.value = covered;
}

fn scheme(value: &str) -> String {
    match value.split_once(' ') {
        Some((scheme, _)) if SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()) => {
            format!("{scheme} {COVER}")
        }
        _ => COVER.to_owned(),
    }
}

/// Each part of a list without the white space around it, which stays.
fn list(value: &str, separator: char, cover: impl Fn(&str, bool) -> String) -> String {
    let mut out = String::with_capacity(value.len());
    for (index, part) in value.split(separator).enumerate() {
        if index > 0 {
            out.push(separator);
        }
        let inner = part.trim();
        let lead = part.len() - part.trim_start().len();
        out.push_str(part.get(..lead).unwrap_or_default());
        if !inner.is_empty() {
            out.push_str(&cover(inner, index == 0));
        }
    }
    out
}

/// `name=value`; what has no name is a value.
fn pair(cookie: &str) -> String {
    match cookie.split_once('=') {
        Some((_, "")) => cookie.to_owned(),
        Some((name, _)) => format!("{name}={COVER}"),
        None => COVER.to_owned(),
    }
}

fn bearer(protocol: &str) -> String {
    if protocol.starts_with(KUBERNETES) { format!("{KUBERNETES}{COVER}") } else { protocol.to_owned() }
}
