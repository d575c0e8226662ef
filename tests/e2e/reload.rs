//! `intercept --watch`: what is saved runs, while requests go on.

use std::time::Duration;

use harness::{Counted, Echo, Goal, Load, Process, World, deadline};
use nix::sys::signal::Signal;

harness::tests![
    a_process_that_crashes_stays_in_view_and_the_next_save_starts_it_again,
    a_compiled_program_is_built_beside_the_one_that_serves;
    faults: a_save_starts_the_process_anew_while_requests_wait,
];

/// A saved file begins to have an effect.
const SAVED: Duration = Duration::from_secs(5);

/// An interpreter's source: what it answers stands in the file.
fn script(name: &str) -> String {
    format!("exec tool serve --grace-ms 0 --name {name}\n")
}

fn write(world: &World, path: &str, text: &str) {
    let path = world.path(path);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder is made");
    std::fs::write(path, text).expect("a file is written");
}

async fn watched(world: &World, args: &[&str]) -> Process {
    world.echo(Echo::new("web").replicas(2)).await;
    let mut session = world.devbridge(&[&["intercept", "web", "--watch"], args].concat());
    session.line("ready:", deadline::ATTACH).await;
    session
}

async fn leaves(world: &World, mut session: Process) {
    session.signal(Signal::SIGINT);
    session.exit(deadline::LEAVE).await;
    world.nothing_runs().await;
}

async fn a_save_starts_the_process_anew_while_requests_wait(world: World) {
    write(&world, "src/run.sh", &script("laptop"));
    write(&world, "other/file", "");
    let mut session = watched(&world, &["src", "--", "sh", "src/run.sh"]).await;
    world.laptop_answers("http://web/").await;
    let mut fault = world.fault("laptop's process started anew by a save, five times (`--watch`)");
    let mut load = world.load("http://web/", Load::USUAL).await;
    load.answered_by("laptop", 200, deadline::LOOK).await;
    fault.happened();
    for save in 0..5 {
        let from = session.lines();
        // Not followed, and not another one than before.
        write(&world, "other/file", &save.to_string());
        write(&world, "src/run.sh", &format!("# {save}\n{}", script("laptop")));
        session.line_after(from, "state: src/run.sh changed", SAVED).await;
        session.line_after(from, "state: process ", deadline::LOOK).await;
        load.answered_by("laptop", 100, deadline::LOOK).await;
    }
    assert!(!session.has_said("other/file"), "{session:?}");
    let status = world.devbridge_ends(&["status", "-o", "json"]).await.1.stdout();
    assert!(status.contains("\"restarts\": 5"), "{status}");
    fault.settled();
    session.signal(Signal::SIGINT);
    session.exit(deadline::LEAVE).await;
    load.go_on(2.0).await;
    let counted: Counted = load.end().await;
    world.nothing_runs().await;
    world.nothing_is_left().await;
    fault.requests(&counted);
    fault.stays("nothing, after Ctrl-C");
    fault.goal(Goal::Failed(0)).goal(Goal::Wait(1.0)).tell(&(&counted, &session));
}

async fn a_process_that_crashes_stays_in_view_and_the_next_save_starts_it_again(world: World) {
    write(&world, "run.sh", &script("laptop"));
    let mut session = watched(&world, &["--", "sh", "run.sh"]).await;
    world.laptop_answers("http://web/").await;
    write(&world, "run.sh", "echo 'line 7: no such variable' >&2\nexit 3\n");
    let words =
        "state: the process ended with 3 and starts again with the next save; requests wait up to 5 s";
    session.line(words, SAVED).await;
    assert!(session.has_said("line 7: no such variable"), "{session:?}");
    // Held for 5 s, then an original's.
    world.shows("http://web/", |page| page.contains("\"by\":\"web-")).await;
    let status = world.devbridge_ends(&["status", "-o", "json"]).await.1.stdout();
    assert!(status.contains("\"code\": 3"), "{status}");
    write(&world, "run.sh", &script("laptop"));
    session.line("state: requests reach this laptop", SAVED).await;
    world.laptop_answers("http://web/").await;
    // What the process writes itself is noticed as such.
    write(&world, "run.sh", &format!("date +%N > data.db\n{}", script("laptop")));
    session.line("warning: data.db changes whenever the process starts", deadline::LOOK).await;
    world.laptop_answers("http://web/").await;
    leaves(&world, session).await;
}

async fn a_compiled_program_is_built_beside_the_one_that_serves(world: World) {
    let source = |name: &str| {
        let call = format!(
            "execlp(\"tool\", \"tool\", \"serve\", \"--grace-ms\", \"0\", \"--name\", \"{name}\", (char *)0)"
        );
        format!("#include <unistd.h>\nint main(void) {{ return {call}; }}\n")
    };
    write(&world, "main.c", &source("first"));
    write(&world, ".gitignore", "web\n");
    let build = "cc -o web.new main.c && mv web.new web";
    let built = std::process::Command::new("sh").args(["-c", build]).current_dir(world.path("")).status();
    assert!(built.expect("a compiler").success());
    write(&world, ".gitignore", "/web\n/web.new\n");
    let on_change = format!("*.c,*.h={build}");
    let mut session = watched(&world, &["--on-change", &on_change, "--", "./web"]).await;
    world.shows("http://web/", |page| page.contains("\"by\":\"first\"")).await;

    write(&world, "main.c", "int main(void) { return oops; }\n");
    session.line(&format!("state: `{build}` failed with 1 after"), deadline::LOOK).await;
    world.shows("http://web/", |page| page.contains("\"by\":\"first\"")).await;
    write(&world, "main.c", &source("second"));
    session.line("state: process ", deadline::LOOK).await;
    world.shows("http://web/", |page| page.contains("\"by\":\"second\"")).await;
    leaves(&world, session).await;
}
