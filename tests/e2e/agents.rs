//! The agent goes away under a running session: originals serve, and the session goes on at the next agent.

use std::time::Duration;

use harness::{Echo, Load, Process, Summary, World, deadline};
use nix::sys::signal::Signal;
use serde_json::json;

harness::tests![
    an_agent_whose_process_is_killed_refuses_nobody_and_is_replaced,
    an_agent_whose_container_is_killed_is_replaced,
    an_agent_whose_pod_is_deleted_is_replaced_and_no_request_fails,
    an_agent_whose_deployment_is_deleted_is_made_again,
    a_target_that_is_scaled_to_nothing_and_back_stays_swapped,
    a_session_ends_when_its_service_or_its_target_is_deleted,
];

/// Until the laptop serves again: three times the usual.
const AGAIN: Duration = Duration::from_secs(30);

async fn attached(world: &World) -> Process {
    world.echo(Echo::new("web").replicas(2)).await;
    let mut session = world.devbridge(&["intercept", "web", "--", "tool", "serve", "--name", "laptop"]);
    session.line("ready:", deadline::ATTACH).await;
    world.laptop_answers("http://web/").await;
    session
}

/// Does something to the agent under load; gives what was counted, and when it happened on the load's clock.
async fn under_load(world: &World, session: &mut Process, fault: impl AsyncFnOnce()) -> (Summary, f64) {
    let mut load = world.load("http://web/", Load::USUAL).await;
    load.answered_by("laptop", 200, deadline::LOOK).await;
    let at = load.clock();
    fault().await;
    session.line("state: at an agent again", AGAIN).await;
    load.answered_by("laptop", 500, AGAIN).await;
    session.signal(Signal::SIGINT);
    assert_eq!(session.exit(deadline::LEAVE).await, 0, "{session:?}");
    load.go_on(2.0).await;
    (load.end().await, at)
}

async fn an_agent_whose_process_is_killed_refuses_nobody_and_is_replaced(world: World) {
    let mut session = attached(&world).await;
    let (_, uid) = world.pod("devbridge.dev/agent").await;
    let (counted, at) = under_load(&world, &mut session, async || {
        assert_eq!(world.kill_in_pod(&uid, "traffic-agent"), 1);
    })
    .await;
    // The listening sockets are the bootstrap's: who connects meanwhile waits. What was open ended with the process.
    let refused = counted.failures.iter().filter(|failure| failure.step == "connect").count();
    assert_eq!(refused, 0, "{counted:#?}");
    assert!(
        counted.failures.iter().all(|failure| (at - 0.5..at + 3.0).contains(&failure.at)),
        "{at} {counted:#?}"
    );
    world.note(&format!("process killed: {} of {} requests failed", counted.failed, counted.ok));
}

async fn an_agent_whose_container_is_killed_is_replaced(world: World) {
    let mut session = attached(&world).await;
    let (_, uid) = world.pod("devbridge.dev/agent").await;
    let (counted, at) = under_load(&world, &mut session, async || {
        assert_eq!(world.kill_in_pod(&uid, "bootstrap"), 1);
    })
    .await;
    // Three times the goal.
    assert!(
        counted.failures.iter().all(|failure| (at - 0.5..at + 9.0).contains(&failure.at)),
        "{at} {counted:#?}"
    );
    world.note(&format!("container killed: {} of {} requests failed", counted.failed, counted.ok));
}

async fn an_agent_whose_pod_is_deleted_is_replaced_and_no_request_fails(world: World) {
    let mut session = attached(&world).await;
    let (name, _) = world.pod("devbridge.dev/agent").await;
    let (counted, _) = under_load(&world, &mut session, async || {
        world.api().delete(&world.object("v1", &format!("pods/{name}"))).await.unwrap();
    })
    .await;
    assert_eq!(counted.failed, 0, "{counted:#?}\n{session:?}");
}

async fn an_agent_whose_deployment_is_deleted_is_made_again(world: World) {
    let mut session = attached(&world).await;
    let (counted, _) = under_load(&world, &mut session, async || {
        world.api().delete(&world.object("apps/v1", "deployments/web-devbridge")).await.unwrap();
    })
    .await;
    assert_eq!(counted.failed, 0, "{counted:#?}\n{session:?}");
}

async fn a_target_that_is_scaled_to_nothing_and_back_stays_swapped(world: World) {
    world.echo(Echo::new("web").replicas(2)).await;
    let mut session = world.devbridge(&["intercept", "web", "--", "tool", "serve", "--name", "laptop"]);
    session.line("ready:", deadline::ATTACH).await;
    let scale = world.object("apps/v1", "deployments/web/scale");
    for replicas in [0, 2] {
        world.api().merge(&scale, &json!({"spec": {"replicas": replicas}})).await.unwrap();
        deadline::eventually(deadline::PODS, "the originals are scaled", || async {
            let found = world.get("apps/v1", "deployments/web").await.map_err(|error| error.to_string())?;
            let ready = found["status"]["readyReplicas"].as_u64().unwrap_or_default();
            if ready == replicas { Ok(()) } else { Err(format!("{ready} ready")) }
        })
        .await;
        world.laptop_answers("http://web/").await;
    }
    session.signal(Signal::SIGINT);
    assert_eq!(session.exit(deadline::LEAVE).await, 0, "{session:?}");
    assert!(world.ask("http://web/").await["by"].as_str().unwrap().starts_with("web-"));
    nothing_is_left(&world).await;
}

async fn a_session_ends_when_its_service_or_its_target_is_deleted(world: World) {
    for (name, version, what, code) in [
        ("service", "v1", "services/web", "DB-SWAP-002"),
        ("target", "apps/v1", "deployments/web", "DB-TARGET-007"),
    ] {
        let world = world.another(name).await;
        let mut session = attached(&world).await;
        world.api().delete(&world.object(version, what)).await.unwrap();
        session.line(&format!("error[{code}]"), AGAIN).await;
        assert_ne!(session.exit(deadline::LEAVE).await, 0, "{session:?}");
        nothing_is_left(&world).await;
    }
}

async fn nothing_is_left(world: &World) {
    deadline::eventually(deadline::CLEAN, "nothing is left behind", || async {
        let now = world.snapshot().await;
        let left = now.left_behind();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
}
