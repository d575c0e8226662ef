//! The laptop's process is down, not there yet, or refuses: the originals serve, and nobody gets an error.

use harness::{Echo, Failure, Goal, Load, Person, Process, Rights, World, deadline, free_port};
use nix::sys::signal::Signal;

harness::tests![
    originals_serve_until_the_process_listens,
    originals_serve_while_nothing_listens_and_the_laptop_as_soon_as_something_does,
    a_process_that_restarts_under_load_costs_no_request_that_may_be_sent_again;
    faults: no_new_request_fails_when_the_laptop_is_killed,
];

/// From the end of a process to the moment that its exit is known here, on a busy machine.
const AT_ONCE: f64 = 1.0;

/// A service on the laptop that devbridge did not start.
async fn service_on_laptop(world: &World, port: u16) -> Process {
    let port = port.to_string();
    let args = ["serve", "--port", &port, "--name", "laptop"];
    let mut service = world.start("tool", &args, Rights::Edit, Person::Unprivileged);
    service.line("{\"listening\"", deadline::LOOK).await;
    service
}

async fn originals_serve_until_the_process_listens(world: World) {
    world.echo(Echo::new("web").replicas(2)).await;
    let mut load = world.load("http://web/", Load::USUAL).await;
    let slow = ["intercept", "web", "--", "tool", "serve", "--name", "laptop", "--listen-after-ms", "8000"];
    let mut session = world.devbridge(&slow);
    session.line("step: listen", deadline::ATTACH).await;
    load.go_on(2.0).await;
    assert!(!session.has_said("ready:"), "{session:?}");
    session.line("ready:", deadline::ATTACH).await;
    load.answered_by("laptop", 100, deadline::LOOK).await;
    let counted = load.end().await;
    assert_eq!(counted.failed, 0, "{counted:#?}\n{session:?}");
}

async fn originals_serve_while_nothing_listens_and_the_laptop_as_soon_as_something_does(world: World) {
    world.echo(Echo::new("web").replicas(2)).await;
    let before = world.snapshot().await;
    let port = free_port();
    let mut load = world.load("http://web/", Load::USUAL).await;
    let mut session = world.devbridge(&["intercept", "web", "-p", &format!("{port}:80")]);
    session.line("ready:", deadline::ATTACH).await;
    session
        .line(&format!("state: nothing listens on 127.0.0.1:{port}; originals serve"), deadline::LOOK)
        .await;
    load.go_on(3.0).await;

    let service = service_on_laptop(&world, port).await;
    session.line("state: requests reach this laptop", deadline::LOOK).await;
    load.answered_by("laptop", 100, deadline::LOOK).await;
    drop(service);
    session.signal(Signal::SIGINT);
    session.exit(deadline::LEAVE).await;
    load.go_on(2.0).await;
    let counted = load.end().await;
    // The service was killed with requests under way: those that it had taken are lost, and no other.
    let lost = counted
        .failures
        .iter()
        .filter(|failure| failure.method != "POST" || failure.step == "connect")
        .count();
    assert_eq!(lost, 0, "{counted:#?}\n{session:?}");
    world.is_again(&before).await;
}

async fn a_process_that_restarts_under_load_costs_no_request_that_may_be_sent_again(world: World) {
    world.echo(Echo::new("web").replicas(2)).await;
    let port = free_port();
    let mut service = service_on_laptop(&world, port).await;
    let mut session = world.devbridge(&["intercept", "web", "-p", &format!("{port}:http")]);
    session.line("ready:", deadline::ATTACH).await;
    let mut load = world.load("http://web/", Load::USUAL).await;
    load.answered_by("laptop", 300, deadline::LOOK).await;
    let mut ends = Vec::new();
    for _ in 0..2 {
        let from = session.lines();
        service.signal(Signal::SIGTERM);
        service.exit(deadline::LOOK).await;
        ends.push(load.clock());
        session.line_after(from, "state: nothing listens", deadline::LOOK).await;
        load.go_on(2.0).await;
        service = service_on_laptop(&world, port).await;
        load.answered_by("laptop", 100, deadline::LOOK).await;
        session.line_after(from, "state: requests reach this laptop", deadline::LOOK).await;
    }
    let counted = load.end().await;
    // What the process had been handed when it ended cannot be sent again if it is a POST; no proxy can do more.
    let handed = |failure: &&Failure| {
        let (began, failed) = (failure.at - failure.after_ms / 1e3, failure.at);
        let with_it = ends.iter().any(|end| began < *end && (failed - end).abs() < AT_ONCE);
        with_it && failure.method == "POST" && failure.step == "wait"
    };
    let others: Vec<_> = counted.failures.iter().filter(|failure| !handed(failure)).collect();
    assert!(others.is_empty(), "{others:#?}: the process ended at {ends:?}\n{counted:#?}\n{session:?}");
}

async fn no_new_request_fails_when_the_laptop_is_killed(world: World) {
    world.echo(Echo::new("web").replicas(2)).await;
    let mut session = world.devbridge(&["intercept", "web", "--", "tool", "serve", "--name", "laptop"]);
    session.line("ready:", deadline::ATTACH).await;
    let mut fault = world.fault("laptop `kill -9`, without a keeper").goal(Goal::Failed(0));
    let mut load = world.load("http://web/", Load::USUAL).await;
    load.answered_by("laptop", 300, deadline::LOOK).await;
    session.signal_group(Signal::SIGKILL);
    fault.happened();
    session.exit(deadline::LOOK).await;
    load.go_on(6.0).await;
    let counted = load.end().await;
    let answer = world.ask("http://web/").await;
    assert!(answer["by"].as_str().unwrap().starts_with("web-"), "{answer}");
    assert!(!world.snapshot().await.left_behind().is_empty());
    let (code, leave) = world.devbridge_ends(&["leave", "web"]).await;
    assert_eq!(code, 0, "{leave:?}");
    world.nothing_is_left().await;
    fault.requests(&counted);
    fault.stays("the agent; nothing after `leave` or `gc`");
    fault.tell(&counted);
}
