//! Attach, from the command to its `ready:` line, beside the start of a bare pod of the same image.

use std::time::{Duration, Instant};

use harness::{Echo, World, deadline};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::time;

harness::tests![attach_beside_a_bare_pod];

/// Enough for a median; each round takes about 8 s.
const ROUNDS: usize = 9;

async fn attach_beside_a_bare_pod(world: World) {
    world.echo(Echo::new("web")).await;
    let (mut pods, mut attaches) = (Vec::new(), Vec::new());
    let mut last = Vec::new();
    for round in 0..ROUNDS {
        out_of_step(round).await;
        pods.push(bare_pod(&world, round).await);
        out_of_step(round).await;
        let started = Instant::now();
        let mut session = world.devbridge(&[
            "intercept",
            "web",
            "--",
            "tool",
            "serve",
            "--name",
            "laptop",
            "--grace-ms",
            "0",
        ]);
        session.line("ready:", deadline::ATTACH).await;
        attaches.push(started.elapsed().as_secs_f64() * 1e3);
        last = session.stderr().lines().filter(|line| line.starts_with("done:")).map(str::to_owned).collect();
        session.signal(Signal::SIGINT);
        session.exit(deadline::LEAVE).await;
        gone(&world, "apps/v1", "deployments/web-devbridge").await;
    }
    let (pod, attach) = (super::median(pods.clone()), super::median(attaches.clone()));
    println!("attach   bare pod {pods:.0?} ms, attach {attaches:.0?} ms");
    println!(
        "attach   medians: bare pod {pod:.0} ms, attach {attach:.0} ms: pod start + {:.0} ms",
        attach - pod
    );
    println!("attach   steps of the last round:\n  {}", last.join("\n  "));
}

/// The kubelet looks at containers once a second, and whatever waits for it begins right after it did. People do not:
/// each round begins at another moment of that second.
async fn out_of_step(round: usize) {
    let golden = 618 * u64::try_from(round).unwrap() % 1000;
    time::sleep(Duration::from_millis(golden)).await;
}

/// Milliseconds from `create` to Ready of a pod without probes.
async fn bare_pod(world: &World, round: usize) -> f64 {
    let name = format!("bare-{round}");
    // The target's own pod spec, with a command that does nothing.
    let mut spec = world.get("apps/v1", "deployments/web").await.unwrap()["spec"]["template"]["spec"].take();
    let container = &mut spec["containers"][0];
    container["args"] = json!(["sleep"]);
    container["readinessProbe"] = Value::Null;
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec});
    let started = Instant::now();
    world.create(&pod).await;
    let what = format!("pods/{name}");
    let ready = async {
        loop {
            let pod = world.get("v1", &what).await.unwrap();
            let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
            if conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True") {
                return started.elapsed().as_secs_f64() * 1e3;
            }
            time::sleep(Duration::from_millis(10)).await;
        }
    };
    let took = time::timeout(deadline::PODS, ready).await.expect("a bare pod starts");
    world.api().delete(&world.object("v1", &what)).await.unwrap();
    gone(world, "v1", &what).await;
    took
}

async fn gone(world: &World, version: &str, what: &str) {
    deadline::eventually(deadline::CLEAN, "it is gone", || async {
        match world.get(version, what).await {
            Ok(_) => Err("still there"),
            Err(_) => Ok(()),
        }
    })
    .await;
}
