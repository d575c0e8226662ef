use super::*;
use serde_json::{Value, json};

fn deployment(name: &str, labels: &Value, containers: &Value) -> Deployment {
    serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels}, "spec": {"containers": containers}}}
    }))
    .unwrap()
}

fn web() -> Deployment {
    let containers = json!([
        {"name": "proxy", "ports": [{"containerPort": 15000}]},
        {"name": "app", "ports": [{"name": "http", "containerPort": 8080}, {"containerPort": 9090}]}
    ]);
    deployment("web", &json!({"app": "web"}), &containers)
}

fn service(name: &str, spec: Value) -> Service {
    serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap()
}

fn find(written: &str, services: &[Service]) -> Result<Target, TargetError> {
    Target::among("shop", written, &[web()], services)
}

#[test]
fn the_service_and_the_container_behind_a_named_port_are_found() {
    let services = [
        service("front", json!({"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]})),
        service("other", json!({"selector": {"app": "db"}, "ports": [{"port": 5432}]})),
    ];
    for written in ["web", "deploy/web", "service/front", "front"] {
        let target = find(written, &services).unwrap();
        assert_eq!(target.container, 1);
        assert_eq!(target.services.len(), 1);
        assert_eq!(target.services[0].ports[0].container, 8080);
        assert_eq!(target.ports().into_iter().collect::<Vec<_>>(), [8080, 9090]);
    }
}

#[test]
fn our_own_key_is_not_taken_for_the_users_selector() {
    let selector = json!({"app": "web", AGENT: "web-devbridge"});
    let services =
        [service("web", json!({"selector": selector, "ports": [{"port": 80, "targetPort": 8080}]}))];
    let target = find("web", &services).unwrap();
    assert_eq!(target.services[0].selector, BTreeMap::from([("app".into(), "web".into())]));
}

#[test]
fn what_cannot_be_swapped_is_refused_with_a_reason() {
    let refused = |spec: Value| match find("web", &[service("web", spec)]) {
        Err(TargetError::Service { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    let selector = json!({"app": "web"});
    let udp = json!({"selector": selector, "ports": [{"port": 53, "protocol": "UDP"}]});
    assert!(refused(udp).contains("UDP"));
    let gone = json!({"selector": selector, "ports": [{"port": 80, "targetPort": "nothing"}]});
    assert!(refused(gone).contains("port 80"));
    let policy = json!({"selector": selector, "ports": [{"port": 80, "targetPort": 8080}], "internalTrafficPolicy": "Local"});
    assert!(refused(policy).contains("Local"));
}

#[test]
fn a_name_that_is_not_there_lists_what_is() {
    let Err(TargetError::Missing { there, .. }) = find("wbe", &[]) else { panic!() };
    assert_eq!(there, ["web"]);
    assert!(matches!(find("web", &[]), Err(TargetError::NoService(_))));
    assert!(matches!(find("statefulset/web", &[]), Err(TargetError::Kind(_))));
}
