//! devbridge is killed in any step of attach and of leave: the originals serve, and one command from anywhere removes what
//! is left, or the keeper does.

use std::time::Duration;

use futures::future::join_all;
use harness::{Echo, Goal, Person, Process, Rights, World, deadline};
use nix::sys::signal::Signal;

harness::tests![faults:
    what_it_leaves_when_killed_in_a_step_is_removed_by_a_keeper_that_was_installed,
    killed_in_any_step_of_attach_or_leave_it_leaves_what_one_command_removes,
];

/// Not listening at once, so that there is a step that waits for it.
const SLOW: [&str; 8] =
    ["intercept", "web", "--", "tool", "serve", "--name", "laptop", "--listen-after-ms=1000"];
/// How many sessions are killed at the same time.
const AT_ONCE: usize = 5;

/// Until a keeper has removed everything: ttl, resume and 10 s.
const STAGES: Duration = Duration::from_secs(15 + 60 + 10);

/// A step of a session.
#[derive(Debug, Clone)]
struct Step {
    name: String,
    leaving: bool,
}

async fn killed_in_any_step_of_attach_or_leave_it_leaves_what_one_command_removes(world: World) {
    // A session that nobody kills tells which steps there are.
    world.echo(Echo::new("web")).await;
    let mut session = world.devbridge(&SLOW);
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
    fault.tell(&());
}

async fn killed_in(world: &World, step: &Step, remove: &[&str]) {
    let world = world.another(&format!("kill-{}", step.name)).await;
    world.echo(Echo::new("web")).await;
    let before = world.snapshot().await;
    let session = killed(&world, step).await;
    world.answered_by("http://web/", |by| by.starts_with("web-")).await;
    let (code, removed) = world.devbridge_ends(remove).await;
    // 6: there was nothing to undo yet, or any more.
    assert!(code == 0 || code == 6, "{step:?}: {removed:?}\n{session:?}");
    world.answered_by("http://web/", |by| by.starts_with("web-")).await;
    world.is_again(&before).await;
}

/// A session that is killed when it begins a step.
async fn killed(world: &World, step: &Step) -> Process {
    let mut session = world.devbridge(&SLOW);
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
    session
}

async fn what_it_leaves_when_killed_in_a_step_is_removed_by_a_keeper_that_was_installed(world: World) {
    // Objects half made; all made, the key not on or just on; the key just off.
    let steps = [("agent", false), ("swap", false), ("record", true)];
    join_all(steps.map(|(name, leaving)| removed_by_keeper(&world, Step { name: name.to_owned(), leaving })))
        .await;
}

async fn removed_by_keeper(world: &World, step: Step) {
    let world = world.another(&format!("keeps-{}", step.name)).await;
    world.echo(Echo::new("web")).await;
    world.user(Rights::ClusterAdmin).await;
    let mut install = world.start("devbridge", &["install"], Rights::ClusterAdmin, Person::Unprivileged);
    assert_eq!(install.exit(deadline::ATTACH).await, 0, "{install:?}");
    let before = world.snapshot().await;
    let what = if step.leaving { "leave" } else { "attach" };
    let fault = format!("devbridge `kill -9` in step `{}` of {what}, keeper installed", step.name);
    let mut fault = world.fault(&fault).goal(Goal::Nothing(STAGES.as_secs_f64()));
    let session = killed(&world, &step).await;
    fault.happened();
    world.answered_by("http://web/", |by| by.starts_with("web-")).await;
    world.is_again_within(&before, STAGES * 3).await;
    fault.nothing_is_left();
    fault.tell(&session);
}
