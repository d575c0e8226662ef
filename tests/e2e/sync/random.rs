//! `sync` under ten thousand random operations, with kills and cuts in between: at each quiet point both trees are the same,
//! byte for byte, mode for mode, time for time.

use std::time::Duration;

use harness::{Cut, Echo, Person, Process, Rights, Silent, World, deadline};
use nix::sys::signal::Signal;
use serde_json::Value;

harness::tests![ten_thousand_operations_and_what_goes_wrong_meanwhile_leave_both_trees_the_same];

/// Quiet points, and operations before each.
const ROUNDS: u64 = 20;
const OPERATIONS: &str = "500";
/// From the last operation to the same trees: an agent may have to be found again.
const SAME: Duration = Duration::from_secs(60);
/// How long 500 operations may take.
const BURST: Duration = Duration::from_secs(60);

async fn ten_thousand_operations_and_what_goes_wrong_meanwhile_leave_both_trees_the_same(world: World) {
    world.echo(Echo::new("web").app(&[])).await;
    let code = world.path("code");
    std::fs::create_dir(&code).unwrap();
    std::fs::set_permissions(&code, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let relay = world.relay().await;
    let serve = ["--restart", "never", "--", "/tool", "serve", "--port", "8080", "--name", "laptop"];
    let args = [&["sync", "web", "--from", "code", "--to", "/app"][..], &serve].concat();
    let mut session = world.devbridge_through(&relay, &args);
    session.line("ready:", deadline::ATTACH).await;

    for round in 0..ROUNDS {
        let seed = round.to_string();
        let mutate = ["mutate", "code", "--seed", &seed, "--operations", OPERATIONS];
        let mut burst = world.start("tool", &mutate, Rights::Edit, Person::Unprivileged);
        // In the middle of it: what has arrived must not be taken for what has not.
        burst.line("{\"half\"", BURST).await;
        match round % 5 {
            1 => relay.cut(Cut::Rst),
            2 => {
                let (_, uid) = world.pod("devbridge.dev/agent").await;
                world.kill_in_pod(&uid, "traffic-agent");
            }
            3 => {
                relay.swallow(Silent::Existing);
                relay.cut(Cut::Fin);
                relay.heal();
            }
            4 if round == 9 => {
                let (pod, _) = world.pod("devbridge.dev/agent").await;
                world.api().delete(&world.object("v1", &format!("pods/{pod}"))).await.unwrap();
            }
            _ => {}
        }
        burst.line("{\"done\"", BURST).await;
        same(&world, &session).await;
    }
    session.signal(Signal::SIGINT);
    session.exit(deadline::LEAVE).await;
    world.nothing_runs().await;
    world.nothing_is_left().await;
}

/// Waits until the session says that all is in sync, and looks whether that is true.
async fn same(world: &World, session: &Process) {
    deadline::eventually(SAME, "the trees are the same", || async {
        let said = world.devbridge_ends(&["status", "-o", "json"]).await.1.stdout();
        let status: Value = serde_json::from_str(&said).map_err(|error| error.to_string())?;
        let sync = &status["sessions"][0]["sync"];
        let pod = &sync["pods"][0];
        if pod["inSync"] != true || pod["generation"] != sync["generation"] {
            return Err(sync.to_string());
        }
        let here = tree(world).await;
        let listing = ["/tool", "tree", "/app"];
        let mut there = world.try_exec(pod["name"].as_str().unwrap_or_default(), &listing).await?;
        // Where unfinished files are kept while the session lasts; empty now.
        there.retain(|line| line["path"] != ".devbridge-sync");
        match (0..here.len().max(there.len())).find(|at| here.get(*at) != there.get(*at)) {
            None => Ok(()),
            Some(at) => Err(format!("{:?} here, {:?} in the pod\n{session:?}", here.get(at), there.get(at))),
        }
    })
    .await;
}

/// The laptop's folder, as its user reads it.
async fn tree(world: &World) -> Vec<Value> {
    let mut listing = world.start("tool", &["tree", "code"], Rights::Edit, Person::Unprivileged);
    assert_eq!(listing.exit(deadline::LOOK).await, 0);
    listing.stdout().lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}
