//! Requests from inside the cluster to one Service: answered directly, by the laptop through the agent, and by an
//! original through the agent, where there is no laptop (it was killed) and where its process refuses every connection,
//! so that each fresh one is offered to it first.

use harness::{Echo, Process, World, deadline};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::ways::{WAY, print};

harness::tests![requests_to_the_laptop_and_to_originals_beside_direct_ones];

/// Rounds of all four.
const ROUNDS: usize = 3;

async fn requests_to_the_laptop_and_to_originals_beside_direct_ones(world: World) {
    world.echo(Echo::new("web").raw()).await;
    world.echo(Echo::new("left").raw()).await;
    // Without the right to make roles there is no keeper, and the agent stays where it is.
    let mut killed = world.devbridge(&["intercept", "left", "-p", "1:80", "-p", "1:9000", "-p", "1:9001"]);
    killed.line("ready:", deadline::ATTACH).await;
    killed.signal_group(Signal::SIGKILL);
    let mut figures: Vec<(&str, Vec<Value>)> =
        ["direct", "laptop", "original, no laptop", "original, refused"].map(|way| (way, Vec::new())).into();
    for _ in 0..ROUNDS {
        figures[0].1.push(measured(&world, "web:9000").await);
        let serve = [
            "intercept",
            "web",
            "--",
            "tool",
            "serve",
            "--name",
            "laptop",
            "--raw-port",
            "9000",
            "--greeting-port",
            "9001",
        ];
        let mut session = world.devbridge(&serve);
        session.line("ready:", deadline::ATTACH).await;
        world.laptop_answers("http://web/").await;
        figures[1].1.push(measured(&world, "web:9000").await);
        leave(session).await;
        figures[2].1.push(measured(&world, "left:9000").await);
        let mut session =
            world.devbridge(&["intercept", "web", "-p", "1:80", "-p", "1:9000", "-p", "1:9001"]);
        session.line("ready:", deadline::ATTACH).await;
        figures[3].1.push(measured(&world, "web:9000").await);
        leave(session).await;
    }
    print("requests", ROUNDS, &figures);
}

async fn measured(world: &World, address: &str) -> Value {
    let ended = world.tool_ends(&["measure", address], WAY).await;
    ended.last()
}

async fn leave(mut session: Process) {
    session.signal(Signal::SIGINT);
    session.exit(deadline::LEAVE).await;
}
