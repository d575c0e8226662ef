//! `devbridge debug`: a container to look around with. Pods of tests have no shell, so commands are those of `tool`.

use harness::{Echo, Person, Rights, World, deadline};
use serde_json::json;

harness::tests![
    a_command_runs_beside_the_targets_container_with_its_network_and_environment,
    with_edit_only_a_copy_of_the_pod_runs_it_and_is_gone_afterwards,
    a_copy_lives_as_long_as_its_laptop,
];

async fn a_command_runs_beside_the_targets_container_with_its_network_and_environment(world: World) {
    world.echo(Echo::new("web")).await;
    world.user(Rights::ClusterAdmin).await;
    let debug = |args: &[&str]| {
        let args = [&["debug", "service/web"], args].concat();
        world.start("devbridge", &args, Rights::ClusterAdmin, Person::Unprivileged)
    };
    let ends = async |args: &[&str]| {
        let mut process = debug(args);
        (process.exit(deadline::ATTACH).await, process)
    };
    // What it reaches on the loopback is the target.
    let (code, asked) = ends(&["--", "/tool", "get", "http://127.0.0.1:8080/"]).await;
    assert_eq!(code, 0, "{asked:?}");
    assert!(asked.stdout().contains("\"by\":\"web-"), "{asked:?}");
    assert!(asked.has_said("stays listed in pod web-"), "{asked:?}");
    // Its status is the command's.
    let (code, failed) = ends(&["--", "/tool", "get", "http://127.0.0.1:1/"]).await;
    assert_eq!(code, 1, "{failed:?}");
    let (code, missing) = ends(&["--", "/bin/bash"]).await;
    assert_eq!(code, 65, "{missing:?}");
    assert!(
        missing.stderr().contains("error[DB-DEBUG-001]") && missing.stderr().contains("--image"),
        "{missing:?}"
    );
    let (code, wrong) = ends(&["-c", "other", "--", "/tool"]).await;
    assert_eq!(code, 66, "{wrong:?}");
    let (code, nothing) = ends(&[]).await;
    assert_eq!(code, 2, "{nothing:?}");
}

async fn with_edit_only_a_copy_of_the_pod_runs_it_and_is_gone_afterwards(world: World) {
    world.echo(Echo::new("web").env(json!({ "name": "GREETING", "value": "hello" }))).await;
    let before = world.snapshot().await;
    let (code, refused) = world.devbridge_ends(&["debug", "web", "--", "/tool", "get", "http://web/"]).await;
    assert_eq!(code, 69, "{refused:?}");
    assert!(refused.stderr().contains("with --copy"), "{refused:?}");

    let (code, asked) =
        world.devbridge_ends(&["debug", "web", "--copy", "--", "/tool", "get", "http://web/"]).await;
    assert_eq!(code, 0, "{asked:?}");
    assert!(asked.stdout().contains("\"by\":\"web-"), "{asked:?}");
    assert!(asked.has_said("no Service leads to it"), "{asked:?}");

    let serve = ["debug", "web", "--copy", "--", "/tool", "serve", "--name", "copy"];
    let mut session = world.devbridge(&serve);
    session.line("{\"listening\"", deadline::ATTACH).await;
    session.signal(nix::sys::signal::Signal::SIGINT);
    assert_eq!(session.exit(deadline::LEAVE).await, 130, "{session:?}");
    world.is_again(&before).await;
}

async fn a_copy_lives_as_long_as_its_laptop(world: World) {
    world.echo(Echo::new("web")).await;
    let before = world.snapshot().await;
    let serve = ["debug", "web", "--copy", "--", "/tool", "serve", "--name", "copy"];
    let mut session = world.devbridge(&serve);
    session.line("{\"listening\"", deadline::ATTACH).await;
    deadline::eventually(deadline::PODS, "the end of the copy is put off", || async {
        let jobs =
            world.api().get(&world.object("batch/v1", "jobs")).await.map_err(|error| error.to_string())?;
        match jobs["items"][0]["spec"]["activeDeadlineSeconds"].as_i64() {
            Some(61..) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    session.signal(nix::sys::signal::Signal::SIGKILL);
    world.is_again(&before).await;
}
