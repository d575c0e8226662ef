//! One takes the place of another: on purpose, and nobody loses a request or is left in the dark.

use harness::{Echo, Goal, Load, World, deadline};
use nix::sys::signal::Signal;

harness::tests![
    a_laptop_that_slept_leaves_its_successor_alone;
    faults: who_takes_over_wins_and_the_other_is_told,
];

async fn who_takes_over_wins_and_the_other_is_told(world: World) {
    world.echo(Echo::new("web").replicas(2)).await;
    let before = world.snapshot().await;
    let mut load = world.load("http://web/", Load::USUAL).await;
    let mut first = world.devbridge(&["intercept", "web", "--", "tool", "serve", "--name", "first"]);
    first.line("ready:", deadline::ATTACH).await;
    load.answered_by("first", 100, deadline::LOOK).await;

    let over = ["intercept", "web", "--takeover", "--", "tool", "serve", "--name", "second"];
    let mut fault = world.fault("somebody takes over").goal(Goal::Failed(0));
    let mut second = world.devbridge(&over);
    fault.happened();
    second.line("ready:", deadline::ATTACH).await;
    first.line("error[DB-HELD-003]", deadline::LEAVE).await;
    assert_eq!(first.exit(deadline::LEAVE).await, 71, "{first:?}");
    load.answered_by("second", 200, deadline::LOOK).await;
    fault.leaves(second, load).await;
    world.is_again(&before).await;
}

async fn a_laptop_that_slept_leaves_its_successor_alone(world: World) {
    world.echo(Echo::new("web")).await;
    let mut sleeper = world.devbridge(&["intercept", "web", "--", "tool", "serve", "--name", "sleeper"]);
    sleeper.line("ready:", deadline::ATTACH).await;
    sleeper.signal(Signal::SIGSTOP);
    let over = ["intercept", "web", "--takeover", "--", "tool", "serve", "--name", "laptop"];
    let mut successor = world.devbridge(&over);
    successor.line("ready:", deadline::ATTACH).await;
    sleeper.signal(Signal::SIGCONT);
    assert_eq!(sleeper.exit(deadline::LEAVE).await, 71, "{sleeper:?}");
    world.laptop_answers("http://web/").await;
    assert!(!successor.has_said("state:"), "{successor:?}");
    successor.signal(Signal::SIGINT);
    assert_eq!(successor.exit(deadline::LEAVE).await, 0, "{successor:?}");
}
