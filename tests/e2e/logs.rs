//! `devbridge logs`: what pods write, in the order of time, and on and on.

use std::collections::{BTreeMap, BTreeSet};

use harness::{Cut, Echo, Process, World, deadline};
use serde_json::{Value, json};

harness::tests![lines_of_all_pods_come_in_order_and_go_on_with_new_pods_and_connections];

/// The lines as objects: pod, time, and what the pod counted.
fn lines(process: &Process) -> Vec<(String, String, u64)> {
    let stdout = process.stdout();
    let objects =
        stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{line}")));
    let said = objects.filter_map(|line| {
        let text: Value = serde_json::from_str(line["text"].as_str()?).ok()?;
        Some((line["pod"].as_str()?.to_owned(), line["time"].as_str()?.to_owned(), text["says"].as_u64()?))
    });
    said.collect()
}

async fn lines_of_all_pods_come_in_order_and_go_on_with_new_pods_and_connections(world: World) {
    world.echo(Echo::new("web").replicas(2).talks()).await;
    let (code, none) = world.devbridge_ends(&["logs"]).await;
    assert_eq!(code, 2, "{none:?}");
    assert!(none.stderr().contains("devbridge logs TARGET"), "{none:?}");
    let (code, wrong) = world.devbridge_ends(&["logs", "web", "-c", "other"]).await;
    assert_eq!(code, 2, "{wrong:?}");
    assert!(wrong.stderr().contains("there are: app"), "{wrong:?}");

    // The newest of each pod, all in the order of time.
    deadline::eventually(deadline::LOOK, "both pods have said enough", || async {
        let (_, past) = world.devbridge_ends(&["logs", "service/web", "--tail", "5", "-o", "json"]).await;
        let lines = lines(&past);
        let times: Vec<_> = lines.iter().map(|(_, time, _)| time.clone()).collect();
        assert!(times.is_sorted(), "{past:?}");
        let pods: BTreeSet<_> = lines.iter().map(|(pod, ..)| pod).collect();
        if pods.len() == 2 && lines.len() == 10 { Ok(()) } else { Err(format!("{past:?}")) }
    })
    .await;

    // Each line once, while a relay between here and there breaks all connections, and of pods that come later, too.
    let relay = world.relay().await;
    let mut following = world.devbridge_through(&relay, &["logs", "web", "-f", "--tail", "3", "-o", "json"]);
    following.line("{", deadline::LOOK).await;
    relay.cut(Cut::Rst);
    let deployment = world.object("apps/v1", "deployments/web");
    world.api().merge(&deployment, &json!({ "spec": { "replicas": 3 } })).await.expect("it is scaled");
    world.rolled_out("web").await;
    let counted = || {
        let mut counted: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for (pod, _, says) in lines(&following) {
            counted.entry(pod).or_default().push(says);
        }
        counted
    };
    deadline::eventually(deadline::LOOK, "three pods go on", || async {
        let counted = counted();
        let enough = counted.len() == 3 && counted.values().all(|says| says.len() > 20);
        if enough { Ok(()) } else { Err(format!("{counted:?}")) }
    })
    .await;
    for (pod, says) in counted() {
        assert!(says.windows(2).all(|two| two[1] == two[0] + 1), "{pod}: {says:?}");
    }
}
