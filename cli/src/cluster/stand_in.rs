//! What a pod that is made after another one can't have of it: places, names, preparation, and files with a single writer.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, PodSpec, Volume};

/// Takes away everything that would tie the pod to a node, to the network of one, or to a start-up that is the original's own;
/// says what its user may miss.
pub(super) fn untie(spec: &mut PodSpec, dropped: &mut Vec<String>) {
    spec.readiness_gates = None;
    spec.scheduling_gates = None;
    spec.topology_spread_constraints = None;
    spec.active_deadline_seconds = None;
    spec.hostname = None;
    spec.subdomain = None;
    spec.node_name = None;
    spec.ephemeral_containers = None;
    if spec.host_network.take() == Some(true) {
        dropped.push("hostNetwork".into());
    }
    spec.host_pid = None;
    spec.host_ipc = None;
    // Native sidecars are part of how the pod works; the rest prepared files for the process.
    if let Some(init) = &mut spec.init_containers {
        let sidecar = |container: &Container| container.restart_policy.as_deref() == Some("Always");
        let gone: Vec<_> = init.iter().filter(|c| !sidecar(c)).map(|c| c.name.clone()).collect();
        init.retain(sidecar);
        if !gone.is_empty() {
            dropped.push(format!("init containers: {}", gone.join(", ")));
        }
        if init.is_empty() {
            spec.init_containers = None;
        }
    }
}

/// Takes volumes with claims away: a claim may have a single writer, and that is the original.
pub(super) fn without_claims(spec: &mut PodSpec, dropped: &mut Vec<String>) {
    let claim = |volume: &Volume| volume.persistent_volume_claim.is_some() || volume.ephemeral.is_some();
    let names: BTreeSet<_> = without_volumes(spec, claim);
    if !names.is_empty() {
        let names: Vec<_> = names.into_iter().collect();
        dropped.push(format!("volumes with claims: {}", names.join(", ")));
    }
}

/// Takes volumes away, and their mounts; gives their names.
pub(super) fn without_volumes(spec: &mut PodSpec, which: impl Fn(&Volume) -> bool) -> BTreeSet<String> {
    let volumes = spec.volumes.get_or_insert_default();
    let gone: BTreeSet<_> = volumes.iter().filter(|v| which(v)).map(|v| v.name.clone()).collect();
    volumes.retain(|volume| !gone.contains(&volume.name));
    for container in spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten()) {
        if let Some(mounts) = &mut container.volume_mounts {
            mounts.retain(|mount| !gone.contains(&mount.name));
        }
    }
    gone
}
