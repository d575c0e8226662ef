//! Ways from the laptop to one pod: devbridge's tunnel (through the agent's pod), `kubectl port-forward`, and a raw
//! `pods/portforward` per connection.

use std::path::Path;
use std::time::Duration;

use harness::{Echo, Person, Process, Rights, World, deadline};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

harness::tests![tunnel_beside_port_forwards];

/// Rounds of all three ways.
const ROUNDS: usize = 3;
/// One way: two bulk transfers and three kinds of exchanges.
pub(super) const WAY: Duration = Duration::from_secs(180);

async fn tunnel_beside_port_forwards(world: World) {
    world.echo(Echo::new("web")).await;
    world.echo(Echo::new("echo").raw()).await;
    let list = world.get("v1", "pods?labelSelector=app%3Decho").await.unwrap();
    let pod = list["items"][0]["metadata"]["name"].as_str().unwrap().to_owned();
    let address = format!("{}:9000", list["items"][0]["status"]["podIP"].as_str().unwrap());

    let (mut kubectl, kubectl_address) = kubectl(&world, &pod).await;
    let (_relay, raw_address) = raw(&world, pod).await;
    let mut figures: Vec<(&str, Vec<Value>)> =
        vec![("tunnel", Vec::new()), ("kubectl port-forward", Vec::new()), ("raw port-forward", Vec::new())];
    for _ in 0..ROUNDS {
        let mut tunnel = world.devbridge(&["intercept", "web", "--", "tool", "measure", &address]);
        figures[0].1.push(measured(&mut tunnel).await);
        for (at, address) in [(1, &kubectl_address), (2, &raw_address)] {
            let mut direct = world.start("tool", &["measure", address], Rights::Edit, Person::Unprivileged);
            figures[at].1.push(measured(&mut direct).await);
        }
    }
    print("ways", ROUNDS, &figures);
    kubectl.signal(nix::sys::signal::Signal::SIGTERM);
    kubectl.exit(deadline::LEAVE).await;
}

/// Prints the middle of each figure, a line for each way.
pub(super) fn print(what: &str, rounds: usize, figures: &[(&str, Vec<Value>)]) {
    println!("{what:8} medians of {rounds} rounds; exchanges of 128 bytes: per second, p50 µs, p99 µs");
    for (way, rounds) in figures {
        let middle = |path: &str| {
            super::median(rounds.iter().filter_map(|round| round.pointer(path)?.as_f64()).collect())
        };
        let exchange = |kind: &str| {
            let [rate, p50, p99] =
                ["per_second", "p50_us", "p99_us"].map(|what| middle(&format!("/{kind}/{what}")));
            format!("{rate:.0} {p50:.0} {p99:.0}")
        };
        println!(
            "{what:8} {way:22} up {:.0} MB/s  down {:.0} MB/s  serial {}  64 kept {}  fresh {}",
            middle("/up"),
            middle("/down"),
            exchange("serial"),
            exchange("kept"),
            exchange("fresh")
        );
    }
}

/// What `tool measure` printed; the command ends with it.
async fn measured(process: &mut Process) -> Value {
    let line = process.line("{\"down\"", WAY).await;
    process.exit(deadline::LEAVE).await;
    serde_json::from_str(&line).unwrap()
}

async fn kubectl(world: &World, pod: &str) -> (Process, String) {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/bin/cluster");
    let kubeconfig = world.user(Rights::Edit).await;
    let target = format!("pod/{pod}");
    let args = [
        "kubectl",
        "--kubeconfig",
        kubeconfig.to_str().unwrap(),
        "-n",
        world.namespace(),
        "port-forward",
        &target,
        ":9000",
    ];
    let mut process = world.start(program.to_str().unwrap(), &args, Rights::Edit, Person::Unprivileged);
    let line = process.line("Forwarding from 127.0.0.1:", deadline::LOOK).await;
    let address =
        line.strip_prefix("Forwarding from ").and_then(|rest| rest.split(' ').next()).unwrap().to_owned();
    (process, address)
}

/// A port of the laptop; each connection to it is a `pods/portforward` of its own, by the Rust client's library.
async fn raw(world: &World, pod: String) -> (JoinSet<()>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let api: Api<Pod> = Api::namespaced(world.api().client(), world.namespace());
    let mut relay = JoinSet::new();
    relay.spawn(async move {
        let mut flows = JoinSet::new();
        while let Ok((mut laptop, _)) = listener.accept().await {
            laptop.set_nodelay(true).unwrap();
            let (api, pod) = (api.clone(), pod.clone());
            flows.spawn(async move {
                let Ok(mut forward) = api.portforward(&pod, &[9000]).await else { return };
                let Some(mut stream) = forward.take_stream(9000) else { return };
                // Either end may end it; a benchmark notices missing bytes by itself.
                let _ = tokio::io::copy_bidirectional(&mut laptop, &mut stream).await;
            });
            while flows.try_join_next().is_some() {}
        }
    });
    (relay, address)
}
