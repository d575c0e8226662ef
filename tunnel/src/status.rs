//! What a session reports about itself: read by `devbridge status`, the screen and scripts.
//!
//! The types are the stable JSON of `status -o json`. No path ever waits for a reader: writers replace the
//! newest state, readers see that.

use serde::{Deserialize, Serialize};

use crate::message::Unavailable;

mod told;

pub use told::{Event, Level, Name, Network, News, Peer, Said, Save};

/// Names the shape of the JSON; changes only with a new number.
pub const API_VERSION: &str = "devbridge.dev/v1";

/// One session as its own `devbridge` process sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Random, 8 hex digits; also in the record.
    pub id: String,
    /// kubeconfig context.
    pub context: String,
    /// Namespace of the target.
    pub namespace: String,
    /// The workload, as `deployment/web`.
    pub target: String,
    /// Swapped Services.
    pub services: Vec<String>,
    /// Process id of the `devbridge` that owns the session.
    pub pid: u32,
    /// RFC 3339, UTC.
    pub since: String,
    /// How far attach has come, or that the session is leaving.
    pub phase: Phase,
    /// The way to the agent.
    pub link: Link,
    /// The developer's process.
    pub process: Process,
    /// How often it was started anew because its files changed.
    #[serde(default)]
    pub restarts: u64,
    /// Who answers requests now.
    pub serving: Serving,
    /// What callers get while the laptop does not serve.
    pub unavailable: Unavailable,
    /// Ports of the target and where their requests go on the laptop.
    pub ports: Vec<Port>,
    /// Requests path.
    pub requests: Requests,
    /// Outbound path.
    pub outbound: Outbound,
    /// DNS path.
    pub dns: Dns,
    /// Sync path; none: the code runs on the laptop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync: Option<Sync>,
}

/// How far a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Objects are being made, or the agent is starting.
    Attaching,
    /// The Service leads to the agent.
    Attached,
    /// The swap is being undone.
    Leaving,
}

/// The tunnel as seen from the laptop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum Link {
    /// No agent yet.
    Connecting,
    /// Probes are answered.
    #[serde(rename_all = "camelCase")]
    Up {
        /// Microseconds for the last probe through the data path, there and back.
        round_trip_us: u64,
    },
    /// Probes are not answered; devbridge is dialling again.
    Lost,
}

/// The developer's process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum Process {
    /// Not started by devbridge (no `-- CMD`), or not yet.
    None,
    /// Started by devbridge.
    Running {
        /// Its process id: on the laptop, or in its container.
        pid: u32,
    },
    /// It ended.
    Exited {
        /// As a shell reports it: 128 + signal when killed.
        code: i32,
    },
}

/// Who answers requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "by")]
pub enum Serving {
    /// The laptop's process.
    Laptop,
    /// The laptop's code, in the pod.
    Pod,
    /// The target's own pods.
    Originals {
        /// For people: "nothing listens on 127.0.0.1:3000".
        why: String,
    },
    /// Nobody: callers get errors, as the user wants it.
    Nobody {
        /// For people.
        why: String,
    },
}

/// One port of the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    /// The Service's port.
    pub service: u16,
    /// The container's port.
    pub container: u16,
    /// The laptop's port.
    pub laptop: u16,
    /// Whether the process accepted the last connection.
    pub listening: bool,
}

/// Counters of the requests path, connections unless said otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Requests {
    /// Taken by the laptop's process.
    pub laptop: u64,
    /// Taken by originals (as the agent counted).
    pub originals: u64,
    /// Taken by nobody.
    pub failed: u64,
    /// Reset because one side did not read, and the agent needed the memory.
    pub stalled: u64,
    /// Open to the laptop now.
    pub open: u64,
}

/// Counters of the outbound path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outbound {
    /// Connections made through the pod.
    pub connections: u64,
    /// Refused, unreachable or timed out.
    pub failed: u64,
}

/// Counters of the DNS path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dns {
    /// Questions answered by the pod's resolver.
    pub answered: u64,
    /// Questions without an answer.
    pub failed: u64,
}

/// The sync path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sync {
    /// The folder on the laptop.
    pub from: String,
    /// The folder in the container.
    pub to: String,
    /// What runs there.
    pub command: Vec<String>,
    /// Counts what was saved; the pods are to have this one.
    pub generation: u64,
    /// The pods that run the code.
    pub pods: Vec<SyncedPod>,
}

/// A pod that runs the code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncedPod {
    /// Its name.
    pub name: String,
    /// What it has.
    pub generation: u64,
    /// Its contents and the laptop's were compared, by one hash of all, and are the same.
    pub in_sync: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}
