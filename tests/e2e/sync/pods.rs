//! Pods that come, one after the other or side by side.

use super::*;

harness::tests![the_next_pod_is_up_to_date_before_it_serves, all_replicas_run_the_code_side_by_side];

async fn the_next_pod_is_up_to_date_before_it_serves(world: World) {
    world.echo(Echo::new("web").app(&SCRIPT)).await;
    write(&world, "code/run.sh", script("laptop"));
    let mut session = synced(&world, &["--to", "/app"]).await;
    answered_by(&world, "laptop").await;
    let from = session.lines();
    write(&world, "code/run.sh", script("second"));
    session.line_after(from, "state: process ", deadline::LOOK).await;
    let (pod, _) = world.pod("devbridge.dev/agent").await;
    world.api().delete(&world.object("v1", &format!("pods/{pod}"))).await.unwrap();
    session.line_after(from, "state: at an agent again, in pod ", deadline::PODS).await;
    let said = session.stderr();
    let (before, _) = said.split_once("state: at an agent again, in pod ").expect("it was said");
    let newest = before.rsplit_once("state: in sync @ ").and_then(|(_, said)| said.split(' ').next());
    let newest = newest.expect("the save was sent");
    let sent = format!("done: sync: in sync @ {newest}:");
    assert!(before.contains(&sent), "all of it was sent before: {session:?}");
    answered_by(&world, "second").await;
    leaves(&world, session).await;
}

async fn all_replicas_run_the_code_side_by_side(world: World) {
    const PODS: usize = 3;
    world.echo(Echo::new("web").replicas(3).app(&SCRIPT)).await;
    write(&world, "code/run.sh", script("first-$HOSTNAME"));
    let session = synced(&world, &["--to", "/app", "--pods", "all"]).await;
    let up_to_date = async |generation: u64| {
        let what = format!("all pods are in sync @ {generation}");
        deadline::eventually(deadline::PODS, &what, || async {
            let now = status(&world).await;
            let pods = now["sync"]["pods"].as_array().cloned().unwrap_or_default();
            // A save may be noticed in two parts.
            let newest = now["sync"]["generation"].as_u64().unwrap_or_default();
            let same = pods.iter().filter(|pod| pod["inSync"] == true && pod["generation"] == newest);
            if newest >= generation && same.count() == PODS { Ok(()) } else { Err(now["sync"].to_string()) }
        })
        .await;
    };
    let all_answer = async |version: &str| {
        let mut seen = std::collections::BTreeSet::new();
        let end = tokio::time::Instant::now() + deadline::LOOK;
        while seen.len() < PODS {
            assert!(tokio::time::Instant::now() < end, "{seen:?} answer alone\n{session:?}");
            let by = world.ask("http://web/").await["by"].as_str().unwrap_or_default().to_owned();
            if by.starts_with(version) {
                seen.insert(by);
            }
        }
    };
    up_to_date(1).await;
    all_answer("first-").await;
    let mut load = world.load("http://web/", Load::USUAL).await;
    load.go_on(1.0).await;
    write(&world, "code/run.sh", script("second-$HOSTNAME"));
    up_to_date(2).await;
    all_answer("second-").await;
    leaves_under(&world, load, session).await;
}
