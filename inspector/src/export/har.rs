//! HTTP Archive 1.2, as browsers' developer tools read it (<http://www.softwareishard.com/blog/har-12-spec/>).
//!
//! What the format has no word for:
//!
//! - what devbridge knows beyond it is in `_devbridge` of each entry;
//! - a request's body that is no text: `postData` has no encoding of its own, so `text` is base64 and `_encoding` says so;
//! - a body that was cut off: `_devbridge.truncated` lists `request` and `answer`; sizes are those of what passed;
//! - an exchange without an answer: status 0, as browsers write it.
//!
//! Bodies of answers are unpacked, as the format wants it; one that is more than 1 MiB unpacked is cut there and listed, too.

mod body;
mod cookies;
#[cfg(test)]
mod tests;
mod url;

use serde_json::{Map, Value, json};

use self::body::{content, post_data};
use crate::exchange::{Exchange, Header, Message, Route, Timing};
use crate::mask;

/// An archive of exchanges, the oldest first. `version` is devbridge's.
pub fn har(exchanges: &[Exchange], version: &str) -> Value {
    let mut sorted: Vec<&Exchange> = exchanges.iter().collect();
    sorted.sort_by_key(|exchange| (exchange.started, exchange.id));
    let entries: Vec<Value> = sorted.into_iter().map(entry).collect();
    let creator = json!({ "name": "devbridge", "version": version });
    json!({ "log": { "version": "1.2", "creator": creator, "entries": entries } })
}

fn entry(exchange: &Exchange) -> Value {
    let timings = timings(&exchange.timing);
    // The format's own rule: the sum of all that are known.
    let known = ["blocked", "connect", "send", "wait", "receive"]
        .iter()
        .filter_map(|name| timings.get(*name)?.as_f64());
    let time = known.filter(|millis| *millis > 0.0).fold(0.0, |sum, millis| sum + millis);
    let mut entry = Map::new();
    entry.insert("startedDateTime".into(), format!("{:.3}", exchange.started).into());
    entry.insert("time".into(), json!(time));
    entry.insert("request".into(), request(exchange));
    entry.insert("response".into(), response(exchange));
    entry.insert("cache".into(), json!({}));
    entry.insert("timings".into(), timings);
    if let Some(to) = exchange.to {
        entry.insert("serverIPAddress".into(), to.ip().to_string().into());
    }
    if let Some(from) = exchange.from {
        // The port of who asked tells connections apart.
        entry.insert("connection".into(), from.port().to_string().into());
    }
    entry.insert("_devbridge".into(), own(exchange));
    entry.into()
}

fn request(exchange: &Exchange) -> Value {
    let message = &exchange.request;
    let mut request = json!({
        "method": exchange.method,
        "url": url::of(exchange),
        "httpVersion": exchange.version.as_str(),
        "cookies": cookies::sent(message),
        "headers": headers(&message.headers),
        "queryString": query(&exchange.target),
        "headersSize": -1,
        "bodySize": size(message.body.size),
    });
    if let (Some(post), Some(request)) = (post_data(message), request.as_object_mut()) {
        request.insert("postData".into(), post);
    }
    request
}

fn response(exchange: &Exchange) -> Value {
    let nothing = Message::default();
    let message = exchange.answer.as_ref().unwrap_or(&nothing);
    let status = exchange.status.unwrap_or(0);
    let known = http::StatusCode::from_u16(status).ok();
    json!({
        "status": status,
        "statusText": known.and_then(|status| status.canonical_reason()).unwrap_or_default(),
        "httpVersion": if exchange.status.is_some() { exchange.version.as_str() } else { "" },
        "cookies": cookies::set(message),
        "headers": headers(&message.headers),
        "content": content(message),
        "redirectURL": message.header("location").next().unwrap_or_default(),
        "headersSize": -1,
        "bodySize": if exchange.answer.is_some() { size(message.body.size) } else { (-1).into() },
    })
}

fn query(target: &str) -> Vec<Value> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let query = query.split('#').next().unwrap_or(query);
    pairs(query.as_bytes())
}

/// Names and values of what is urlencoded.
fn pairs(bytes: &[u8]) -> Vec<Value> {
    form_urlencoded::parse(bytes).map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

fn headers(headers: &[Header]) -> Vec<Value> {
    headers.iter().map(|Header { name, value }| json!({ "name": name, "value": value })).collect()
}

/// In milliseconds; -1 is the format's word for what is not known, where it may be unknown.
fn timings(timing: &Timing) -> Value {
    let millis = |micros: Option<u64>| micros.map(|micros| micros as f64 / 1000.0);
    let or_unknown = |millis: Option<f64>| millis.unwrap_or(-1.0);
    let receive = timing.total_us.zip(timing.answer_us).map(|(total, answer)| total.saturating_sub(answer));
    json!({
        "blocked": or_unknown(millis(timing.queue_us)),
        "dns": -1,
        "connect": or_unknown(millis(timing.connect_us)),
        "ssl": -1,
        "send": 0,
        "wait": millis(timing.answer_us).unwrap_or(0.0),
        "receive": millis(receive).unwrap_or(0.0),
    })
}

/// What devbridge knows beyond the format.
fn own(exchange: &Exchange) -> Value {
    let (by, why) = match &exchange.route {
        Route::Laptop { why } => ("laptop", why),
        Route::Originals { why } => ("originals", why),
        Route::Cluster { why } => ("cluster", why),
    };
    let cut = |name: &str, cut: bool| cut.then(|| name.to_owned());
    let answer = exchange.answer.as_ref();
    let truncated = [
        cut("request", !exchange.request.body.is_whole()),
        cut("answer", answer.is_some_and(|answer| !crate::decode::contents(answer).whole)),
    ];
    let truncated: Vec<String> = truncated.into_iter().flatten().collect();
    json!({
        "id": exchange.id,
        "direction": exchange.direction,
        "port": exchange.port,
        "route": { "by": by, "why": why },
        "trace": exchange.trace,
        "replayOf": exchange.replay_of,
        "end": exchange.end,
        "messages": exchange.messages,
        "trailers": headers(answer.map(|answer| answer.trailers.as_slice()).unwrap_or_default()),
        "tunnelUs": exchange.timing.tunnel_us,
        "masked": mask::is_covered(exchange),
        "truncated": truncated,
    })
}

/// JSON's numbers are read as doubles by most.
fn size(bytes: u64) -> Value {
    i64::try_from(bytes).unwrap_or(i64::MAX).into()
}
