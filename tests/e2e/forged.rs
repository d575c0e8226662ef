//! The keeper acts on what records say, and anybody may write records: forged ones make it do nothing else.

use std::time::Duration;

use harness::{Echo, World, deadline};
use serde_json::{Value, json};

use crate::keeper::{KEY, RESUME, TTL, kept, may_make_roles};

harness::tests![forged_records_make_the_keeper_do_nothing_to_what_is_not_a_session];

async fn forged_records_make_the_keeper_do_nothing_to_what_is_not_a_session(world: World) {
    let elsewhere = world.another("forge-else").await;
    for world in [&world, &elsewhere] {
        world.echo(Echo::new("web")).await;
        world.echo(Echo::new("other")).await;
    }
    may_make_roles(&world).await;
    let session = kept(&world).await;
    let lease = |name: &str, ours: bool, annotations: Value| {
        let by = if ours { "devbridge" } else { "Helm" };
        json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {
                "name": name, "annotations": annotations,
                "labels": { "app.kubernetes.io/managed-by": by, "devbridge.dev/target": "other" },
            },
            "spec": { "holderIdentity": "mallory", "leaseDurationSeconds": 1, "renewTime": "2000-01-01T00:00:00.000000Z" },
        })
    };
    // An object that a record says it owns, one that says it is owned by a record, and a Secret with our label.
    let web = world.get("apps/v1", "deployments/web").await.unwrap();
    let mut owned = lease("devbridge-owner", true, json!({}));
    owned["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": web["metadata"]["uid"],
    }]);
    let bystanders = [
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": {
            "name": "devbridge-other", "labels": { "app.kubernetes.io/managed-by": "devbridge", "devbridge.dev/target": "other" } } }),
        lease("not-of-devbridge", true, json!({})),
        lease("devbridge-not-ours", false, json!({ KEY: "web-devbridge" })),
    ];
    for object in &bystanders {
        world.create(object).await;
    }
    // A key that nobody's session has set.
    let path = world.object("v1", "services/other");
    world.api().merge(&path, &json!({ "spec": { "selector": { KEY: "nobody" } } })).await.unwrap();
    let long = "x".repeat(100_000);
    let forged = [
        (
            "devbridge-steals",
            json!({ KEY: "web-devbridge", "devbridge.dev/services": "web,other,kubernetes" }),
        ),
        ("devbridge-long", json!({ KEY: long, "devbridge.dev/services": long })),
        (
            "devbridge-garbage",
            json!({ KEY: "\u{0}../../\"}]\r\n", "devbridge.dev/undo": "kubectl delete ns --all" }),
        ),
        ("devbridge-far", json!({ KEY: "web-devbridge", "devbridge.dev/namespace": elsewhere.namespace() })),
    ];
    world.create(&owned).await;
    for (name, annotations) in &forged {
        world.create(&lease(name, true, annotations.clone())).await;
    }
    elsewhere.create(&lease("devbridge-web", true, json!({ KEY: "web-devbridge" }))).await;
    let before = elsewhere.snapshot().await;
    let kept_before = [
        world.get("v1", "services/web").await.unwrap()["spec"].clone(),
        world.get("apps/v1", "deployments/other").await.unwrap()["spec"].clone(),
        world.get("apps/v1", "deployments/web").await.unwrap()["spec"].clone(),
    ];

    // All that it does: what carries our label and is renewed by nobody goes, and the key that leads nowhere.
    let mut all: Vec<_> = forged.iter().map(|(name, _)| *name).collect();
    all.push("devbridge-owner");
    deadline::eventually(TTL + RESUME + Duration::from_secs(15), "forged records are deleted", || async {
        let leases =
            world.get("coordination.k8s.io/v1", "leases").await.map_err(|error| error.to_string())?;
        let names: Vec<_> =
            leases["items"].as_array().into_iter().flatten().map(|l| l["metadata"]["name"].clone()).collect();
        if names.iter().any(|name| all.iter().any(|forged| name == forged)) {
            Err(format!("{names:?}"))
        } else {
            Ok(())
        }
    })
    .await;
    world.laptop_answers("http://web/").await;
    assert!(!session.has_said("state: "), "{session:?}");
    let kept_after = [
        world.get("v1", "services/web").await.unwrap()["spec"].clone(),
        world.get("apps/v1", "deployments/other").await.unwrap()["spec"].clone(),
        world.get("apps/v1", "deployments/web").await.unwrap()["spec"].clone(),
    ];
    assert_eq!(kept_before, kept_after);
    assert_eq!(
        world.get("v1", "services/other").await.unwrap()["spec"]["selector"],
        json!({ "app": "other" })
    );
    world.get("v1", "secrets/devbridge-other").await.unwrap();
    for name in ["not-of-devbridge", "devbridge-not-ours"] {
        world.get("coordination.k8s.io/v1", &format!("leases/{name}")).await.unwrap();
    }
    world.get("coordination.k8s.io/v1", "leases/devbridge-web").await.unwrap();
    assert_eq!(before.changes_to(&elsewhere.snapshot().await), Vec::<String>::new());
}
