//! What devbridge's objects are called, and the labels by which anybody can find them.

use sha2::{Digest, Sha256};

/// Label on everything that devbridge makes.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Its value.
pub const DEVBRIDGE: &str = "devbridge";
/// Label: the target's name.
pub const TARGET: &str = "devbridge.dev/target";
/// Label on agent pods, and the key added to a swapped Service's selector. The value is the agent's name.
pub const AGENT: &str = "devbridge.dev/agent";
/// Annotation on agent pods: the agent's public key, which tells those of one session from those of an earlier one.
pub const AGENT_KEY: &str = "devbridge.dev/agent-key";
/// Annotation on agent pods that run the code of a laptop: the folder that it is in.
pub const RUNS_CODE: &str = "devbridge.dev/runs-code";
/// Annotation on a Service whose GitOps controller was told to leave it alone: by the agent of this name.
pub const PAUSED: &str = "devbridge.dev/paused";
/// Label on a namespace in which nothing may be swapped.
pub const PROTECTED: &str = "devbridge.dev/protected";
/// Field manager in every request that changes something.
pub const MANAGER: &str = "devbridge";
/// Selects everything that devbridge made.
pub const SELECT_OURS: &str = "app.kubernetes.io/managed-by=devbridge";

/// Longest label value and longest name of a Service (RFC 1035 label).
const MAX: usize = 63;

/// The names of one target's objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The target's own.
    pub target: String,
    /// Lease and Secret.
    pub record: String,
    /// Deployment, and value of the [`AGENT`] label.
    pub agent: String,
    /// Headless Service that leads to originals.
    pub origin: String,
    /// Headless Service that leads to all agents of the target, ready or not.
    pub agents: String,
}

impl Names {
    /// Names for the workload `target`.
    pub fn new(target: &str) -> Self {
        Self {
            target: cut(target, ""),
            record: cut(&format!("devbridge-{target}"), ""),
            agent: cut(target, "-devbridge"),
            origin: cut(target, "-devbridge-origin"),
            agents: cut(target, "-devbridge-agents"),
        }
    }
}

/// `name` + `suffix` in at most 63 characters; what is cut is replaced by a hash of the whole, so that two
/// long names stay different.
fn cut(name: &str, suffix: &str) -> String {
    if name.len() + suffix.len() <= MAX {
        return format!("{name}{suffix}");
    }
    let hash = &hex(&Sha256::digest(name.as_bytes()))[..8];
    // Kubernetes names are ASCII; anything else would have been refused by the API server already.
    let keep: String = name.chars().take(MAX - suffix.len() - hash.len() - 1).collect();
    format!("{}-{hash}{suffix}", keep.trim_end_matches(['-', '.']))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_kept() {
        let names = Names::new("web");
        assert_eq!((names.record.as_str(), names.agent.as_str()), ("devbridge-web", "web-devbridge"));
        assert_eq!(names.origin, "web-devbridge-origin");
    }

    #[test]
    fn long_names_are_cut_and_stay_different() {
        let (a, b) =
            (Names::new(&format!("{}a", "x".repeat(62))), Names::new(&format!("{}b", "x".repeat(62))));
        for names in [&a, &b] {
            for name in [&names.target, &names.record, &names.agent, &names.origin, &names.agents] {
                assert!(name.len() <= MAX, "{name}");
            }
        }
        assert_ne!(a.agent, b.agent);
        assert_ne!(a.record, b.record);
    }
}
