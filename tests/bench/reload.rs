//! Saves: from a written file to the process that runs it, beside the process's own start; and what following costs when
//! nothing happens.

use std::time::{Duration, Instant};

use harness::{Echo, Person, Process, Rights, World, deadline, free_port, usage};
use nix::sys::signal::Signal;
use tokio::time;

use super::part;

harness::tests![a_save_beside_a_start, a_large_tree_at_rest];

const ROUNDS: usize = 50;
/// Nobody saves so often that each start is followed by a change: that is taken for the process's own.
const APART: Duration = Duration::from_millis(2100);
/// So many files, in so many folders.
const FILES: usize = 100_000;
const FOLDERS: usize = 5_000;
/// The cost of rest is measured for so long.
const REST: Duration = Duration::from_secs(60);

async fn a_save_beside_a_start(world: World) {
    world.echo(Echo::new("web")).await;
    let source = |round: usize| format!("# {round}\nexec tool serve --grace-ms 0 --name laptop\n");
    let run = world.path("run.sh");
    std::fs::write(&run, source(0)).unwrap();
    let mut session = world.devbridge(&["intercept", "web", "--watch", "run.sh", "--", "sh", "run.sh"]);
    session.line("ready:", deadline::ATTACH).await;
    let (mut starts, mut saves) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        starts.push(start(&world).await);
        let from = session.lines();
        let saved = Instant::now();
        std::fs::write(&run, source(round)).unwrap();
        session.line_after(from, "{\"listening\"", deadline::LOOK).await;
        saves.push(saved.elapsed().as_secs_f64() * 1e3);
        session.line_after(from, "state: process ", deadline::LOOK).await;
        time::sleep(APART).await;
    }
    let said = |values: &[f64]| format!("p50 {:.0}, p99 {:.0} ms", part(values, 0.5), part(values, 0.99));
    println!("reload   the process's own start: {}", said(&starts));
    println!("reload   from the save to the process that listens: {}", said(&saves));
    println!("reload   devbridge's part, medians: {:.0} ms", part(&saves, 0.5) - part(&starts, 0.5));
    session.signal(Signal::SIGINT);
    session.exit(deadline::LEAVE).await;
}

/// Milliseconds from the start of a shell that starts the process to its first word, without devbridge.
async fn start(world: &World) -> f64 {
    let text = format!("exec tool serve --grace-ms 0 --name laptop --port {}", free_port());
    let started = Instant::now();
    let mut process = world.start("sh", &["-c", &text], Rights::Edit, Person::Unprivileged);
    process.line("{\"listening\"", deadline::LOOK).await;
    started.elapsed().as_secs_f64() * 1e3
}

async fn a_large_tree_at_rest(world: World) {
    world.echo(Echo::new("web")).await;
    for folder in 0..FOLDERS {
        let folder = world.path(&format!("tree/{}/{folder}", folder % 50));
        std::fs::create_dir_all(&folder).unwrap();
        for file in 0..FILES / FOLDERS {
            std::fs::write(folder.join(format!("file-{file}.rs")), "x".repeat(1000)).unwrap();
        }
    }
    let serve = ["intercept", "web", "--watch", "tree", "--", "tool", "serve", "--name", "laptop"];
    let mut session = world.devbridge(&serve);
    let read = session.line("done: watch", deadline::ATTACH).await;
    session.line("ready:", deadline::ATTACH).await;
    let followed = rest(&session).await;
    session.signal(Signal::SIGINT);
    session.exit(deadline::LEAVE).await;
    let mut without = world.devbridge(&["intercept", "web", "--", "tool", "serve", "--name", "laptop"]);
    without.line("ready:", deadline::ATTACH).await;
    let plain = rest(&without).await;
    println!("reload   {FILES} files: {read}");
    println!(
        "reload   a session at rest: {:.2} % of a core with {FILES} files followed, {:.2} % without, {} MiB and {} MiB",
        followed.0, plain.0, followed.1, plain.1
    );
    without.signal(Signal::SIGINT);
    without.exit(deadline::LEAVE).await;
}

/// The part of a core that a process takes, in percent, and its resident memory in MiB.
async fn rest(session: &Process) -> (f64, u64) {
    let before = usage(session.pid());
    time::sleep(REST).await;
    let after = usage(session.pid());
    ((after.cpu - before.cpu) / REST.as_secs_f64() * 100.0, after.resident_kib / 1024)
}
