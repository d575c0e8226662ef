//! Nobody in the cluster notices a swap: no request fails when it begins, while it lasts, and when it ends.

use harness::{Echo, Load, World, deadline};
use nix::sys::signal::Signal;

harness::tests![
    no_request_fails_while_somebody_attaches_works_and_leaves,
    no_request_fails_over_three_swaps_in_a_row
];

async fn no_request_fails_while_somebody_attaches_works_and_leaves(world: World) {
    world.echo(Echo::new("web").replicas(2)).await;
    let before = world.snapshot().await;
    let mut load = world.load("http://web/", Load::USUAL).await;

    let mut session = world.devbridge(&["intercept", "web", "--", "tool", "serve", "--name", "laptop"]);
    session.line("ready:", deadline::ATTACH).await;
    load.answered_by("laptop", 500, deadline::LOOK).await;
    load.go_on(10.0).await;

    session.signal_group(Signal::SIGINT);
    let code = session.exit(deadline::LEAVE).await;
    load.go_on(5.0).await;
    let counted = load.end().await;
    assert_eq!(counted.failed, 0, "{counted:#?}\n{session:?}");
    assert_eq!(code, 0, "{session:?}");
    assert!(counted.kinds["fresh"] > 1_500 && counted.kinds["kept"] > 1_500, "{counted:#?}");
    world.is_again(&before).await;
}

async fn no_request_fails_over_three_swaps_in_a_row(world: World) {
    world.echo(Echo::new("web").replicas(2)).await;
    let mut load = world.load("http://web/", Load::USUAL).await;
    for _ in 0..3 {
        let mut session = world.devbridge(&["intercept", "web", "--", "tool", "serve", "--name", "laptop"]);
        session.line("ready:", deadline::ATTACH).await;
        load.answered_by("laptop", 50, deadline::LOOK).await;
        session.signal(Signal::SIGINT);
        session.exit(deadline::LEAVE).await;
    }
    load.go_on(3.0).await;
    let counted = load.end().await;
    assert_eq!(counted.failed, 0, "{counted:#?}");
}
