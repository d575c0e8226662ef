//! Somebody else manages the Service: it is named before and when it puts the Service back, and not fought.

use std::time::Duration;

use harness::{Echo, World, deadline};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::time;

harness::tests![
    flux_is_paused_while_the_session_lasts_and_not_longer;
    faults: a_controller_that_puts_the_service_back_is_named_and_nothing_is_left,
];

/// What a GitOps controller applies again and again.
async fn apply(world: &World, manager: &str) {
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    });
    world.api().apply(&world.object("v1", "services/web"), manager, &service).await.unwrap();
}

async fn a_controller_that_puts_the_service_back_is_named_and_nothing_is_left(world: World) {
    world.echo(Echo::new("web")).await;
    apply(&world, "kustomize-controller").await;
    let before = world.snapshot().await;
    let mut session = world.devbridge(&["intercept", "web", "--", "tool", "serve", "--name", "laptop"]);
    session.line("warning: kustomize-controller manages Service web", deadline::ATTACH).await;
    session.line("ready:", deadline::ATTACH).await;
    let controller = async {
        for _ in 0..20 {
            apply(&world, "kustomize-controller").await;
            time::sleep(Duration::from_secs(2)).await;
        }
        Value::Null
    };
    let mut fault = world.fault("a GitOps controller puts the Service back; the session ends and names it");
    fault.happened();
    let told = async { json!(session.line("error[DB-GITOPS-001]", deadline::LOOK).await) };
    let ended = tokio::select! { never = controller => never, told = told => told };
    assert_ne!(ended, Value::Null, "{session:?}");
    assert!(session.has_said("kustomize.toolkit.fluxcd.io/reconcile=disabled"), "{session:?}");
    assert_eq!(session.exit(deadline::LEAVE).await, 65, "{session:?}");
    world.is_again(&before).await;
    fault.nothing_is_left();
    fault.tell(&session);
}

async fn flux_is_paused_while_the_session_lasts_and_not_longer(world: World) {
    world.echo(Echo::new("web")).await;
    apply(&world, "kustomize-controller").await;
    let before = world.snapshot().await;
    let intercept = ["intercept", "web", "--pause-gitops", "--", "tool", "serve", "--name", "laptop"];
    for end in ["asked", "killed"] {
        let mut session = world.devbridge(&intercept);
        session.line("ready:", deadline::ATTACH).await;
        let service = world.get("v1", "services/web").await.unwrap();
        assert_eq!(
            service["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/reconcile"], "disabled",
            "{session:?}"
        );
        world.laptop_answers("http://web/").await;
        if end == "asked" {
            session.signal(Signal::SIGINT);
            session.exit(deadline::LEAVE).await;
        } else {
            session.signal_group(Signal::SIGKILL);
            session.exit(deadline::LEAVE).await;
            let mut leave = world.devbridge(&["leave", "web"]);
            assert_eq!(leave.exit(deadline::LEAVE).await, 0, "{leave:?}");
        }
        world.is_again(&before).await;
    }
}
