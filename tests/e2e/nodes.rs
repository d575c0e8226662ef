//! Nodes and the API server go away and come back, in a cluster that these tests have for themselves.

use std::time::Duration;

use harness::{Echo, Goal, Load, Person, Rights, World, deadline};
use nix::sys::signal::Signal;
use tokio::time;

harness::tests![
    without_devbridge_a_node_that_is_stopped_or_frozen_is_silent_and_comes_back;
    faults:
    the_api_server_is_away_and_nobody_in_the_cluster_notices_and_the_session_comes_back,
    the_agents_node_loses_power_and_the_service_leads_to_originals,
];

/// Their cluster.
const GROUP: &str = "nodes";
/// Between clients and a Service that nobody has swapped.
const BETWEEN: Load = Load { fresh: 20, kept: 20, connections: 5 };

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
    world.echo(Echo::new("other")).await;
    let mut fault = world.fault("API server away for 20 s").goal(Goal::Originals(2.0));
    let load = world.load_apart("apart", "http://web/", Load::USUAL, 40).await;
    let between = world.load_apart("between", "http://other/", BETWEEN, 40).await;

    world.api_server().stop().await;
    fault.happened();
    session.line("state: connection to the agent lost", deadline::LOOK).await;
    let from = session.lines();
    // The outage itself: nothing to wait for.
    time::sleep(Duration::from_secs(20)).await;
    world.api_server().start().await;
    fault.over();
    session.line_after(from, "state: connected to the agent again", deadline::LOOK).await;
    world.laptop_answers("http://web/").await;

    let counted = load.end().await;
    assert!(counted.by.keys().any(|by| by.starts_with("web-")), "{counted:#?}");
    // What the laptop had taken when it was cut off, and may not be asked twice, is lost; nothing else.
    let begun: Vec<_> = counted.failures.iter().map(|failure| failure.at - failure.after_ms / 1e3).collect();
    let (first, last) =
        (begun.iter().copied().fold(f64::MAX, f64::min), begun.iter().copied().fold(0.0, f64::max));
    assert!(last - first < 1.0, "{counted:#?}\n{session:?}");
    assert!(counted.failures.iter().all(|failure| failure.method == "POST"), "{counted:#?}\n{session:?}");
    let untouched = between.end().await;
    assert!(untouched.failed == 0 && untouched.ok > 1_000, "{untouched:#?}");
    session.signal(Signal::SIGINT);
    assert_eq!(session.exit(deadline::LEAVE).await, 0, "{session:?}");
    world.nothing_is_left().await;
    fault.requests(&counted);
    fault.stays("nothing, after Ctrl-C");
    fault.tell(&(counted, session));
}

async fn the_agents_node_loses_power_and_the_service_leads_to_originals(world: World) {
    let world = world.own_cluster(GROUP, 3).await;
    let (originals, agents) = (world.node("node1"), world.node("node2"));
    world.user(Rights::ClusterAdmin).await;
    // Originals and keeper are not where the agent will be; a test must not depend on the scheduler's taste.
    agents.cordon(true).await;
    world.echo(Echo::new("web").replicas(2).spec(harness::spread(&["node1", "node2"], "web"))).await;
    let install = ["install", "-n", world.namespace()];
    let mut install = world.start("devbridge", &install, Rights::ClusterAdmin, Person::Unprivileged);
    assert_eq!(install.exit(deadline::ATTACH).await, 0, "{install:?}");
    agents.cordon(false).await;
    originals.cordon(true).await;
    let mut session = world.devbridge(&["intercept", "web", "--", "tool", "serve", "--name", "laptop"]);
    session.line("ready:", deadline::ATTACH).await;
    originals.cordon(false).await;
    world.laptop_answers("http://web/").await;
    let mut fault = world.fault("agent's node without power, keeper elsewhere").goal(Goal::Originals(4.0));
    let load = world.load("http://web/", Load::USUAL).await;
    let from = session.lines();
    // Its network goes first.
    fault.happened();
    agents.stop().await;
    fault.done();
    session.line_after(from, "state: at an agent again", deadline::ATTACH).await;
    world.laptop_answers("http://web/").await;

    // Until the keeper has seen it, requests are led to a machine that is not there.
    let counted = load.end().await;
    fault.requests(&counted);
    fault.tell(&(counted, session));
}
