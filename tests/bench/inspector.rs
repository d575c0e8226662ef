//! What the request inspector costs: three sessions side by side, one that records and two that do not (`--no-record`),
//! measured in turn with HTTP/1.1 from inside the cluster; and the processor time of each session for a request. What differs
//! between the two that do the same is what the measure itself can't tell.

use harness::{Echo, Process, World, deadline};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::median;
use super::ways::{WAY, print};

harness::tests![what_is_recorded_costs];

/// Rounds of both.
const ROUNDS: usize = 7;

async fn what_is_recorded_costs(world: World) {
    let mut sessions = Vec::new();
    let off = Some("--no-record");
    for (name, more) in [("records", None), ("does-not", off), ("neither", off)] {
        world.echo(Echo::new(name)).await;
        let args = [&["intercept", name][..], more.as_slice(), &["--", "tool", "serve", "--name", "laptop"]]
            .concat();
        let mut session = world.devbridge(&args);
        session.line("ready:", deadline::ATTACH).await;
        world.laptop_answers(&format!("http://{name}/")).await;
        sessions.push((name, session));
    }
    let mut figures: Vec<(&str, Vec<Value>)> = sessions.iter().map(|(name, _)| (*name, Vec::new())).collect();
    let mut ticks = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        for at in (round..round + sessions.len()).map(|at| at % sessions.len()) {
            let (name, session) = &sessions[at];
            let before = processor(session);
            let address = format!("{name}:80");
            let ended = world.tool_ends(&["measure", &address, "--http"], WAY).await;
            figures[at].1.push(ended.last());
            ticks[at].push(processor(session) - before);
        }
    }
    print("inspector", ROUNDS, &figures);
    let ratio = |at: usize, path: &str| {
        let of = |round: &Value| round.pointer(path).and_then(Value::as_f64).unwrap_or(f64::NAN);
        let pairs = figures[at].1.iter().zip(&figures[1].1).map(|(with, without)| of(with) / of(without));
        median(pairs.collect())
    };
    for what in ["/up", "/down", "/serial/per_second", "/kept/per_second", "/fresh/per_second"] {
        println!(
            "inspector {what:20} median of pairs: recording / not {:.3}, not / not {:.3}",
            ratio(0, what),
            ratio(2, what)
        );
    }
    let ticks = ticks.map(median);
    println!(
        "inspector processor time of a round, in ticks: {:.0}, {:.0}, {:.0}",
        ticks[0], ticks[1], ticks[2]
    );
    for (_, mut session) in sessions {
        session.signal(Signal::SIGINT);
        session.exit(deadline::LEAVE).await;
    }
}

/// Ticks of the processor that a session has used, in user and kernel (proc(5)).
fn processor(session: &Process) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", session.pid())).unwrap();
    let after = stat.rsplit_once(')').unwrap().1;
    after.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum()
}
