//! The key: the one change to something of the user's.
//!
//! A swapped Service has one more key in its selector, which only the agent's pod carries as a label. Taking
//! the key away is the whole undo; anybody may do it, any number of times. With `--pause-gitops` two annotations come
//! and go with it, in the same patches: Flux' own, and one that says whose it is.

use std::collections::BTreeMap;

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch as JsonPatch, PatchOperation, RemoveOperation, TestOperation};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::api::{ApiError, Doing};
use super::gitops::{PAUSE, PAUSE_VALUE};
use super::names::{AGENT, DEVBRIDGE, MANAGED_BY, MANAGER, PAUSED};
use super::{Cluster, gitops};

/// [`AGENT`] in a JSON pointer (RFC 6901: `/` is written `~1`).
const PATH: &str = "/spec/selector/devbridge.dev~1agent";
/// [`PAUSED`] in one.
const PAUSED_PATH: &str = "/metadata/annotations/devbridge.dev~1paused";
/// [`PAUSE`] in one.
const PAUSE_PATH: &str = "/metadata/annotations/kustomize.toolkit.fluxcd.io~1reconcile";

/// What a Service gets.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    /// The agent that it will lead to.
    pub agent: &'a str,
    /// Whether Flux is told to leave it alone meanwhile.
    pub pause: bool,
}

/// The kubectl line that has Flux go on.
pub fn resume_line(namespace: &str, service: &str) -> String {
    format!("kubectl -n {namespace} annotate service {service} {PAUSE}- {PAUSED}-")
}

/// The kubectl line that takes the key off.
pub fn undo_line(namespace: &str, service: &str) -> String {
    format!(
        "kubectl -n {namespace} patch service {service} --type json \
         -p '[{{\"op\":\"remove\",\"path\":\"{PATH}\"}}]'"
    )
}

/// Leads `service` to the agent.
///
/// # Flow
/// One JSON patch: a `test` that the selector is still `selector`, then `add` of our key; to pause Flux, the Service is read
/// first, and its annotation and ours are added in the same patch.
///
/// # Guarantees
/// No other field changes; when somebody edited the selector meanwhile, nothing changes. A Service on which somebody else
/// paused Flux keeps that as it is.
///
/// # Assumptions
/// The agent is ready and its pod carries every label in `selector`, so the Service never has no endpoints.
///
/// # Caveats
/// Must not be dropped while it runs: the patch may arrive after the undo. The caller awaits it to its end.
///
/// # Errors
/// 422 when the selector is another one now.
pub async fn set(
    cluster: &Cluster,
    service: &str,
    selector: &BTreeMap<String, String>,
    key: Key<'_>,
) -> Result<(), ApiError> {
    let services = cluster.api::<Service>();
    let selector = serde_json::to_value(selector).unwrap_or_default();
    let mut patch = vec![test("/spec/selector", selector), add(PATH, key.agent.into())];
    if key.pause {
        let live = services.get(service).await.doing(|| format!("read Service {service}"))?;
        patch.extend(pause(&live, key.agent));
    }
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    let patched = services.patch(service, &params, &Patch::Json::<()>(JsonPatch(patch))).await;
    patched.doing(|| format!("lead Service {service} to the agent")).map(drop)
}

/// Pauses Flux, unless somebody did.
fn pause(service: &Service, agent: &str) -> Vec<PatchOperation> {
    if gitops::is_paused(service) {
        return Vec::new();
    }
    if service.annotations().is_empty() {
        // Nobody else's annotation is overwritten: it would have another version.
        let version = service.resource_version().unwrap_or_default();
        let both = json!({PAUSE: PAUSE_VALUE, PAUSED: agent});
        return vec![test("/metadata/resourceVersion", version.into()), add("/metadata/annotations", both)];
    }
    vec![add(PAUSE_PATH, PAUSE_VALUE.into()), add(PAUSED_PATH, agent.into())]
}

/// Ends the pause that `agent` made.
fn resume(service: &Service, agent: &str) -> Vec<PatchOperation> {
    if paused_by(service) != Some(agent) {
        return Vec::new();
    }
    let mut patch = vec![test(PAUSED_PATH, agent.into()), remove(PAUSED_PATH)];
    if gitops::is_paused(service) {
        patch.push(remove(PAUSE_PATH));
    }
    patch
}

/// Takes the key off every Service of the namespace that leads to `agent`; returns their names.
///
/// # Flow
/// Lists the Services; for each that carries the key with this value, one JSON patch: `test` that it still does,
/// then `remove`. A pause of Flux that came with the key goes with it.
///
/// # Guarantees
/// Safe to repeat and to run from several machines at once. The key of another agent is never taken off.
///
/// # Errors
/// The API server can't be reached or refuses. That a Service or its key is gone already is no error.
pub async fn unset(cluster: &Cluster, agent: &str) -> Result<Vec<String>, ApiError> {
    let services = cluster.api::<Service>();
    let list = services.list(&ListParams::default()).await.doing(|| "list Services".into())?;
    let mut led = Vec::new();
    for service in list.items.iter().filter(|service| carries(service) == Some(agent)) {
        let name = service.name_any();
        let mut patch = resume(service, agent);
        if leads_to(service) == Some(agent) {
            patch.extend([test(PATH, agent.into()), remove(PATH)]);
        }
        let patch = Patch::Json::<()>(JsonPatch(patch));
        let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
        let patched = services.patch(&name, &params, &patch).await;
        match patched.doing(|| format!("lead Service {name} back to the originals")) {
            Ok(_) => led.push(name),
            // Somebody else was faster, or the Service is gone: what was wanted is true.
            Err(error) if error.is_not_found() || matches!(error.status(), Some(400 | 422)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(led)
}

/// The agent that a Service of the user's leads to. Our own Service for the agents always does, and is not meant.
pub fn leads_to(service: &Service) -> Option<&str> {
    if service.labels().get(MANAGED_BY).is_some_and(|by| by == DEVBRIDGE) {
        return None;
    }
    let selector = service.spec.as_ref()?.selector.as_ref()?;
    selector.get(AGENT).map(String::as_str)
}

/// The agent whose key or pause a Service carries.
pub fn carries(service: &Service) -> Option<&str> {
    leads_to(service).or_else(|| paused_by(service))
}

/// The agent that told Flux to leave this Service alone.
fn paused_by(service: &Service) -> Option<&str> {
    service.annotations().get(PAUSED).map(String::as_str)
}

fn add(path: &str, value: Value) -> PatchOperation {
    PatchOperation::Add(AddOperation { path: pointer(path), value })
}

fn remove(path: &str) -> PatchOperation {
    PatchOperation::Remove(RemoveOperation { path: pointer(path) })
}

/// Fails the whole patch when the value at `path` is another.
pub(super) fn test(path: &str, value: Value) -> PatchOperation {
    PatchOperation::Test(TestOperation { path: pointer(path), value })
}

fn pointer(path: &str) -> PointerBuf {
    // Only constants of this crate come here; an invalid one would address the whole object, and the API
    // server would refuse the patch.
    PointerBuf::parse(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_the_label_in_a_json_pointer() {
        let token = json_patch::jsonptr::Token::new(AGENT);
        assert_eq!(PATH, format!("/spec/selector/{}", token.encoded()));
        for (path, annotation) in [(PAUSED_PATH, PAUSED), (PAUSE_PATH, PAUSE)] {
            let token = json_patch::jsonptr::Token::new(annotation);
            assert_eq!(path, format!("/metadata/annotations/{}", token.encoded()));
        }
        assert_eq!(pointer(PATH).to_string(), PATH);
    }

    #[test]
    fn our_own_service_for_the_agents_is_not_one_to_undo() {
        let service = |labels: Value| -> Service {
            let spec = serde_json::json!({"selector": {AGENT: "web-devbridge"}});
            serde_json::from_value(serde_json::json!({"metadata": {"labels": labels}, "spec": spec})).unwrap()
        };
        assert_eq!(leads_to(&service(serde_json::json!({}))), Some("web-devbridge"));
        assert_eq!(leads_to(&service(serde_json::json!({MANAGED_BY: DEVBRIDGE}))), None);
    }

    #[test]
    fn a_pause_is_undone_as_a_whole_and_only_by_whose_it_is() {
        let before =
            json!({"metadata": {"name": "web", "annotations": {"team": "a"}}, "spec": {"ports": []}});
        let mut object = before.clone();
        let service = |object: &Value| -> Service { serde_json::from_value(object.clone()).unwrap() };
        let paused = pause(&service(&object), "web-devbridge");
        json_patch::patch(&mut object, &paused).unwrap();
        assert!(gitops::is_paused(&service(&object)));
        assert_eq!(carries(&service(&object)), Some("web-devbridge"));
        assert_eq!(resume(&service(&object), "shop-devbridge"), []);
        assert_eq!(pause(&service(&object), "shop-devbridge"), [], "it is paused already");
        let resumed = resume(&service(&object), "web-devbridge");
        json_patch::patch(&mut object, &resumed).unwrap();
        assert_eq!(object, before);
    }

    #[test]
    fn the_first_annotations_of_a_service_overwrite_nobodys() {
        let mut object = json!({"metadata": {"name": "web", "resourceVersion": "7"}});
        let service: Service = serde_json::from_value(object.clone()).unwrap();
        let patch = pause(&service, "web-devbridge");
        json_patch::patch(&mut object, &patch).unwrap();
        assert!(gitops::is_paused(&serde_json::from_value(object).unwrap()));
        let mut newer = json!({"metadata": {"name": "web", "resourceVersion": "8"}});
        assert!(json_patch::patch(&mut newer, &patch).is_err());
    }

    #[test]
    fn the_undo_line_can_be_pasted() {
        assert_eq!(
            undo_line("shop", "web"),
            "kubectl -n shop patch service web --type json \
             -p '[{\"op\":\"remove\",\"path\":\"/spec/selector/devbridge.dev~1agent\"}]'"
        );
    }
}
