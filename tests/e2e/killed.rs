//! devbridge is killed in any step of attach and of leave: the originals serve, and one command from anywhere removes what
//! is left.

use futures::future::join_all;
use harness::{Echo, World, deadline};
use nix::sys::signal::Signal;

harness::tests![faults:
    killed_in_any_step_of_attach_or_leave_it_leaves_what_one_command_removes,
];

/// How many sessions are killed at the same time.
const AT_ONCE: usize = 5;

/// A step of a session.
#[derive(Debug, Clone)]
struct Step {
    name: String,
    leaving: bool,
}

async fn killed_in_any_step_of_attach_or_leave_it_leaves_what_one_command_removes(world: World) {
    // A session that nobody kills tells which steps there are.
    world.echo(Echo::new("web")).await;
    let mut session = world.devbridge(&["intercept", "web", "--", "tool", "serve", "--name", "laptop"]);
    session.line("ready:", deadline::ATTACH).await;
    let attaching = session.steps().len();
    session.signal(Signal::SIGINT);
    session.exit(deadline::LEAVE).await;
    let steps = session.steps().into_iter().enumerate();
    let steps: Vec<_> = steps.map(|(at, name)| Step { name, leaving: at >= attaching }).collect();
    assert!(attaching >= 6 && steps.len() >= attaching + 2, "{steps:?}");

    let mut fault = world.fault("devbridge `kill -9` in any step of attach or leave");
    for (at, some) in steps.chunks(AT_ONCE).enumerate() {
        // Both ways, in turn.
        join_all(some.iter().enumerate().map(|(number, step)| {
            killed_in(&world, step, if (at + number).is_multiple_of(2) { &["gc"] } else { &["leave", "web"] })
        }))
        .await;
    }
    fault.stays("nothing, after `leave` or `gc`");
    fault.happened();
    fault.tell(&());
}

async fn killed_in(world: &World, step: &Step, remove: &[&str]) {
    let world = world.another(&format!("kill-{}", step.name)).await;
    world.echo(Echo::new("web")).await;
    let before = world.snapshot().await;
    let mut session = world.devbridge(&["intercept", "web", "--", "tool", "serve", "--name", "laptop"]);
    let mut from = 0;
    if step.leaving {
        session.line("ready:", deadline::ATTACH).await;
        from = session.lines();
        session.signal(Signal::SIGINT);
    }
    session.line_after(from, &format!("step: {}:", step.name), deadline::ATTACH).await;
    session.signal(Signal::SIGKILL);
    session.exit(deadline::LOOK).await;
    world.nothing_runs().await;
    world.answered_by("http://web/", |by| by.starts_with("web-")).await;
    let (code, removed) = world.devbridge_ends(remove).await;
    // 6: there was nothing to undo yet, or any more.
    assert!(code == 0 || code == 6, "{step:?}: {removed:?}\n{session:?}");
    world.answered_by("http://web/", |by| by.starts_with("web-")).await;
    world.is_again(&before).await;
}
