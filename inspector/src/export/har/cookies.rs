//! `cookies` of requests and answers.

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde_json::{Map, Value, json};

use crate::exchange::Message;

/// Of `Cookie`.
pub(super) fn sent(message: &Message) -> Vec<Value> {
    let all = message.header("cookie").flat_map(|value| value.split(';'));
    let named = all.map(str::trim).filter(|cookie| !cookie.is_empty());
    named
        .map(|cookie| {
            let (name, value) = pair(cookie);
            json!({ "name": name, "value": value })
        })
        .collect()
}

/// Of `Set-Cookie`, with the attributes for which the format has a word.
pub(super) fn set(message: &Message) -> Vec<Value> {
    message.header("set-cookie").map(one).collect()
}

fn one(value: &str) -> Value {
    let mut parts = value.split(';').map(str::trim);
    let (name, value) = pair(parts.next().unwrap_or_default());
    let mut cookie = Map::new();
    cookie.insert("name".into(), name.into());
    cookie.insert("value".into(), value.into());
    cookie.insert("httpOnly".into(), false.into());
    cookie.insert("secure".into(), false.into());
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim();
        match name.trim().to_ascii_lowercase().as_str() {
            "httponly" => cookie.insert("httpOnly".into(), true.into()),
            "secure" => cookie.insert("secure".into(), true.into()),
            "path" => cookie.insert("path".into(), value.into()),
            "domain" => cookie.insert("domain".into(), value.into()),
            "expires" => {
                time(value).and_then(|time| cookie.insert("expires".into(), time.to_string().into()))
            }
            _ => None,
        };
    }
    cookie.into()
}

/// A cookie without `=` is a value without a name (RFC 6265bis).
fn pair(cookie: &str) -> (&str, &str) {
    cookie.split_once('=').map_or(("", cookie), |(name, value)| (name.trim(), value.trim()))
}

/// `Wed, 21 Oct 2026 07:28:00 GMT`; also with the dashes that some still write.
fn time(value: &str) -> Option<Timestamp> {
    rfc2822::parse(&value.replace('-', " ")).ok().map(|time| time.timestamp())
}
