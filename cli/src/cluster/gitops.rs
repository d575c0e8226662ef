//! Who else manages a Service's selector: a GitOps controller puts it back, and the swap with it.
//!
//! `spec.selector` is atomic under server-side apply (`+structType=atomic` in Kubernetes' API), so whoever applies a
//! Service that way puts the whole selector back at its next round: Flux, Argo CD with `ServerSideApply=true`, Helm 4.
//! Client-side apply leaves keys that it never set alone. Both leave traces: `managedFields`, labels, annotations.

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::ResourceExt;

use super::keeper;
use super::names::MANAGER;

/// By this annotation Flux' kustomize-controller leaves an object as it is.
pub const PAUSE: &str = "kustomize.toolkit.fluxcd.io/reconcile";
/// Its value.
pub const PAUSE_VALUE: &str = "disabled";
/// The selector in `managedFields`.
const SELECTOR: &str = "/f:spec/f:selector";

/// Who manages a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manager {
    /// Its field manager, or what is known of it.
    pub name: String,
    /// It applies the selector by server-side apply: it will put it back.
    pub applies: bool,
    service: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Flux,
    Argo,
    Helm,
    Unknown,
}

/// Who applied the selector, or else changed the Service last.
pub fn who_set_the_selector(service: &Service) -> Manager {
    let fields = service.metadata.managed_fields.iter().flatten();
    let others = || fields.clone().filter(|entry| !entry.manager.as_deref().is_some_and(is_ours));
    let applied = |entry: &&ManagedFieldsEntry, field: &str| {
        entry.operation.as_deref() == Some("Apply") && owns(entry, field)
    };
    let by_controller = |entry: &&ManagedFieldsEntry| {
        kind(service, entry.manager.as_deref().unwrap_or_default()) != Kind::Unknown
    };
    let applier = others().find(|entry| applied(entry, SELECTOR));
    // Whoever changed the selector took it from its applier, until that comes again: a session that has just ended did.
    let applier =
        applier.or_else(|| others().find(|entry| applied(entry, "/f:spec") && by_controller(entry)));
    let newest = || others().max_by_key(|entry| entry.time.as_ref().map(|time| time.0));
    let entry = applier.or_else(newest);
    let name = entry.and_then(|entry| entry.manager.clone()).filter(|name| !name.is_empty());
    let kind = kind(service, name.as_deref().unwrap_or_default());
    Manager {
        name: name.unwrap_or_else(|| "somebody".into()),
        applies: applier.is_some(),
        service: service.name_any(),
        kind,
    }
}

/// Whether the keeper changed the selector last. An update makes its manager the owner of what it changed.
pub fn keeper_set_the_selector(service: &Service) -> bool {
    let mut fields = service.metadata.managed_fields.iter().flatten();
    fields.any(|entry| entry.manager.as_deref() == Some(keeper::NAME) && owns(entry, SELECTOR))
}

/// Whether a manager's entry has `field`, a JSON pointer into `managedFields`.
fn owns(entry: &ManagedFieldsEntry, field: &str) -> bool {
    entry.fields_v1.as_ref().is_some_and(|fields| fields.0.pointer(field).is_some())
}

/// Who will put the key off again, as far as the Service tells: not those who apply on the client's side, not people
/// with kubectl, who come once, and not Flux where it was told to leave the Service alone.
pub fn will_revert(service: &Service) -> Option<Manager> {
    let manager = who_set_the_selector(service);
    let paused = manager.kind == Kind::Flux && is_paused(service);
    (manager.is_controller() && !paused).then_some(manager)
}

/// Whether Flux was told to leave the Service alone, by anybody.
pub fn is_paused(service: &Service) -> bool {
    service.annotations().get(PAUSE).is_some_and(|value| value == PAUSE_VALUE)
}

impl Manager {
    /// It can be told to leave one Service alone, by an annotation on it.
    pub fn can_be_paused(&self) -> bool {
        self.kind == Kind::Flux
    }

    /// It comes again and again by itself.
    pub fn is_controller(&self) -> bool {
        self.applies && self.kind != Kind::Unknown
    }

    /// What to do about it, one line each.
    pub fn settings(&self, namespace: &str) -> Vec<String> {
        let service = &self.service;
        match self.kind {
            Kind::Flux => vec![
                "--pause-gitops, which does this while the session lasts:".into(),
                format!("kubectl -n {namespace} annotate service {service} {PAUSE}={PAUSE_VALUE}"),
            ],
            Kind::Argo => vec![
                format!(
                    "in the Application: spec.ignoreDifferences: [{{kind: Service, name: {service}, jsonPointers: \
                     [/spec/selector/devbridge.dev~1agent]}}]"
                ),
                "and spec.syncPolicy.syncOptions: [RespectIgnoreDifferences=true]".into(),
            ],
            Kind::Helm => vec!["do not run helm upgrade while the session lasts".into()],
            Kind::Unknown => vec![format!(
                "have {} leave spec.selector of Service {service} alone while the session lasts",
                self.name
            )],
        }
    }
}

fn is_ours(manager: &str) -> bool {
    manager == MANAGER || manager.starts_with("devbridge-")
}

fn kind(service: &Service, manager: &str) -> Kind {
    let has = |prefix: &str| {
        let labels = service.labels().keys().chain(service.annotations().keys());
        labels.into_iter().any(|key| key.starts_with(prefix))
    };
    match manager {
        "kustomize-controller" => return Kind::Flux,
        "helm" | "helm-controller" => return Kind::Helm,
        manager if manager.starts_with("argocd") => return Kind::Argo,
        _ => {}
    }
    if has("kustomize.toolkit.fluxcd.io/") {
        Kind::Flux
    } else if has("argocd.argoproj.io/") {
        Kind::Argo
    } else {
        Kind::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn service(metadata: Value) -> Service {
        let mut service = json!({"metadata": metadata, "spec": {"selector": {"app": "web"}}});
        service["metadata"]["name"] = "web".into();
        serde_json::from_value(service).unwrap()
    }

    fn applied_by(manager: &str) -> Value {
        json!({"managedFields": [
            {"manager": "kube-controller-manager", "operation": "Update", "time": "2026-01-02T00:00:00Z",
             "fieldsV1": {"f:status": {}}},
            {"manager": manager, "operation": "Apply", "time": "2026-01-01T00:00:00Z",
             "fieldsV1": {"f:spec": {"f:selector": {}}}},
            {"manager": "devbridge", "operation": "Update", "time": "2026-01-03T00:00:00Z",
             "fieldsV1": {"f:spec": {"f:selector": {}}}},
        ]})
    }

    #[test]
    fn who_applies_the_selector_will_put_it_back_and_is_told_apart() {
        for (manager, word) in [
            ("kustomize-controller", "reconcile=disabled"),
            ("argocd-controller", "ignoreDifferences"),
            ("helm", "helm"),
        ] {
            let found = will_revert(&service(applied_by(manager))).unwrap();
            assert_eq!(found.name, manager);
            assert!(found.settings("shop").concat().contains(word), "{found:?}");
        }
    }

    #[test]
    fn a_controller_is_known_although_somebody_changed_the_selector_since_it_came() {
        let after = |manager: &str| {
            service(json!({"managedFields": [
                {"manager": manager, "operation": "Apply", "fieldsV1": {"f:spec": {"f:ports": {}}}},
                {"manager": "devbridge", "operation": "Update", "fieldsV1": {"f:spec": {"f:selector": {}}}},
            ]}))
        };
        assert!(will_revert(&after("kustomize-controller")).is_some());
        assert_eq!(will_revert(&after("kubectl")), None);
    }

    #[test]
    fn flux_that_was_told_to_leave_it_alone_will_not_put_it_back() {
        for (manager, reverts) in [("kustomize-controller", false), ("argocd-controller", true)] {
            let mut metadata = applied_by(manager);
            metadata["annotations"] = json!({PAUSE: PAUSE_VALUE});
            assert_eq!(will_revert(&service(metadata)).is_some(), reverts, "{manager}");
        }
    }

    #[test]
    fn a_person_who_applied_once_is_no_controller() {
        let service = service(applied_by("kubectl"));
        assert_eq!(will_revert(&service), None);
        assert!(who_set_the_selector(&service).applies);
    }

    #[test]
    fn without_an_applier_the_last_who_changed_it_is_named() {
        let service = service(json!({"managedFields": [
            {"manager": "old", "operation": "Update", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:spec": {}}},
            {"manager": "puts-it-back", "operation": "Update", "time": "2026-01-02T00:00:00Z", "fieldsV1": {"f:spec": {}}},
        ]}));
        let found = who_set_the_selector(&service);
        assert_eq!((found.name.as_str(), found.applies), ("puts-it-back", false));
    }
    #[test]
    fn the_keeper_is_told_from_others_who_took_the_key_off() {
        let set_by = |manager: &str| {
            service(json!({"managedFields": [
                {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {"f:ports": {}}}},
                {"manager": manager, "operation": "Update", "fieldsV1": {"f:spec": {"f:selector": {}}}},
            ]}))
        };
        assert!(keeper_set_the_selector(&set_by("devbridge-keeper")));
        assert!(!keeper_set_the_selector(&set_by("devbridge")));
        assert!(!keeper_set_the_selector(&set_by("argocd-controller")));
    }
}
