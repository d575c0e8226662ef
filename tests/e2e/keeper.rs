//! The laptop is gone for good: the keeper undoes what it left, in two stages; and where there is no keeper, that is said.

use std::path::Path;
use std::time::{Duration, Instant};

use futures::future::join_all;
use harness::{Echo, Goal, Load, Process, World, deadline};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

harness::tests![faults:
    a_laptop_that_sleeps_for_longer_than_its_session_lives_attaches_again,
    what_a_killed_laptop_left_is_undone_in_two_stages_without_a_failed_request,
    an_agent_that_is_down_loses_its_key_while_the_laptop_sleeps,
];

/// As the product has them.
pub(crate) const TTL: Duration = Duration::from_secs(15);
pub(crate) const RESUME: Duration = Duration::from_secs(60);
/// For tests that have several worlds at a time.
const FEW: Load = Load { fresh: 20, kept: 20, connections: 5 };
pub(crate) const KEY: &str = "devbridge.dev/agent";

/// Gives the laptop's user the built-in role `admin` in its namespace, with which one may make roles.
pub(crate) async fn may_make_roles(world: &World) {
    world
        .create(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "dev-admin" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin" },
            "subjects": [{ "kind": "ServiceAccount", "name": "dev", "namespace": world.namespace() }],
        }))
        .await;
}

/// A session of somebody who may make roles, and its keeper ready.
pub(crate) async fn kept(world: &World) -> Process {
    let mut session = world.swapped().await;
    session.line("keeper: watches", deadline::ATTACH).await;
    session
}

pub(crate) async fn key(world: &World) -> Value {
    world
        .get("v1", "services/web")
        .await
        .map(|service| service["spec"]["selector"][KEY].clone())
        .unwrap_or_default()
}

/// Waits until the key is off; gives the time that took.
async fn key_off(world: &World, since: Instant, within: Duration) -> Duration {
    deadline::eventually(within.saturating_sub(since.elapsed()), "the key is off", || async {
        let key = key(world).await;
        if key.is_null() { Ok(()) } else { Err(key) }
    })
    .await;
    since.elapsed()
}

async fn what_a_killed_laptop_left_is_undone_in_two_stages_without_a_failed_request(world: World) {
    world.echo(Echo::new("web").replicas(2)).await;
    may_make_roles(&world).await;
    let before = world.snapshot().await;
    let mut session = kept(&world).await;
    let left = Goal::Nothing((TTL + RESUME + Duration::from_secs(10)).as_secs_f64());
    let mut fault = world.fault("laptop `kill -9`, with a keeper").goal(Goal::Failed(0)).goal(left);
    let mut load = world.load("http://web/", Load::USUAL).await;
    load.answered_by("laptop", 300, deadline::LOOK).await;

    session.signal_group(Signal::SIGKILL);
    fault.happened();
    let killed = Instant::now();
    session.exit(deadline::LOOK).await;
    let off = key_off(&world, killed, TTL + Duration::from_secs(5)).await;
    // The last sign of life may be 5 s old.
    assert!(off > TTL - Duration::from_secs(6), "the key was off after {off:?} already");
    // The laptop may come back until then.
    let record = || world.get("coordination.k8s.io/v1", "leases/devbridge-web");
    assert!(record().await.is_ok());
    let within = (TTL + RESUME + Duration::from_secs(10)).saturating_sub(killed.elapsed());
    deadline::eventually(within, "the record is deleted", || async {
        if record().await.is_err() { Ok(()) } else { Err("it is still there") }
    })
    .await;
    let deleted = killed.elapsed();
    world.is_again(&before).await;
    fault.nothing_is_left();

    let counted = load.end().await;
    world.note(&format!(
        "laptop killed: key off after {:.1} s, record deleted after {:.1} s",
        off.as_secs_f64(),
        deleted.as_secs_f64()
    ));
    fault.requests(&counted);
    fault.tell(&counted);
}

async fn an_agent_that_is_down_loses_its_key_while_the_laptop_sleeps(world: World) {
    let ways = [
        ("deleted", "agent's pod deleted"),
        ("gone", "agent's pod deleted without grace"),
        ("stopped", "agent's process frozen"),
    ];
    join_all(ways.map(|(way, what)| {
        let world = &world;
        async move {
            let world = world.another(&format!("agent-{way}")).await;
            world.echo(Echo::new("web")).await;
            may_make_roles(&world).await;
            let session = kept(&world).await;
            // The laptop's process lives on: it is frozen with devbridge.
            let fault = format!("laptop frozen, then {what}; with a keeper");
            let mut fault = world.fault(&fault).goal(Goal::Originals(4.0));
            let mut load = world.load("http://web/", FEW).await;
            load.answered_by("laptop", 50, deadline::LOOK).await;
            session.signal_group(Signal::SIGSTOP);
            let agent = agent_pod(&world).await;
            let since = Instant::now();
            let mut stopped = None;
            match way {
                "deleted" => {
                    drop(world.api().delete(&world.object("v1", &format!("pods/{agent}"))).await.unwrap())
                }
                "gone" => {
                    let now = format!("pods/{agent}?gracePeriodSeconds=0");
                    world.api().delete(&world.object("v1", &now)).await.unwrap();
                }
                // The kubelet would need nine seconds to notice.
                _ => {
                    let process = agent_process(world.namespace());
                    kill(process, Signal::SIGSTOP).unwrap();
                    stopped = Some(process);
                }
            }
            fault.happened();
            let off = key_off(&world, since, Duration::from_secs(12)).await;
            world.note(&format!("agent {way}, laptop asleep: key off after {:.1} s", off.as_secs_f64()));
            load.go_on(4.0).await;
            // Awake again, and the agent too: requests come back.
            if let Some(process) = stopped {
                kill(process, Signal::SIGCONT).unwrap();
            }
            session.signal_group(Signal::SIGCONT);
            fault.over();
            load.answered_by("laptop", 100, deadline::ATTACH).await;
            let counted = load.end().await;
            fault.requests(&counted);
            fault.tell(&(counted, session));
        }
    }))
    .await;
}

async fn agent_pod(world: &World) -> String {
    let pods = world.get("v1", &format!("pods?labelSelector={KEY}")).await.unwrap();
    pods["items"][0]["metadata"]["name"].as_str().unwrap().to_owned()
}

/// The agent's process in a namespace, seen from the machine that is the node.
fn agent_process(namespace: &str) -> Pid {
    let variable = format!("DEVBRIDGE_NAMESPACE={namespace}");
    let is_agent = |process: &Path| {
        let command = std::fs::read(process.join("cmdline")).unwrap_or_default();
        let environment = std::fs::read(process.join("environ")).unwrap_or_default();
        command == b"traffic-agent\0"
            && environment.split(|byte| *byte == 0).any(|entry| entry == variable.as_bytes())
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let agent = { processes }.find(|process| is_agent(process)).expect("the node is this machine");
    Pid::from_raw(agent.file_name().unwrap().to_str().unwrap().parse().unwrap())
}

async fn a_laptop_that_sleeps_for_longer_than_its_session_lives_attaches_again(world: World) {
    world.echo(Echo::new("web").replicas(2)).await;
    may_make_roles(&world).await;
    let before = world.snapshot().await;
    let mut session = kept(&world).await;
    let mut fault = world.fault("laptop asleep until its session was undone").goal(Goal::Failed(0));
    let mut load = world.load("http://web/", FEW).await;
    load.answered_by("laptop", 50, deadline::LOOK).await;
    session.signal_group(Signal::SIGSTOP);
    fault.happened();
    world.is_again_within(&before, TTL + RESUME + deadline::CLEAN).await;
    let from = session.lines();
    session.signal_group(Signal::SIGCONT);
    fault.over();
    session.line_after(from, "the session ended while this laptop was away", deadline::LOOK).await;
    session.line_after(from, "ready:", deadline::ATTACH).await;
    load.answered_by("laptop", 50, deadline::LOOK).await;
    fault.leaves(session, load).await;
    world.is_again(&before).await;
}
