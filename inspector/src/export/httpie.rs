//! A request as a command line for HTTPie.
//!
//! Its items `Name:value` have a grammar: `:=` and others are separators, and a backslash takes the meaning from a character of
//! them, yet can't be said itself before one. Headers that can't be said are left out with a comment.

use super::command::{Body, Parts};
use super::shell::{comment, quote};
use crate::exchange::{Exchange, Version};

/// Headers that HTTPie adds if nobody says otherwise.
const DEFAULTS: [&str; 4] = ["User-Agent", "Accept", "Accept-Encoding", "Connection"];
/// Characters of separators, which a backslash makes plain.
const SPECIAL: [char; 4] = [':', ';', '=', '@'];

/// A command line for a POSIX shell, in several lines, that asks the same of `base`, the address up to the path. What is left
/// out or covered is said in comments above.
pub fn httpie(exchange: &Exchange, base: &str) -> String {
    let base = base.trim_end_matches('/');
    let mut parts = Parts::of(exchange, base);
    if exchange.version == Version::Http2 {
        parts.missing.push("This was HTTP 2, which HTTPie does not speak. curl does.".into());
    }
    let method = match parts.method {
        Some(method) if method.bytes().all(|byte| byte.is_ascii_alphabetic()) => method,
        _ => {
            parts.missing.push("The method is left out, HTTPie takes letters only.".into());
            if parts.body == Body::None { "GET" } else { "POST" }
        }
    };
    let url = match &parts.path {
        Ok(path) => format!("{base}{path}"),
        Err(_) => {
            parts.missing.push("The target is left out, HTTPie can not say it. curl can.".into());
            format!("{base}/")
        }
    };
    let headers = parts.headers.iter().map(|header| (header.name.as_str(), header.value.as_str()));
    let wanted: Vec<_> = parts.host.map(|host| ("Host", host)).into_iter().chain(headers).collect();
    let mut items: Vec<_> = wanted.iter().filter_map(|(name, value)| item(name, value)).collect();
    if items.len() < wanted.len() {
        parts.missing.push("Some headers are left out, HTTPie can not say them. curl can.".into());
    }
    let typed = (parts.body != Body::None).then_some("Content-Type");
    let unsaid = DEFAULTS.into_iter().chain(typed).filter(|name| !parts.has(name));
    items.extend(unsaid.map(|name| format!("{name}:")));
    let mut words = Vec::new();
    let mut pipe = String::new();
    match &parts.body {
        Body::None => words.push("--ignore-stdin".into()),
        // One word: a body may begin with `-`.
        Body::Text(text) => words.push(format!("--ignore-stdin {}", quote(&format!("--raw={text}")))),
        Body::Piped(base64) => pipe = format!("printf %s {} | base64 -d | ", quote(base64)),
    }
    if url.contains("/.") || url.to_ascii_lowercase().contains("/%2e") {
        words.push("--path-as-is".into());
    }
    words.push(format!("{method} {}", quote(&url)));
    words.extend(items.iter().map(|item| quote(item)));
    let comments: String = parts.missing.iter().map(|sentence| comment(sentence)).collect();
    format!("{comments}{pipe}http {}\n", words.join(" \\\n  "))
}

/// `Name:value` in HTTPie's grammar; none: it can't be said.
fn item(name: &str, value: &str) -> Option<String> {
    let value = value.trim_matches([' ', '\t']);
    // It would be an option.
    if name.starts_with('-') {
        return None;
    }
    if value.is_empty() {
        return Some(format!("{name};"));
    }
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\\' && chars.peek().is_some_and(|next| SPECIAL.contains(next)) {
            return None;
        }
    }
    // `:=`, `:@` would be others.
    let escape = if value.starts_with(SPECIAL) { "\\" } else { "" };
    Some(format!("{name}:{escape}{value}"))
}
