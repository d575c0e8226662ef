//! Whatever happens to a session, the cluster is as it was, or one command away from it.

use std::time::Duration;

use futures::future::join_all;
use harness::{Echo, Rights, World, deadline};
use nix::sys::signal::Signal;

harness::tests![
    a_second_ctrl_c_ends_at_once_and_says_what_may_be_left,
    any_way_to_end_it_leaves_nothing,
    what_a_killed_laptop_left_is_told_and_removed_by_gc,
    another_terminal_ends_a_session,
    another_machine_ends_a_session,
    leaving_twice_and_without_a_session_changes_nothing;
    faults: interrupted_in_any_step_everything_is_as_before,
];

/// Not listening at once, so that there is a step that waits for it.
const SLOW: [&str; 8] =
    ["intercept", "web", "--", "tool", "serve", "--name", "laptop", "--listen-after-ms=1000"];
/// How many attachments are interrupted at the same time.
const AT_ONCE: usize = 3;

async fn interrupted_in_any_step_everything_is_as_before(world: World) {
    // A session that nobody interrupts tells which steps there are.
    world.echo(Echo::new("web")).await;
    let mut session = world.devbridge(&SLOW);
    session.line("ready:", deadline::ATTACH).await;
    let steps = session.steps();
    session.signal(Signal::SIGINT);
    session.exit(deadline::LEAVE).await;
    assert!(steps.len() >= 6, "{steps:?}");

    for some in steps.chunks(AT_ONCE) {
        join_all(some.iter().map(|step| interrupted_in(&world, step))).await;
    }
    let mut fault = world.fault("Ctrl-C in any step of attach");
    fault.stays("nothing");
    fault.tell(&());
}

async fn interrupted_in(world: &World, step: &str) {
    let world = world.another(&format!("int-{step}")).await;
    world.echo(Echo::new("web")).await;
    let before = world.snapshot().await;
    let mut session = world.devbridge(&SLOW);
    session.line(&format!("step: {step}:"), deadline::ATTACH).await;
    session.signal(Signal::SIGINT);
    let code = session.exit(deadline::LEAVE).await;
    // In the last step the swap may have won; then this was an ordinary leave, and the code is the process's.
    let expected = if session.has_said("ready:") { 0 } else { 130 };
    assert_eq!(code, expected, "interrupted in {step}: {session:?}");
    let answer = world.ask("http://web/").await;
    assert!(answer["by"].as_str().unwrap().starts_with("web-"), "interrupted in {step}: {answer}");
    world.is_again(&before).await;
}

async fn a_second_ctrl_c_ends_at_once_and_says_what_may_be_left(world: World) {
    world.echo(Echo::new("web")).await;
    let before = world.snapshot().await;
    // Does not want to end, so that leaving takes its time.
    let script = "trap '' INT TERM; while :; do tool serve --name laptop; done";
    let mut session = world.devbridge(&["intercept", "web", "--", "sh", "-c", script]);
    session.line("ready:", deadline::ATTACH).await;
    session.signal_group(Signal::SIGINT);
    session.line("SIGINT: leaving", deadline::LOOK).await;
    session.signal_group(Signal::SIGINT);
    assert_eq!(session.exit(Duration::from_secs(3)).await, 130, "{session:?}");
    assert!(session.stderr().contains("devbridge leave"), "{session:?}");
    world.nothing_runs().await;
    // 6: there was nothing left to undo.
    let (code, leave) = world.devbridge_ends(&["leave", "web"]).await;
    assert!(code == 0 || code == 6, "{leave:?}");
    world.is_again(&before).await;
}

async fn any_way_to_end_it_leaves_nothing(world: World) {
    world.echo(Echo::new("web")).await;
    let before = world.snapshot().await;
    // A service manager's way, a closed terminal's, and `kill -INT` of devbridge alone.
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        let mut session = world.devbridge(&["intercept", "web", "--", "tool", "serve", "--name", "laptop"]);
        session.line("ready:", deadline::ATTACH).await;
        session.signal(signal);
        session.exit(deadline::LEAVE).await;
        world.nothing_runs().await;
    }
    world.is_again(&before).await;
}

async fn what_a_killed_laptop_left_is_told_and_removed_by_gc(world: World) {
    world.echo(Echo::new("web")).await;
    let before = world.snapshot().await;
    let mut session = world.devbridge(&["intercept", "web", "--", "tool", "serve", "--name", "laptop"]);
    session.line("ready:", deadline::ATTACH).await;

    // A session that lives is not touched.
    let (code, gc) = world.devbridge_ends(&["gc"]).await;
    assert_eq!((code, gc.stdout().as_str()), (0, ""), "{gc:?}");
    world.laptop_answers("http://web/").await;

    // devbridge alone: the kernel ends its sandbox with it.
    session.signal(Signal::SIGKILL);
    session.exit(deadline::LOOK).await;
    world.nothing_runs().await;
    let (code, dry) = world.devbridge_ends(&["gc", "--dry-run"]).await;
    assert_eq!(code, 0, "{dry:?}");
    for wanted in ["would remove the key: Service web", "would delete: Lease devbridge-web"] {
        assert!(dry.stdout().contains(wanted), "{dry:?}");
    }
    assert!(!before.changes_to(&world.snapshot().await).is_empty(), "a dry run removed something");

    let (code, gc) = world.devbridge_ends(&["gc"]).await;
    assert_eq!(code, 0, "{gc:?}");
    let answer = world.ask("http://web/").await;
    assert!(answer["by"].as_str().unwrap().starts_with("web-"), "{answer}");
    world.is_again(&before).await;
    let (code, gc) = world.devbridge_ends(&["gc", "--dry-run"]).await;
    assert_eq!((code, gc.stdout().as_str()), (0, ""), "{gc:?}");
}

async fn another_terminal_ends_a_session(world: World) {
    world.echo(Echo::new("web")).await;
    let before = world.snapshot().await;
    let mut session = world.devbridge(&["intercept", "web", "--", "tool", "serve", "--name", "laptop"]);
    session.line("ready:", deadline::ATTACH).await;

    let (code, leave) = world.devbridge_ends(&["leave"]).await;
    assert_eq!(code, 0, "{leave:?}\n{session:?}");
    let answer = world.ask("http://web/").await;
    assert!(answer["by"].as_str().unwrap().starts_with("web-"), "{answer}");
    session.exit(deadline::LEAVE).await;
    world.is_again(&before).await;
}

async fn another_machine_ends_a_session(world: World) {
    world.echo(Echo::new("web")).await;
    let before = world.snapshot().await;
    let mut session = world.devbridge(&["intercept", "web", "--", "tool", "serve", "--name", "laptop"]);
    session.line("ready:", deadline::ATTACH).await;

    // Another machine is one that does not see this one's sockets.
    let elsewhere = world.path("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let args = ["leave", "web", "-n", world.namespace()];
    let mut leave = world.start_with(
        "devbridge",
        &args,
        Rights::Edit,
        harness::Person::Root,
        &[("XDG_RUNTIME_DIR", elsewhere.to_str().unwrap())],
    );
    assert_eq!(leave.exit(deadline::LEAVE).await, 0, "{leave:?}");
    // 64 + 7: held by somebody else.
    assert_eq!(session.exit(deadline::LEAVE).await, 71, "{session:?}");
    world.is_again(&before).await;
}

async fn leaving_twice_and_without_a_session_changes_nothing(world: World) {
    world.echo(Echo::new("web")).await;
    let before = world.snapshot().await;
    for args in [&["leave"][..], &["leave", "web"], &["leave", "web"]] {
        let (code, leave) = world.devbridge_ends(args).await;
        assert_eq!(code, 6, "{leave:?}");
    }
    assert_eq!(before.changes_to(&world.snapshot().await), Vec::<String>::new());
}
