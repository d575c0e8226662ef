//! Requests from inside the cluster to one Service: answered directly, by the laptop through the agent, and by an
//! original through the agent.

use harness::{Echo, Process, World, deadline};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::ways::{WAY, print};

harness::tests![requests_to_the_laptop_and_to_originals_beside_direct_ones];

/// Rounds of all three.
const ROUNDS: usize = 3;

async fn requests_to_the_laptop_and_to_originals_beside_direct_ones(world: World) {
    world.echo(Echo::new("web").raw()).await;
    let mut figures: Vec<(&str, Vec<Value>)> =
        vec![("direct", Vec::new()), ("laptop", Vec::new()), ("original by the agent", Vec::new())];
    for _ in 0..ROUNDS {
        figures[0].1.push(measured(&world).await);
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
        figures[1].1.push(measured(&world).await);
        leave(session).await;
        let mut session =
            world.devbridge(&["intercept", "web", "-p", "1:80", "-p", "1:9000", "-p", "1:9001"]);
        session.line("ready:", deadline::ATTACH).await;
        figures[2].1.push(measured(&world).await);
        leave(session).await;
    }
    print("requests", ROUNDS, &figures);
}

async fn measured(world: &World) -> Value {
    let ended = world.tool_ends(&["measure", "web:9000"], WAY).await;
    ended.last()
}

async fn leave(mut session: Process) {
    session.signal(Signal::SIGINT);
    session.exit(deadline::LEAVE).await;
}
