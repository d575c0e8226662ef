//! The process on the laptop is where the pod is: its variables, names, network; and nothing of the laptop is changed.

use std::os::unix::fs::PermissionsExt as _;

use harness::{Echo, Person, Rights, World, deadline, free_port};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

harness::tests![
    the_process_has_the_pods_variables_names_and_network,
    the_environment_is_written_for_others_to_use,
    requests_reach_the_port_that_was_asked_for,
    root_may_use_it_too,
    the_exit_code_is_the_processes,
];

fn secret() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "keys" }, "stringData": { "token": "s3cr3t value" },
    })
}

fn variables(echo: Echo) -> Echo {
    echo.env(json!({ "name": "GREETING", "value": "hello $(HOSTNAME) \"quoted\"" }))
        .env(json!({ "name": "TOKEN", "valueFrom": { "secretKeyRef": { "name": "keys", "key": "token" } } }))
        .env(json!({ "name": "HOME", "value": "/nowhere" }))
}

async fn the_process_has_the_pods_variables_names_and_network(world: World) {
    world.create(&secret()).await;
    world.echo(variables(Echo::new("web"))).await;
    world.echo(Echo::new("other")).await;
    let mut session = world.devbridge(&["intercept", "web", "--", "tool", "serve", "--name", "laptop"]);
    session.line("ready:", deadline::ATTACH).await;

    world.laptop_answers("http://web/").await;
    let answer = world.ask("http://web/env").await;
    assert_eq!(answer["by"], "laptop");
    let env = &answer["env"];
    assert_eq!(env["TOKEN"], "s3cr3t value");
    assert_eq!(env["GREETING"], "hello $(HOSTNAME) \"quoted\"");
    assert!(env["KUBERNETES_SERVICE_HOST"].is_string(), "{env}");
    // What belongs to the machine stays the machine's.
    assert_eq!(env["HOME"], world.folder().to_str().unwrap());
    assert_eq!(env["DEVBRIDGE_TARGET"], "web");

    // By the short name and the whole one, through the laptop's process.
    for name in ["other".to_owned(), format!("other.{}.svc.cluster.local", world.namespace())] {
        let fetched = world.ask(&format!("http://web/fetch/http://{name}/")).await;
        assert_eq!(
            (&fetched["by"], &fetched["status"]),
            (&json!("laptop"), &json!(200)),
            "{fetched}\n{session:?}"
        );
        assert!(fetched["body"]["by"].as_str().unwrap().starts_with("other-"), "{fetched}");
    }
    let resolved = world.ask("http://web/resolve/other").await;
    let service = world.get("v1", "services/other").await.unwrap();
    assert_eq!(resolved["addresses"], json!([service["spec"]["clusterIP"]]), "{resolved}");
    // A name that does not exist says so, and a port on which nothing listens refuses.
    let missing = world.try_ask("http://web/resolve/no-such-name").await;
    assert!(missing.is_err(), "{missing:?}");
    let refused = world.try_ask("http://web/fetch/http://other:81/").await;
    assert!(refused.is_err(), "{refused:?}");
}

async fn the_environment_is_written_for_others_to_use(world: World) {
    world.create(&secret()).await;
    world.echo(variables(Echo::new("web"))).await;
    let port = free_port();
    let mut session =
        world.devbridge(&["intercept", "web", "-p", &port.to_string(), "--env-out", "pod.json"]);
    session.line("ready:", deadline::ATTACH).await;
    let file = world.path("pod.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let env: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(env["TOKEN"], "s3cr3t value");
    assert_eq!(env["HOME"], Value::Null);
    assert!(!session.stderr().contains("s3cr3t"), "{session:?}");
}

async fn requests_reach_the_port_that_was_asked_for(world: World) {
    world.echo(Echo::new("web").raw()).await;
    let port = free_port().to_string();
    let mut service = world.start(
        "tool",
        &["serve", "--port", &port, "--name", "laptop"],
        Rights::Edit,
        Person::Unprivileged,
    );
    service.line("{\"listening\"", deadline::LOOK).await;
    let mut session = world.devbridge(&["intercept", "deployment/web", "-p", &format!("{port}:http")]);
    session.line("ready:", deadline::ATTACH).await;
    world.laptop_answers("http://web/").await;
    // Nothing on the laptop stands for the other ports.
    let greeting = world.tool_ends(&["raw", "greeting", "web:9001"], deadline::LOOK).await;
    assert!(
        greeting.last()["by"].as_str().is_some_and(|by| by.starts_with("web-")),
        "{greeting:?}\n{session:?}"
    );
}

async fn root_may_use_it_too(world: World) {
    world.echo(Echo::new("web")).await;
    world.user(Rights::ClusterAdmin).await;
    let args = ["intercept", "service/web", "--", "tool", "serve", "--name", "laptop"];
    let mut session = world.start("devbridge", &args, Rights::ClusterAdmin, Person::Root);
    session.line("ready:", deadline::ATTACH).await;
    world.laptop_answers("http://web/").await;
    session.signal_group(Signal::SIGINT);
    assert_eq!(session.exit(deadline::LEAVE).await, 0, "{session:?}");
}

async fn the_exit_code_is_the_processes(world: World) {
    world.echo(Echo::new("web")).await;
    let before = world.snapshot().await;
    // Ends by itself after a moment, with a code of its own; what it started ends with it.
    let script = "tool serve --name laptop & sleep 6; exit 33";
    let mut session = world.devbridge(&["intercept", "web", "--", "sh", "-c", script]);
    session.line("ready:", deadline::ATTACH).await;
    assert_eq!(session.exit(deadline::LEAVE).await, 33, "{session:?}");
    world.is_again(&before).await;
}
