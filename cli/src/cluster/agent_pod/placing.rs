//! Where the agent's pod runs: near the image, and away from a node that may be gone.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    Affinity, NodeAffinity, NodeSelectorRequirement, NodeSelectorTerm, PodAffinityTerm, PodAntiAffinity,
    PodSpec, PreferredSchedulingTerm, Toleration, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::cluster::names::AGENT;

/// An agent on a node that Kubernetes has given up is replaced after so many seconds.
const NODE_GONE: i64 = 5;

/// Sets affinities and tolerations; what the target has of its own against its own pods goes.
pub(super) fn place(spec: &mut PodSpec, agent: &str, nodes: &BTreeSet<String>) {
    let affinity = spec.affinity.get_or_insert_default();
    affinity.pod_anti_affinity = Some(apart(agent));
    prefer_nodes(affinity, nodes);
    let tolerations = spec.tolerations.get_or_insert_default();
    tolerations.extend(leaves_node_that_is_gone(NODE_GONE));
}

/// An agent that takes another's place had better not go where that one is: its node may be without power, which Kubernetes
/// knows only after most of a minute. A pod that is about to end counts until its node says that it has ended.
fn apart(agent: &str) -> PodAntiAffinity {
    let label_selector = Some(LabelSelector {
        match_labels: Some(BTreeMap::from([(AGENT.into(), agent.into())])),
        ..LabelSelector::default()
    });
    let pod_affinity_term = PodAffinityTerm {
        label_selector,
        topology_key: "kubernetes.io/hostname".into(),
        ..PodAffinityTerm::default()
    };
    PodAntiAffinity {
        preferred_during_scheduling_ignored_during_execution: Some(vec![WeightedPodAffinityTerm {
            pod_affinity_term,
            weight: 100,
        }]),
        ..PodAntiAffinity::default()
    }
}

/// A pod's tolerations of a node that Kubernetes has given up, for so many seconds; Kubernetes' own are five minutes.
pub(in crate::cluster) fn leaves_node_that_is_gone(seconds: i64) -> [Toleration; 2] {
    ["not-ready", "unreachable"].map(|what| Toleration {
        key: Some(format!("node.kubernetes.io/{what}")),
        operator: Some("Exists".into()),
        effect: Some("NoExecute".into()),
        toleration_seconds: Some(seconds),
        ..Toleration::default()
    })
}

/// The image is on the originals' nodes already.
fn prefer_nodes(affinity: &mut Affinity, nodes: &BTreeSet<String>) {
    if nodes.is_empty() {
        return;
    }
    let preference = NodeSelectorTerm {
        match_fields: Some(
            // matchFields takes exactly one value for metadata.name.
            nodes
                .iter()
                .take(1)
                .map(|node| NodeSelectorRequirement {
                    key: "metadata.name".into(),
                    operator: "In".into(),
                    values: Some(vec![node.clone()]),
                })
                .collect(),
        ),
        match_expressions: None,
    };
    let node_affinity = affinity.node_affinity.get_or_insert_with(NodeAffinity::default);
    let preferred =
        node_affinity.preferred_during_scheduling_ignored_during_execution.get_or_insert_default();
    preferred.push(PreferredSchedulingTerm { preference, weight: 100 });
}
