//! What a session does about GitOps controllers that manage the Services it swaps.

use std::collections::BTreeSet;

use crate::cluster::Cluster;
use crate::cluster::target::Target;
use crate::output::Output;

/// Tells who will put Services back; returns those on which the controller is to be paused.
pub(super) fn controllers(
    cluster: &Cluster,
    target: &Target,
    pause: bool,
    output: &Output,
) -> BTreeSet<String> {
    let mut paused = BTreeSet::new();
    for service in &target.services {
        let Some(manager) = &service.reverted_by else { continue };
        let (name, by) = (&service.name, &manager.name);
        if pause && manager.can_be_paused() {
            output.say(&format!(
                "{by} manages Service {name}; it is told to leave it alone while this session lasts"
            ));
            paused.insert(name.clone());
            continue;
        }
        let fixes = manager.settings(&cluster.namespace).join("\n  ");
        output.warn(&format!(
            "{by} manages Service {name} and will put it back, which ends the session; to keep it:\n  {fixes}"
        ));
    }
    if pause && paused.is_empty() {
        output.warn("--pause-gitops: Flux manages none of the Services, so there is nothing to pause");
    }
    paused
}
