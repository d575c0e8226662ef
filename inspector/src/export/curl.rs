//! A request as a command line for curl.
//!
//! curl adds headers of its own and tidies addresses up; both are switched off where it would show, so that what arrives is
//! what was recorded.

use super::command::{Body, Parts};
use super::shell::quote;
use crate::exchange::{Exchange, Version};

/// Headers that curl adds if nobody says otherwise.
const DEFAULTS: [&str; 2] = ["User-Agent", "Accept"];

/// A command line for a POSIX shell, in several lines, that asks the same of `base`, the address up to the path:
/// `http://127.0.0.1:3000`. What is left out or covered is said in comments above.
pub fn curl(exchange: &Exchange, base: &str) -> String {
    let base = base.trim_end_matches('/');
    let parts = Parts::of(exchange, base);
    let mut words = vec![String::new()];
    version(&mut words, exchange.version, base);
    method(&mut words, &parts);
    match &parts.path {
        Ok(path) => {
            if has_dots(path) {
                words.push("--path-as-is".into());
            }
            if path.contains(['[', ']', '{', '}']) {
                words.push("-g".into());
            }
            words.push(quote(&format!("{base}{path}")));
        }
        Err(target) if target.is_empty() => words.push(quote(&format!("{base}/"))),
        Err(target) => {
            words.push(format!("--request-target {}", quote(target)));
            words.push(quote(&format!("{base}/")));
        }
    }
    if let Some(host) = parts.host {
        words.push(format!("-H {}", quote(&format!("Host: {host}"))));
    }
    for header in &parts.headers {
        // Without a value it would be no header, but one of curl's own to leave out.
        let said = if header.value.trim_matches([' ', '\t']).is_empty() {
            format!("{};", header.name)
        } else {
            format!("{}: {}", header.name, header.value)
        };
        words.push(format!("-H {}", quote(&said)));
    }
    let typed = (parts.body != Body::None).then_some("Content-Type");
    for name in DEFAULTS.into_iter().chain(typed).filter(|name| !parts.has(name)) {
        words.push(format!("-H {}", quote(&format!("{name}:"))));
    }
    if exchange.request.header("accept-encoding").any(packs) {
        words.push("--compressed".into());
    }
    let mut pipe = String::new();
    match &parts.body {
        Body::None => {}
        // `@` would be read as the name of a file.
        Body::Text(text) if text.starts_with('@') => words.push(format!("--data-raw {}", quote(text))),
        Body::Text(text) => words.push(format!("--data-binary {}", quote(text))),
        Body::Piped(base64) => {
            pipe = format!("printf %s {} | base64 -d | ", quote(base64));
            words.push("--data-binary @-".into());
        }
    }
    let options = words.join(" \\\n  ");
    let options = options.strip_prefix(" \\\n  ").unwrap_or(&options);
    format!("{}{pipe}curl {options}\n", parts.comments())
}

fn version(words: &mut Vec<String>, version: Version, base: &str) {
    let tls = base.starts_with("https:");
    match version {
        Version::Http10 => words.push("--http1.0".into()),
        Version::Http11 if tls => words.push("--http1.1".into()),
        Version::Http11 => {}
        Version::Http2 if tls => words.push("--http2".into()),
        Version::Http2 => words.push("--http2-prior-knowledge".into()),
    }
}

/// Without a body curl says GET, with one POST.
fn method(words: &mut Vec<String>, parts: &Parts<'_>) {
    match (parts.method, parts.body == Body::None) {
        (None | Some("GET"), true) | (None | Some("POST"), false) => {}
        // With `-X` it would wait for the body of the answer.
        (Some("HEAD"), true) => words.push("--head".into()),
        (Some(method), _) => words.push(format!("-X {}", quote(method))),
    }
}

/// Whether curl would tidy the path up: `.` and `..` as segments, also in percents.
fn has_dots(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or(path).to_ascii_lowercase().replace("%2e", ".");
    path.split('/').any(|segment| matches!(segment, "." | ".."))
}

/// Whether an answer may come packed.
fn packs(accept: &str) -> bool {
    accept.split(',').map(str::trim).any(|coding| !coding.is_empty() && !coding.starts_with("identity"))
}
