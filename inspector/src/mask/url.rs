//! Secrets in addresses and in what is written like their queries.

use super::{COVER, names};

/// A request's target: a path, an address, or a host with a port.
pub(super) fn target(target: &str) -> String {
    if target.starts_with('/') { path(target) } else { address(target) }
}

/// The value of a header that refers to something: an address, with or without scheme, or a path.
pub(super) fn address(text: &str) -> String {
    let start = match text.find("://") {
        // A scheme has no such characters: these `://` stand in a query.
        Some(at) if !text.get(..at).is_some_and(|scheme| scheme.contains(['/', '?', '#'])) => at + 3,
        _ if text.starts_with("//") => 2,
        _ if text.contains(['/', '?', '#']) => return path(text),
        _ => 0,
    };
    let (scheme, rest) = text.split_at_checked(start).unwrap_or(("", text));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, rest) = rest.split_at_checked(end).unwrap_or((rest, ""));
    format!("{scheme}{}{}", authority(host), path(rest))
}

/// `user:password@host` without its user.
pub(super) fn authority(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((user, host)) if !user.is_empty() => format!("{COVER}@{host}"),
        _ => text.to_owned(),
    }
}

/// A path with its query and its fragment, which OAuth once used like a query.
fn path(text: &str) -> String {
    let (rest, fragment) = split(text, '#');
    let (path, query) = split(rest, '?');
    let mut out = path.to_owned();
    if let Some(query) = query {
        out.push('?');
        out.push_str(&pairs(query).unwrap_or_else(|| query.to_owned()));
    }
    if let Some(fragment) = fragment {
        out.push('#');
        out.push_str(&pairs(fragment).unwrap_or_else(|| fragment.to_owned()));
    }
    out
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(before, after)| (before, Some(after)))
}

/// `name=value&name=value`; none: there is nothing to cover.
pub(super) fn pairs(text: &str) -> Option<String> {
    let named = |pair: &str| decoded(pair.split_once('=').map_or(pair, |(name, _)| name));
    let oauth = text.split('&').any(|pair| names::oauth(&named(pair)));
    let secret = |name: &str| names::field(name) || (oauth && names::code(name));
    let mut any = false;
    let mut out = String::with_capacity(text.len());
    for (index, pair) in text.split('&').enumerate() {
        if index > 0 {
            out.push('&');
        }
        match pair.split_once('=') {
            Some((name, value)) if !value.is_empty() && value != COVER && secret(&decoded(name)) => {
                any = true;
                out.push_str(name);
                out.push('=');
                out.push_str(COVER);
            }
            _ => out.push_str(pair),
        }
    }
    any.then_some(out)
}

/// A name without its percents; `=` can't be in it any more.
fn decoded(name: &str) -> String {
    form_urlencoded::parse(name.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}
