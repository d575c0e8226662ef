//! One request and its answer. The types are the stable JSON of `devbridge requests show -o json`.
//!
//! Times are in microseconds and say what they were measured between; what was not measured is missing rather than 0.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One request and its answer, as far as it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exchange {
    /// Counts from 1 in a session; what people type.
    pub id: u64,
    /// When its first byte was seen on the laptop.
    pub started: Timestamp,
    /// Which way it went.
    pub direction: Direction,
    /// Who asked: a caller in the cluster, or the developer's process.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from: Option<SocketAddr>,
    /// Who was asked: an address outside, or the process's port on the laptop.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub to: Option<SocketAddr>,
    /// The container port that the caller reached, or the port that the process dialled.
    pub port: u16,
    /// The protocol.
    pub version: Version,
    /// As in the request line; `:method` of HTTP/2.
    pub method: String,
    /// Path and query as in the request line; `:path` of HTTP/2.
    pub target: String,
    /// `Host`, or `:authority`; empty: none was said.
    pub host: String,
    /// What was asked.
    pub request: Message,
    /// What was answered; none: nothing yet, or never.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u16>,
    /// The answer, from its head on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub answer: Option<Message>,
    /// Who answered, and why.
    pub route: Route,
    /// How long its parts took.
    pub timing: Timing,
    /// How it ended; none: it has not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end: Option<End>,
    /// Messages of a WebSocket or of gRPC.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub messages: Option<Messages>,
    /// The trace that `traceparent` names (W3C Trace Context), 32 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trace: Option<String>,
    /// It is a replay of this one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub replay_of: Option<u64>,
}

/// Which way an exchange went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// From a caller in the cluster to the laptop: the requests path.
    Requests,
    /// From the developer's process to the cluster: the outbound path.
    Outbound,
}

/// The protocol of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Version {
    /// HTTP/1.0.
    #[serde(rename = "HTTP/1.0")]
    Http10,
    /// HTTP/1.1.
    #[serde(rename = "HTTP/1.1")]
    Http11,
    /// HTTP/2.
    #[serde(rename = "HTTP/2")]
    Http2,
}

/// One direction of an exchange.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// As they came, in their order; of HTTP/2 without the pseudo-headers.
    pub headers: Vec<Header>,
    /// The body, without the framing of chunks.
    pub body: Body,
    /// Headers after the body.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub trailers: Vec<Header>,
}

impl Message {
    /// Values of a header, whatever the case of its name.
    pub fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value.as_str())
    }
}

/// A header. A value that is no UTF-8 is read as Latin-1, as HTTP's once were (RFC 9110 §5.5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// As it was written; of HTTP/2 always in small letters.
    pub name: String,
    /// Without white space around it.
    pub value: String,
}

/// What passed of a body, and what was kept of that.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Body {
    /// Bytes that passed, as they were encoded.
    pub size: u64,
    /// The first of them; fewer than `size` where that is above the limit. Base64 in JSON.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64", default)]
    pub kept: Bytes,
    /// Where secrets in it are covered: so many bytes of the body `kept` stands for, whatever its own length is now
    /// ([`crate::mask`]). None: `kept` is as it passed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub covered: Option<u64>,
}

impl Body {
    /// Whether all of it was kept.
    pub fn is_whole(&self) -> bool {
        self.covered.unwrap_or(self.kept.len() as u64) == self.size
    }
}

fn to_base64<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let text = String::deserialize(deserializer)?;
    BASE64_STANDARD.decode(text).map(Bytes::from).map_err(serde::de::Error::custom)
}

/// Who answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "by")]
pub enum Route {
    /// The developer's process; of an outbound exchange nobody here.
    #[serde(rename_all = "camelCase")]
    Laptop {
        /// For people: "127.0.0.1:3000 accepted it".
        why: String,
    },
    /// The target's own pods.
    #[serde(rename_all = "camelCase")]
    Originals {
        /// For people: "nothing listens on 127.0.0.1:3000".
        why: String,
    },
    /// Somebody in the cluster, or beyond it, whom the process asked.
    #[serde(rename_all = "camelCase")]
    Cluster {
        /// For people.
        why: String,
    },
}

/// How long the parts of an exchange took, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    /// At the agent: from the caller's connection to the offer to the laptop. Of the first exchange of a connection only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub queue_us: Option<u64>,
    /// Through the tunnel, one way: half of the round trip that was measured last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tunnel_us: Option<u64>,
    /// Until the process accepted the connection. Of the first exchange of a connection only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub connect_us: Option<u64>,
    /// From the request's first byte to the answer's first, at the laptop's end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub answer_us: Option<u64>,
    /// From the request's first byte to the answer's last, at the laptop's end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub total_us: Option<u64>,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum End {
    /// Both sides have all.
    Complete,
    /// The connection ended before the answer did.
    Cut,
    /// Somebody else answers it, unseen.
    Elsewhere,
    /// More came than could be looked at; what is here is true, and something is missing.
    Unread,
}

/// Messages that went within one exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Messages {
    /// What they are.
    pub kind: Kind,
    /// From who asked.
    pub sent: u64,
    /// Bytes of their contents, as they were encoded.
    pub sent_bytes: u64,
    /// From who answered.
    pub received: u64,
    /// Bytes of their contents, as they were encoded.
    pub received_bytes: u64,
}

/// What kind of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// RFC 6455.
    WebSocket,
    /// gRPC over HTTP/2; its status is in the trailers.
    Grpc,
}

impl Exchange {
    /// One of which nothing more is known.
    pub fn new(started: Timestamp, direction: Direction, port: u16, route: Route) -> Self {
        Self {
            id: 0,
            started,
            direction,
            from: None,
            to: None,
            port,
            version: Version::Http11,
            method: String::new(),
            target: String::new(),
            host: String::new(),
            request: Message::default(),
            status: None,
            answer: None,
            route,
            timing: Timing::default(),
            end: None,
            messages: None,
            trace: None,
            replay_of: None,
        }
    }

    /// The path, without the query.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    /// `grpc-status`, of trailers or of an answer that has nothing else.
    pub fn grpc_status(&self) -> Option<u32> {
        let answer = self.answer.as_ref()?;
        let all = answer.trailers.iter().chain(&answer.headers);
        let mut own = all.filter(|header| header.name.eq_ignore_ascii_case("grpc-status"));
        own.find_map(|header| header.value.trim().parse().ok())
    }
}

/// Whether doing a method twice does what doing it once does (RFC 9110 §9.2.2).
pub fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
}

impl Version {
    /// As people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }
}

/// Exchanges for tests.
#[cfg(test)]
pub(crate) mod fixture {
    use super::*;

    /// A `GET` that was answered with 200 and nothing.
    pub(crate) fn get(target: &str) -> Exchange {
        let route = Route::Laptop { why: "127.0.0.1:3000 accepted it".into() };
        Exchange {
            id: 1,
            from: Some(([10, 0, 0, 1], 4711).into()),
            to: Some(([127, 0, 0, 1], 3000).into()),
            method: "GET".into(),
            target: target.into(),
            host: "web".into(),
            status: Some(200),
            answer: Some(Message::default()),
            timing: Timing { total_us: Some(12_000), ..Timing::default() },
            end: Some(End::Complete),
            ..Exchange::new(Timestamp::UNIX_EPOCH, Direction::Requests, 80, route)
        }
    }
}
