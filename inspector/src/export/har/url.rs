//! The address of a request: always one that others can read, whatever was asked.

use std::net::Ipv6Addr;

use crate::exchange::Exchange;

/// Scheme, host, path and query; what an address can't have as it is, is there in percents.
pub(super) fn of(exchange: &Exchange) -> String {
    let target = exchange.target.as_str();
    let absolute = ["http", "https"].into_iter().find_map(|scheme| {
        let rest = target.strip_prefix(scheme)?.strip_prefix("://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, path) = rest.split_at_checked(end)?;
        Some((scheme, host.to_owned(), path))
    });
    let (scheme, host, path) = absolute.unwrap_or_else(|| {
        let host = match (exchange.host.as_str(), exchange.to) {
            ("", Some(to)) => to.to_string(),
            ("", None) => format!("localhost:{}", exchange.port),
            (host, _) => host.to_owned(),
        };
        ("http", host, target)
    });
    let slash = if path.starts_with('/') { "" } else { "/" };
    // The part after `#` is no part of a request's address: one that was sent belongs to the path.
    let path = escaped(path, |byte| is_name(byte) || matches!(byte, b':' | b'@' | b'/' | b'?'));
    format!("{scheme}://{}{slash}{path}", authority(&host))
}

fn authority(text: &str) -> String {
    let (user, host) = text.rsplit_once('@').map_or((None, text), |(user, host)| (Some(user), host));
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, format!(":{port}")),
        _ => (host, String::new()),
    };
    let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = match v6 {
        Some(address) if address.parse::<Ipv6Addr>().is_ok() => host.to_owned(),
        _ => escaped(host, is_name),
    };
    let user = user.map(|user| escaped(user, |byte| is_name(byte) || byte == b':') + "@").unwrap_or_default();
    format!("{user}{host}{port}")
}

/// What may stand in a name of RFC 3986: unreserved characters and delimiters within parts.
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte)
}

/// Percents that stand there already stay.
fn escaped(text: &str, allowed: impl Fn(u8) -> bool) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    for (at, byte) in bytes.iter().enumerate() {
        let is_escape =
            || matches!(bytes.get(at + 1..at + 3), Some(hex) if hex.iter().all(u8::is_ascii_hexdigit));
        if allowed(*byte) || (*byte == b'%' && is_escape()) {
            out.push(char::from(*byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
