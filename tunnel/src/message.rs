//! What travels on the streams of a session, and the length limit of each message.
//!
//! Every stream starts with one [`Open`]; what follows depends on it and stands beside each variant.
//! A message is `u32` big-endian length, then the value in postcard's encoding. Whatever comes from the
//! other end is hostile until decoded: a length above the limit ends the stream before anything is read.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Longest message on a control stream, and longest env answer. A pod's environment is bounded by the size
/// of the objects it comes from (1 MiB each), far above what processes accept (128 KiB a variable).
pub const MAX_MESSAGE: usize = 4 << 20;
/// Longest [`Open`] and [`Reply`]. They are read before anything is known about the stream.
pub const MAX_OPEN: usize = 1 << 10;
/// Longest DNS message (RFC 1035 §4.2.2: the TCP length prefix has 16 bits).
pub const MAX_DNS: usize = u16::MAX as usize;

/// The first message on a stream: what it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Open {
    /// laptop → agent, the first stream of a session and only one: then [`ToAgent`] one way, [`ToLaptop`]
    /// the other.
    Control,
    /// agent → laptop: a connection that a caller in the cluster made. Caller's bytes may follow at once,
    /// before the [`Reply`]; the agent keeps them until then, and gives them to an original if refused.
    Request {
        /// The container port that the caller reached.
        port: u16,
        /// The caller's address as the agent saw it.
        from: SocketAddr,
        /// Microseconds that the caller has waited at the agent until now.
        waited: u32,
    },
    /// laptop → agent: a connection of the developer's process to `to`, dialled from the pod. Bytes may
    /// follow at once; the agent answers with a [`Reply`], then carries bytes.
    Outbound {
        /// Where the process wanted to go.
        to: SocketAddr,
    },
    /// laptop → agent: then one DNS message (`u16` big-endian length, bytes) each way, unchanged.
    Dns,
    /// laptop → agent: answered by one [`Env`].
    Env,
    /// agent → laptop: answered by a [`Reply`] from the laptop end itself, without its process. It proves
    /// that the whole data path works before requests are taken.
    Probe,
    /// laptop → agent: its process is about to be started anew. While this stream is open no request goes to the laptop, and
    /// connections between two exchanges leave it; answered by [`Reply::Accepted`] when no request is under way there any
    /// more; what is no HTTP/1.x is not waited for. Ends with the stream.
    Pause,
    /// laptop → agent: [`crate::sync::ToPod`] in [`crate::sync::pack::Pack`]s one way, [`crate::sync::FromPod`] the other. One
    /// at a time in a session.
    Sync,
    /// laptop → agent: [`crate::sync::ToProcess`] one way, [`crate::sync::FromProcess`] the other. The process runs as long as
    /// the stream. One at a time of an agent.
    Process,
}

/// What became of an [`Open::Request`], [`Open::Outbound`] or [`Open::Probe`]. After `Accepted` the stream
/// carries the flow's bytes; after `Refused` it is finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Somebody accepted the connection; nothing may be sent to anybody else any more.
    Accepted,
    /// Nobody took it, and no byte of it reached anybody.
    Refused(Refusal),
}

/// Why nobody took a connection; the same cases as the errors of `connect(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// Nothing listens there (ECONNREFUSED).
    NotListening,
    /// No route, or a policy forbids it (EHOSTUNREACH, ENETUNREACH, EACCES).
    Unreachable,
    /// No answer in time (ETIMEDOUT).
    TimedOut,
    /// This end takes no such flows now (it is leaving, or has too many).
    Unavailable,
}

/// What callers get while the laptop does not serve: its process does not accept, or the laptop is silent. It
/// holds from arming until the session is over; before and after that originals serve.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Unavailable {
    /// An original's answer, at once.
    #[default]
    Cluster,
    /// The laptop's answer if it serves again within so many milliseconds, an original's otherwise.
    Hold {
        /// At most [`HOLD_LIMIT`].
        millis: u32,
    },
    /// An error: status 503 for HTTP/1.x, a reset for everything else.
    Error,
}

/// Longest time that callers may be held, in milliseconds: most of them give up earlier.
pub const HOLD_LIMIT: u32 = 60_000;

/// Control messages to the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToAgent {
    /// First message. Answered by [`ToLaptop::Welcome`].
    Hello {
        /// [`crate::version::PROTOCOL`] of the laptop.
        protocol: u16,
        /// Its release, for messages to people.
        release: String,
    },
    /// Addresses of originals for the fallback, as the laptop reads them from EndpointSlices; replaces the
    /// previous list. Agents are never among them.
    Originals(Vec<Original>),
    /// Dial every original on every port once and report [`ToLaptop::OriginalsProbed`].
    ProbeOriginals,
    /// From now on requests may go to the laptop. The agent probes the data path end to end with
    /// [`Open::Probe`], turns ready and answers [`ToLaptop::Armed`].
    Arm(Unavailable),
    /// The laptop is leaving: new requests go to originals, flows to the laptop end at the next boundary of
    /// an exchange; [`ToLaptop::Drained`] follows when none is left.
    Drain,
    /// Every second; answered by [`ToLaptop::Pong`] with the same number.
    Ping(u64),
    /// As [`ToAgent::Arm`], but requests go to the process of this session's [`Open::Process`] stream, in the pod.
    ArmProcess(Unavailable),
}

/// Control messages to the laptop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToLaptop {
    /// Answer to [`ToAgent::Hello`].
    Welcome {
        /// [`crate::version::PROTOCOL`] of the agent.
        protocol: u16,
        /// The agent's release.
        release: String,
        /// Random, made when the agent process started: tells a restarted agent.
        boot: [u8; 16],
    },
    /// What each dial of [`ToAgent::ProbeOriginals`] gave.
    OriginalsProbed(Vec<Probed>),
    /// The data path was probed; the agent is ready and takes requests for the laptop.
    Armed,
    /// Arming failed; requests keep going to originals.
    ArmFailed(String),
    /// No flow to the laptop is left.
    Drained,
    /// Answer to [`ToAgent::Ping`].
    Pong(u64),
    /// The agent's counters, once a second when one has changed.
    Counters(Counters),
}

/// One original's address for one port of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Original {
    /// The container port that callers reach at the agent.
    pub port: u16,
    /// Where the original serves it.
    pub addr: SocketAddr,
}

/// Result of dialling one original.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probed {
    /// Which one.
    pub original: Original,
    /// `None`: it accepted.
    pub refusal: Option<Refusal>,
}

/// What the agent counted since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Connections given to the laptop.
    pub laptop: u64,
    /// Connections given to originals.
    pub originals: u64,
    /// Connections that nobody took.
    pub failed: u64,
    /// Connections that were reset because one side did not read, and the agent needed the memory.
    pub stalled: u64,
    /// Connections to the laptop open now.
    pub open: u64,
}

/// What the agent's container would have given to the target's process.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Env {
    /// Variables, devbridge's own taken out. Bytes, because an environment need not be UTF-8.
    pub variables: Vec<(Vec<u8>, Vec<u8>)>,
    /// The pod's `/etc/resolv.conf`.
    pub resolv_conf: Vec<u8>,
    /// The pod's `/etc/hosts`.
    pub hosts: Vec<u8>,
}

impl std::fmt::Debug for Env {
    /// Names only: values never appear in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.variables.iter().map(|(name, _)| String::from_utf8_lossy(name));
        f.debug_struct("Env").field("variables", &names.collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

/// A message could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The length prefix is above the limit for this message.
    #[error("message of {0} bytes, above the limit of {1}")]
    TooLong(usize, usize),
    /// The bytes are not such a message, or more follow it.
    #[error("malformed message")]
    Malformed,
}

/// The message with its length in front, ready to be written.
///
/// # Errors
/// [`DecodeError::TooLong`] when the other end would refuse it.
pub fn encode<T: Serialize>(message: &T, limit: usize) -> Result<Vec<u8>, DecodeError> {
    let bytes = postcard::to_extend(message, vec![0; 4]).map_err(|_| DecodeError::Malformed)?;
    framed(bytes, limit)
}

fn framed(mut bytes: Vec<u8>, limit: usize) -> Result<Vec<u8>, DecodeError> {
    let length = bytes.len() - 4;
    if length > limit {
        return Err(DecodeError::TooLong(length, limit));
    }
    let prefix = u32::try_from(length).map_err(|_| DecodeError::TooLong(length, limit))?;
    bytes[..4].copy_from_slice(&prefix.to_be_bytes());
    Ok(bytes)
}

/// The message in `bytes`, which are the bytes after the length.
///
/// # Errors
/// [`DecodeError::Malformed`] for anything but exactly one message.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Ok(message),
        _ => Err(DecodeError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_the_wire() {
        let message = Open::Request { port: 8080, from: "[::1]:5".parse().unwrap(), waited: 7 };
        let bytes = encode(&message, MAX_OPEN).unwrap();
        assert_eq!(u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize, bytes.len() - 4);
        assert_eq!(decode::<Open>(&bytes[4..]).unwrap(), message);
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let mut bytes = encode(&Open::Dns, MAX_OPEN).unwrap();
        bytes.push(0);
        assert!(matches!(decode::<Open>(&bytes[4..]), Err(DecodeError::Malformed)));
    }

    #[test]
    fn a_message_above_its_limit_is_refused() {
        let message = ToAgent::Hello { protocol: 1, release: "x".repeat(MAX_OPEN) };
        assert!(matches!(encode(&message, MAX_OPEN), Err(DecodeError::TooLong(..))));
    }

    #[test]
    fn values_of_the_environment_are_not_printed() {
        let env = Env { variables: vec![(b"PASSWORD".into(), b"hunter2".into())], ..Env::default() };
        let text = format!("{env:?}");
        assert!(text.contains("PASSWORD") && !text.contains("hunter2"));
    }
}
