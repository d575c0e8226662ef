//! The agent's node is drained, as before its maintenance: the agent and an original are evicted at the same time.

use harness::{Echo, Goal, Load, World, deadline};

harness::tests![faults: a_drained_node_costs_no_request];

/// The cluster that tests of nodes have.
const GROUP: &str = "nodes";

async fn a_drained_node_costs_no_request(world: World) {
    let world = world.own_cluster(GROUP, 3).await;
    let (drained, other) = (world.node("node1"), world.node("node2"));
    world.echo(Echo::new("web").replicas(2).spec(harness::spread(&["node1", "node2"], "web"))).await;
    // A test must not depend on the scheduler's taste.
    other.cordon(true).await;
    let mut session = world.devbridge(&["intercept", "web", "--", "tool", "serve", "--name", "laptop"]);
    session.line("ready:", deadline::ATTACH).await;
    other.cordon(false).await;
    world.laptop_answers("http://web/").await;

    let mut fault = world.fault("agent's node drained, with an original on it").goal(Goal::Failed(0));
    let mut load = world.load("http://web/", Load::USUAL).await;
    load.answered_by("laptop", 200, deadline::LOOK).await;
    drained.cordon(true).await;
    let pods = world.places("web").await;
    let pods: Vec<_> = pods.iter().filter(|(_, place)| place == drained.name()).collect();
    // The agent carries the target's labels.
    assert!(pods.len() == 2 && pods.iter().any(|(pod, _)| pod.starts_with("web-devbridge-")), "{pods:?}");
    for (pod, _) in pods {
        world.evict(pod).await;
    }
    fault.happened();
    session.line("state: at an agent again", deadline::ATTACH).await;
    load.answered_by("laptop", 300, deadline::LOOK).await;
    drained.cordon(false).await;
    fault.leaves(session, load).await;
}
