//! Nodes and the API server go away and come back, in a cluster that these tests have for themselves.

use std::time::Duration;

use harness::{Echo, Load, World, deadline};
use tokio::time;

harness::tests![
    without_devbridge_a_node_that_is_stopped_or_frozen_is_silent_and_comes_back,
    the_api_server_is_away_and_nobody_in_the_cluster_notices_and_the_session_comes_back,
];

/// Their cluster.
const GROUP: &str = "nodes";

async fn without_devbridge_a_node_that_is_stopped_or_frozen_is_silent_and_comes_back(world: World) {
    let world = world.own_cluster(GROUP, 2).await;
    let node = world.node("node1");
    world.echo(Echo::new("web").spec(node.spec())).await;
    assert!(world.places("web").await.iter().all(|(_, place)| place == node.name()));
    for away in ["frozen", "stopped"] {
        if away == "frozen" {
            node.freeze().await;
        } else {
            node.stop().await;
        }
        let ended = world.tool_ends(&["get", "http://web/", "--timeout-ms", "2000"], deadline::LOOK).await;
        // Not refused, not unreachable: what was sent is lost.
        assert_eq!(ended.last()["error"], "no answer in time", "{away}: {ended:?}");
        node.start().await;
        deadline::eventually(deadline::PODS, "the service answers again", || world.try_ask("http://web/"))
            .await;
    }
    let added = world.add_node().await;
    world.echo(Echo::new("more").spec(added.spec())).await;
    added.remove().await;
}

async fn the_api_server_is_away_and_nobody_in_the_cluster_notices_and_the_session_comes_back(world: World) {
    let world = world.own_cluster(GROUP, 2).await;
    world.echo(Echo::new("web").replicas(2)).await;
    let mut session = world.devbridge(&["intercept", "web", "--", "tool", "serve", "--name", "laptop"]);
    session.line("ready:", deadline::ATTACH).await;
    world.laptop_answers("http://web/").await;
    let load = world.load_apart("apart", "http://web/", Load::USUAL, 40).await;

    world.api_server().stop().await;
    session.line("state: connection to the agent lost", deadline::LOOK).await;
    let from = session.lines();
    // The outage itself: nothing to wait for.
    time::sleep(Duration::from_secs(20)).await;
    world.api_server().start().await;
    session.line_after(from, "state: connected to the agent again", deadline::LOOK).await;
    world.laptop_answers("http://web/").await;

    let counted = load.end().await;
    assert!(counted.by.keys().any(|by| by.starts_with("web-")), "{counted:#?}");
    assert_eq!(counted.failed, 0, "{counted:#?}\n{session:?}");
}
