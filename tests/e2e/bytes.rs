//! What TCP promises holds through agent and tunnel: every byte, each direction's own end, resets, many at once.

use harness::{Echo, Process, World, deadline};
use std::time::Duration;

harness::tests![
    a_gibibyte_arrives_unchanged_both_ways,
    ends_and_resets_are_kept_and_a_thousand_flows_live_at_once
];

const GIB: &str = "1073741824";
/// Both ends hash, on the same two cores as the cluster.
const BULK: Duration = Duration::from_secs(400);

async fn attached(world: &World) -> Process {
    world.echo(Echo::new("web").raw()).await;
    let serve = ["tool", "serve", "--name", "laptop", "--raw-port", "9000", "--greeting-port", "9001"];
    let mut session = world.devbridge(&[&["intercept", "web", "--"][..], &serve].concat());
    session.line("ready:", deadline::ATTACH).await;
    // All ports are led elsewhere at once.
    world.laptop_answers("http://web/").await;
    session
}

async fn a_gibibyte_arrives_unchanged_both_ways(world: World) {
    let session = attached(&world).await;
    for direction in ["up", "down"] {
        let ended = world.tool_ends(&["raw", direction, "web:9000", "--bytes", GIB], BULK).await;
        assert!(ended.success, "{direction}: {:?}\n{session:?}", ended.lines);
        world.note(&format!("1 GiB {direction} in {:.1} s", ended.last()["seconds"].as_f64().unwrap()));
    }
}

async fn ends_and_resets_are_kept_and_a_thousand_flows_live_at_once(world: World) {
    let session = attached(&world).await;
    for check in
        [&["half-close", "web:9000"][..], &["reset", "web:9000"], &["many", "web:9000", "--count", "1000"]]
    {
        let ended = world.tool_ends(&[&["raw"], check].concat(), Duration::from_secs(60)).await;
        assert!(ended.success, "{check:?}: {:?}\n{session:?}", ended.lines);
    }
    // A caller that waits for the server to speak first is not kept waiting.
    let greeting = world.tool_ends(&["raw", "greeting", "web:9001"], deadline::LOOK).await;
    assert_eq!(greeting.last()["by"], "laptop");
}
