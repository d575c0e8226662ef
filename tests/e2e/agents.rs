//! The agent goes away under a running session: originals serve, and the session goes on at the next agent.

use std::time::Duration;

use harness::{Echo, Fault, Goal, Load, World, deadline};

harness::tests![faults:
    a_session_ends_when_its_service_or_its_target_is_deleted,
    an_agent_whose_process_is_killed_refuses_nobody_and_is_replaced,
    an_agent_whose_container_is_killed_is_replaced,
    an_agent_that_runs_out_of_memory_is_replaced,
    an_agent_whose_pod_is_deleted_is_replaced_and_no_request_fails,
    an_agent_whose_pod_is_evicted_is_replaced_and_no_request_fails,
    an_agent_whose_deployment_is_deleted_is_made_again,
];

/// Until the laptop serves again: three times the usual.
const AGAIN: Duration = Duration::from_secs(30);

/// Does something to the agent under load, which it is told as a name and a uid, and tells the row.
async fn under_load(world: &World, mut fault: Fault, happens: impl AsyncFnOnce(&str, &str)) {
    world.echo(Echo::new("web").replicas(2)).await;
    let before = world.snapshot().await;
    let mut session = world.swapped().await;
    let (name, uid) = world.pod("devbridge.dev/agent").await;
    let mut load = world.load("http://web/", Load::USUAL).await;
    load.answered_by("laptop", 200, deadline::LOOK).await;
    happens(&name, &uid).await;
    fault.happened();
    session.line("state: at an agent again", AGAIN).await;
    load.answered_by("laptop", 500, AGAIN).await;
    fault.leaves(session, load).await;
    world.is_again(&before).await;
}

async fn an_agent_whose_process_is_killed_refuses_nobody_and_is_replaced(world: World) {
    // The listening sockets are the bootstrap's: who connects meanwhile waits. What was open ended with the process.
    let fault = world.fault("agent's process `kill -9`").goal(Goal::Refused(0)).goal(Goal::Originals(1.0));
    under_load(&world, fault, async |_, uid| {
        assert_eq!(world.kill_in_pod(uid, "traffic-agent"), 1);
    })
    .await;
}

async fn an_agent_whose_container_is_killed_is_replaced(world: World) {
    let fault = world.fault("agent's container `kill -9`").goal(Goal::Originals(3.0));
    under_load(&world, fault, async |_, uid| {
        assert_eq!(world.kill_in_pod(uid, "bootstrap"), 1);
    })
    .await;
}

async fn an_agent_that_runs_out_of_memory_is_replaced(world: World) {
    let fault = world.fault("agent out of memory").goal(Goal::Originals(3.0));
    under_load(&world, fault, async |_, uid| world.fill_memory_in_pod(uid, "traffic-agent").await).await;
}

async fn an_agent_whose_pod_is_deleted_is_replaced_and_no_request_fails(world: World) {
    under_load(&world, world.fault("agent's pod deleted").goal(Goal::Failed(0)), async |name, _| {
        world.api().delete(&world.object("v1", &format!("pods/{name}"))).await.unwrap();
    })
    .await;
}

async fn an_agent_whose_pod_is_evicted_is_replaced_and_no_request_fails(world: World) {
    let fault = world.fault("agent's pod evicted by the Eviction API").goal(Goal::Failed(0));
    under_load(&world, fault, async |name, _| world.evict(name).await).await;
}

async fn an_agent_whose_deployment_is_deleted_is_made_again(world: World) {
    under_load(&world, world.fault("agent's Deployment deleted").goal(Goal::Failed(0)), async |_, _| {
        world.api().delete(&world.object("apps/v1", "deployments/web-devbridge")).await.unwrap();
    })
    .await;
}

async fn a_session_ends_when_its_service_or_its_target_is_deleted(world: World) {
    for (name, version, what, code) in [
        ("service", "v1", "services/web", "DB-SWAP-002"),
        ("target", "apps/v1", "deployments/web", "DB-TARGET-007"),
    ] {
        let world = world.another(name).await;
        world.echo(Echo::new("web").replicas(2)).await;
        let mut session = world.swapped().await;
        let mut fault = world.fault(&format!("{name} deleted; the session ends and says why"));
        world.api().delete(&world.object(version, what)).await.unwrap();
        fault.happened();
        session.line(&format!("error[{code}]"), AGAIN).await;
        assert_ne!(session.exit(deadline::LEAVE).await, 0, "{session:?}");
        world.nothing_is_left().await;
        fault.nothing_is_left();
        fault.tell(&session);
    }
}
