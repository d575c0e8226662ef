//! The key: the one change to something of the user's.
//!
//! A swapped Service has one more key in its selector, which only the agent's pod carries as a label. Taking
//! the key away is the whole undo; anybody may do it, any number of times.

use std::collections::BTreeMap;

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch as JsonPatch, PatchOperation, RemoveOperation, TestOperation};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::Value;

use super::Cluster;
use super::api::{ApiError, Doing};
use super::names::{AGENT, DEVBRIDGE, MANAGED_BY, MANAGER};

/// [`AGENT`] in a JSON pointer (RFC 6901: `/` is written `~1`).
const PATH: &str = "/spec/selector/devbridge.dev~1agent";

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
/// One JSON patch: a `test` that the selector is still `selector`, then `add` of our key.
///
/// # Guarantees
/// No other field changes; when somebody edited the selector meanwhile, nothing changes.
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
    agent: &str,
) -> Result<(), ApiError> {
    let selector = serde_json::to_value(selector).unwrap_or_default();
    let add = PatchOperation::Add(AddOperation { path: pointer(PATH), value: agent.into() });
    let patch = JsonPatch(vec![test("/spec/selector", selector), add]);
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    let patched = cluster.api::<Service>().patch(service, &params, &Patch::Json::<()>(patch)).await;
    patched.doing(|| format!("lead Service {service} to the agent")).map(drop)
}

/// Takes the key off every Service of the namespace that leads to `agent`; returns their names.
///
/// # Flow
/// Lists the Services; for each that carries the key with this value, one JSON patch: `test` that it still does,
/// then `remove`.
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
    for service in list.items.iter().filter(|service| leads_to(service) == Some(agent)) {
        let name = service.name_any();
        let remove = PatchOperation::Remove(RemoveOperation { path: pointer(PATH) });
        let patch = Patch::Json::<()>(JsonPatch(vec![test(PATH, agent.into()), remove]));
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
    fn the_undo_line_can_be_pasted() {
        assert_eq!(
            undo_line("shop", "web"),
            "kubectl -n shop patch service web --type json \
             -p '[{\"op\":\"remove\",\"path\":\"/spec/selector/devbridge.dev~1agent\"}]'"
        );
    }
}
