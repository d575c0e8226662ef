//! What a session tells beside its state: what it did and met, what its process wrote, whom that asked.
//!
//! All of it is kept by the session in bounded numbers; who reads too slowly is told how much it has missed.

use serde::{Deserialize, Serialize};

use super::Session;

/// One line to somebody who follows a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum News {
    /// Its newest state.
    Session(Box<Session>),
    /// Something that it did or met.
    Event(Event),
    /// A line that its process wrote.
    Said(Said),
    /// Whom its process has asked, all of it.
    Network(Network),
    /// What was saved and became of it: new, or its newer state.
    Save(Save),
    /// Events and lines that are kept no more and were not told.
    Missed(u64),
}

/// Something that devbridge did or met, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Milliseconds since 1970, UTC.
    pub at_ms: u64,
    /// How much it matters.
    pub level: Level,
    /// One line.
    pub text: String,
}

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Level {
    /// It went as it should.
    Info,
    /// Who serves has changed, or what.
    State,
    /// It works, but not as one may think.
    Warning,
    /// It failed.
    Failure,
}

/// A line that the process wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Said {
    /// Milliseconds since 1970, UTC.
    pub at_ms: u64,
    /// Without its end; it may hold escape sequences.
    pub text: String,
}

/// Names and addresses that the process has asked for, the newest 500; in no order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// Names that were asked for.
    pub dns: Vec<Name>,
    /// Connections that were made.
    pub outbound: Vec<Peer>,
}

/// A name that the process asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Name {
    /// Without the dot at its end.
    pub name: String,
    /// `A`, `AAAA`, `SRV`, ...
    pub kind: String,
    /// What the last answer was: addresses or other values; `NXDOMAIN`, `no records`, `no answer`, ...
    pub answer: String,
    /// Questions.
    pub asked: u64,
    /// Those that brought nothing.
    pub failed: u64,
    /// Microseconds until the last answer.
    pub last_us: u64,
    /// Of the slowest.
    pub most_us: u64,
    /// Of the last question, milliseconds since 1970.
    pub at_ms: u64,
}

/// An address that the process connected to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Peer {
    /// IP address and port.
    pub address: String,
    /// The name that it was asked for by, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Connections tried.
    pub connections: u64,
    /// Those that could not be made.
    pub failed: u64,
    /// Open now.
    pub open: u64,
    /// Bytes that the process sent.
    pub sent: u64,
    /// Bytes that came back.
    pub received: u64,
    /// Microseconds until the last connection stood.
    pub last_us: u64,
    /// Of the slowest.
    pub most_us: u64,
    /// Why the last one failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Of the last connection, milliseconds since 1970.
    pub at_ms: u64,
}

/// What was saved, and became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Save {
    /// Counts saves: the generation of a session whose code runs in pods, the number of the restart of others.
    pub generation: u64,
    /// When it was noticed, milliseconds since 1970.
    pub at_ms: u64,
    /// `src/api.ts and 3 more`
    pub what: String,
    /// Files, and of them those that were removed.
    pub files: u64,
    /// Bytes sent, to the pod that the session is at.
    pub bytes: u64,
    /// Milliseconds until that pod had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synced_ms: Option<u64>,
    /// Milliseconds until the process listened again; none: it was not started anew, or not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listens_ms: Option<u64>,
    /// Why it did not come so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}
