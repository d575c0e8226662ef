//! The target changes under a running session: the laptop serves on, and its originals are found again.

use std::time::Duration;

use harness::{Echo, Fault, Goal, Load, World, deadline};
use serde_json::{Value, json};

harness::tests![
    faults:
    a_service_that_is_edited_stays_swapped_and_one_that_is_led_elsewhere_ends_the_session,
    a_deleted_namespace_ends_the_session_and_takes_everything_with_it,
    a_target_that_is_scaled_to_nothing_and_back_stays_swapped,
    a_target_that_is_rolled_out_stays_swapped_and_its_new_pods_are_the_originals,
];

/// Until rights or a login that are gone have ended a session: at most as long as a record lives without renewals.
const OVER: Duration = Duration::from_secs(120);

/// Changes the target of a session under load, and tells the row. In the end the originals serve.
async fn under_load(world: &World, mut fault: Fault, changes: impl AsyncFnOnce()) {
    world.echo(Echo::new("web").replicas(2)).await;
    let session = world.swapped().await;
    let mut load = world.load("http://web/", Load::USUAL).await;
    load.answered_by("laptop", 200, deadline::LOOK).await;
    fault.happened();
    changes().await;
    load.answered_by("laptop", 200, deadline::LOOK).await;
    fault.leaves(session, load).await;
    assert!(world.ask("http://web/").await["by"].as_str().unwrap().starts_with("web-"));
}

async fn a_target_that_is_scaled_to_nothing_and_back_stays_swapped(world: World) {
    let fault = world.fault("target scaled to 0 and back").goal(Goal::Failed(0));
    under_load(&world, fault, async || {
        let scale = world.object("apps/v1", "deployments/web/scale");
        for replicas in [0, 2] {
            world.api().merge(&scale, &json!({"spec": {"replicas": replicas}})).await.unwrap();
            deadline::eventually(deadline::PODS, "the originals are scaled", || async {
                let found =
                    world.get("apps/v1", "deployments/web").await.map_err(|error| error.to_string())?;
                let ready = found["status"]["readyReplicas"].as_u64().unwrap_or_default();
                if ready == replicas { Ok(()) } else { Err(format!("{ready} ready")) }
            })
            .await;
            world.laptop_answers("http://web/").await;
        }
    })
    .await;
}

async fn a_target_that_is_rolled_out_stays_swapped_and_its_new_pods_are_the_originals(world: World) {
    let fault = world.fault("target rolled out").goal(Goal::Failed(0));
    under_load(&world, fault, async || {
        let before = world.places("web").await;
        let template = json!({"spec": {"template": {"metadata": {"annotations": {"rolled": "out"}}}}});
        world.api().merge(&world.object("apps/v1", "deployments/web"), &template).await.unwrap();
        world.rolled_out("web").await;
        deadline::eventually(deadline::PODS, "the former pods are gone", || async {
            let now = world.places("web").await;
            let old: Vec<_> = now.iter().filter(|pod| before.contains(pod) && !is_agent(&pod.0)).collect();
            if old.is_empty() { Ok(()) } else { Err(format!("{old:?}")) }
        })
        .await;
    })
    .await;
}

async fn a_service_that_is_edited_stays_swapped_and_one_that_is_led_elsewhere_ends_the_session(world: World) {
    world.echo(Echo::new("web").replicas(2)).await;
    world.echo(Echo::new("green")).await;
    let mut session = world.swapped().await;
    let service = world.object("v1", "services/web");
    let edit = async |patch: Value| drop(world.api().merge(&service, &patch).await.unwrap());

    let mut edited = world.fault("Service edited: labels, annotations, another port").goal(Goal::Failed(0));
    let mut load = world.load("http://web/", Load::USUAL).await;
    load.answered_by("laptop", 200, deadline::LOOK).await;
    edited.happened();
    edit(json!({ "metadata": { "labels": { "team": "shop" }, "annotations": { "note": "edited" } } })).await;
    let mut ports = world.get("v1", "services/web").await.unwrap()["spec"]["ports"].clone();
    ports.as_array_mut().unwrap().push(json!({ "name": "more", "port": 81, "targetPort": 81 }));
    edit(json!({ "spec": { "ports": ports } })).await;
    load.answered_by("laptop", 500, deadline::LOOK).await;
    edited.requests(&load.end().await);
    assert!(!session.has_said("state:"), "{session:?}");
    edited.tell(&session);

    let what = "Service led to other pods (blue/green); the session ends and says why";
    let mut led = world.fault(what).goal(Goal::Originals(3.0));
    let mut load = world.load("http://web/", Load::USUAL).await;
    load.answered_by("laptop", 200, deadline::LOOK).await;
    led.happened();
    edit(json!({ "spec": { "selector": { "app": "green" } } })).await;
    session.line("error[DB-SWAP-003]", deadline::LEAVE).await;
    assert_ne!(session.exit(deadline::LEAVE).await, 0, "{session:?}");
    load.go_on(2.0).await;
    let counted = load.end().await;
    world.nothing_is_left().await;
    // The user's edit stands, and nothing else.
    let selector = world.get("v1", "services/web").await.unwrap()["spec"]["selector"].clone();
    assert_eq!(selector, json!({ "app": "green" }));
    led.requests(&counted);
    led.stays("nothing");
    led.tell(&(counted, session));
}

/// The agent's pod carries the target's labels.
fn is_agent(pod: &str) -> bool {
    pod.starts_with("web-devbridge-")
}

async fn a_deleted_namespace_ends_the_session_and_takes_everything_with_it(world: World) {
    let gone = world.another("gone").await;
    gone.echo(Echo::new("web")).await;
    let mut session = gone.swapped().await;
    let path = format!("/api/v1/namespaces/{}", gone.namespace());
    let mut fault = world.fault("namespace deleted; the session ends and says why");
    gone.api().delete(&path).await.unwrap();
    fault.happened();
    let code = session.exit(OVER).await;
    assert!(code != 0 && session.stderr().contains("error["), "{code}: {session:?}");
    gone.nothing_runs().await;
    deadline::eventually(deadline::CLEAN, "the namespace is gone", || async {
        match gone.api().get(&path).await {
            Err(error) if error.code == Some(404) => Ok(()),
            Err(error) => Err(error.to_string()),
            Ok(found) => Err(found["status"].to_string()),
        }
    })
    .await;
    fault.nothing_is_left();
    fault.tell(&session);
}
