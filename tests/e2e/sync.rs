//! `sync`: the laptop's code runs in the cluster, and what is saved is there at once.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use harness::{Echo, Load, Process, RunningLoad, World, deadline};
use nix::sys::signal::Signal;
use serde_json::Value;

pub(crate) mod pods;
pub(crate) mod pull;
pub(crate) mod random;

harness::tests![
    an_interpreter_runs_what_was_saved_while_requests_go_on,
    a_compiled_program_is_built_on_the_laptop_and_runs_in_the_cluster,
    a_static_file_server_shows_what_was_saved,
    a_binary_runs_in_a_container_without_shell_or_a_folder_that_can_be_written,
    a_folder_of_another_user_is_told_before_anything_is_sent_and_a_volume_helps,
    what_somebody_changes_in_the_pod_is_found_and_repaired,
    code_that_crashes_is_held_until_the_next_save,
    what_there_is_to_ask_is_asked_clearly;
    faults: a_process_that_is_synced_survives_its_agent
];

/// A saved file begins to have an effect.
const SAVED: Duration = Duration::from_secs(5);

/// What the target's template runs.
const SCRIPT: [&str; 2] = ["/bin/sh", "/app/run.sh"];

/// An interpreter's source: what it answers stands in the file.
fn script(name: &str) -> String {
    format!("exec /tool serve --port 8080 --grace-ms 0 --name {name}\n")
}

fn write(world: &World, path: &str, text: impl AsRef<[u8]>) {
    let path = world.path(path);
    let folder = path.parent().expect("a folder");
    std::fs::create_dir_all(folder).expect("a folder is made");
    // The laptop's user is another one than the test's.
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).expect("own folder");
    std::fs::write(path, text).expect("a file is written");
}

/// A session of `web`, from the folder `code` to `/app`.
async fn synced(world: &World, args: &[&str]) -> Process {
    let mut session = world.devbridge(&[&["sync", "web", "--from", "code"], args].concat());
    session.line("ready:", deadline::ATTACH).await;
    session
}

async fn answered_by(world: &World, name: &str) {
    world.answered_by("http://web/", |by| by == name).await;
}

async fn leaves(world: &World, mut session: Process) {
    session.signal(Signal::SIGINT);
    session.exit(deadline::LEAVE).await;
    world.answered_by("http://web/", |by| by.starts_with("web-")).await;
    world.nothing_runs().await;
    world.nothing_is_left().await;
}

/// Leaves while `load` goes on, of which nothing has failed in the end.
async fn leaves_under(world: &World, mut load: RunningLoad, mut session: Process) {
    session.signal(Signal::SIGINT);
    session.exit(deadline::LEAVE).await;
    load.go_on(2.0).await;
    let counted = load.end().await;
    assert_eq!(counted.failed, 0, "{counted:?}\n{session:?}");
    world.nothing_runs().await;
    world.nothing_is_left().await;
}

/// The session's state of the sync path.
async fn status(world: &World) -> Value {
    let said = world.devbridge_ends(&["status", "-o", "json"]).await.1.stdout();
    let status: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    status["sessions"][0].clone()
}

/// What a command says in the pod that runs the code.
async fn in_the_pod(world: &World, command: &[&str]) -> Vec<Value> {
    let pod = status(world).await["sync"]["pods"][0]["name"].as_str().expect("a pod").to_owned();
    world.exec(&pod, command).await.end(deadline::LOOK).await.lines
}

async fn an_interpreter_runs_what_was_saved_while_requests_go_on(world: World) {
    world.echo(Echo::new("web").replicas(2).app(&SCRIPT)).await;
    write(&world, "code/run.sh", script("first"));
    write(&world, "code/.gitignore", "*.log\n");
    write(&world, "code/noise.log", "1");
    let mut session = synced(&world, &["--to", "/app"]).await;
    answered_by(&world, "first").await;
    let mut load = world.load("http://web/", Load::USUAL).await;
    load.answered_by("first", 200, deadline::LOOK).await;
    for save in 0..5 {
        let (from, name) = (session.lines(), format!("save-{save}"));
        write(&world, "code/noise.log", &name);
        write(&world, "code/run.sh", script(&name));
        session.line_after(from, "state: run.sh changed", SAVED).await;
        session.line_after(from, "state: in sync @ ", SAVED).await;
        session.line_after(from, "state: process ", deadline::LOOK).await;
        load.answered_by(&name, 100, deadline::LOOK).await;
    }
    let now = status(&world).await;
    assert_eq!((&now["restarts"], &now["sync"]["pods"][0]["inSync"]), (&5.into(), &true.into()), "{now}");
    assert_eq!(now["serving"]["by"], "pod", "{now}");
    // What is ignored is neither sent nor taken away.
    let there: Vec<_> = in_the_pod(&world, &["ls", "/app"]).await;
    assert_eq!(there, ["run.sh"], "{there:?}");
    leaves_under(&world, load, session).await;
}

async fn a_compiled_program_is_built_on_the_laptop_and_runs_in_the_cluster(world: World) {
    let source = |name: &str| {
        let call = format!(
            "execl(\"/tool\", \"/tool\", \"serve\", \"--port\", \"8080\", \"--grace-ms\", \"0\", \"--name\", \"{name}\", (char *)0)"
        );
        format!("#include <unistd.h>\nint main(void) {{ return {call}; }}\n")
    };
    world.echo(Echo::new("web").app(&[])).await;
    write(&world, "code/main.c", source("first"));
    write(&world, "code/.devbridgeignore", "*.new\n");
    let build = "cc -static -o web.new main.c && mv web.new web";
    let built = std::process::Command::new("sh").args(["-c", build]).current_dir(world.path("code")).status();
    assert!(built.expect("a compiler").success());
    let on_change = format!("*.c={build}");
    let mut session = synced(&world, &["--to", "/app", "--on-change", &on_change, "--", "/app/web"]).await;
    answered_by(&world, "first").await;

    write(&world, "code/main.c", "int main(void) { return oops; }\n");
    session.line(&format!("state: `{build}` failed with 1 after"), deadline::LOOK).await;
    answered_by(&world, "first").await;
    write(&world, "code/main.c", source("second"));
    session.line("state: process ", deadline::LOOK).await;
    answered_by(&world, "second").await;
    leaves(&world, session).await;
}

async fn a_static_file_server_shows_what_was_saved(world: World) {
    let server = ["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/app"];
    world.echo(Echo::new("web").app(&[])).await;
    write(&world, "code/index.html", "one");
    write(&world, "code/sub/page.html", "below");
    let args = [&["--to", "/app", "--restart", "never", "--"][..], &server].concat();
    let mut session = synced(&world, &args).await;
    let shows = async |path: &str, text: &'static str| {
        world.shows(&format!("http://web/{path}"), |page| page.contains(text)).await;
    };
    shows("index.html", "one").await;
    shows("sub/page.html", "below").await;
    let from = session.lines();
    write(&world, "code/index.html", "two");
    session.line_after(from, "state: in sync @ 2 ", SAVED).await;
    shows("index.html", "two").await;
    std::fs::rename(world.path("code/sub"), world.path("code/moved")).unwrap();
    shows("moved/page.html", "below").await;
    let there = in_the_pod(&world, &["ls", "/app"]).await;
    assert_eq!(there, ["index.html", "moved"], "what was moved is not there twice");
    assert!(!session.has_said("listens, "), "never started anew: {session:?}");
    leaves(&world, session).await;
}

async fn a_binary_runs_in_a_container_without_shell_or_a_folder_that_can_be_written(world: World) {
    world.echo(Echo::new("web")).await;
    let program = std::fs::read(world.program("tool")).expect("the tool");
    write(&world, "code/server", &program);
    let path = world.path("code/server");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let run = [
        "--to",
        "/code",
        "--",
        "/code/server",
        "serve",
        "--port",
        "8080",
        "--grace-ms",
        "0",
        "--name",
        "laptop",
    ];
    let mut session = synced(&world, &run).await;
    answered_by(&world, "laptop").await;
    // Another binary in one step, as a linker or `mv` does it: only what differs travels.
    let from = session.lines();
    std::fs::write(world.path("next"), [&program[..], b"more"].concat()).unwrap();
    std::fs::set_permissions(world.path("next"), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(world.path("next"), &path).unwrap();
    session.line_after(from, "state: in sync @ 2 ", SAVED).await;
    session.line_after(from, "state: process ", deadline::LOOK).await;
    answered_by(&world, "laptop").await;
    leaves(&world, session).await;
}

async fn a_folder_of_another_user_is_told_before_anything_is_sent_and_a_volume_helps(world: World) {
    let server = ["--restart", "never", "--", "/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/srv"];
    world.echo(Echo::new("web").app(&[])).await;
    let before = world.snapshot().await;
    write(&world, "code/new.html", "from the laptop");
    let refused = [&["sync", "web", "--from", "code", "--to", "/srv"][..], &server].concat();
    let (code, said) = world.devbridge_ends(&refused).await;
    assert_eq!(code, 64 + 1, "{said:?}");
    for words in [
        "DB-SYNC-005",
        "/srv in the container can't be written",
        "user is 65532",
        "belongs to 0:0",
        "--volume",
    ] {
        assert!(said.has_said(words), "{words}: {said:?}");
    }
    world.is_again(&before).await;
    // What it runs stands in its image alone: a running original tells.
    let args = ["--to", "/srv", "--volume", "--keep", "--restart", "never"];
    let mut session = synced(&world, &args).await;
    session.signal(Signal::SIGINT);
    session.exit(deadline::LEAVE).await;
    assert!(session.has_said("/tool serve --port 8080 started"), "{session:?}");
    let args = [&args[..4], &server].concat();
    let session = synced(&world, &args).await;
    for (page, text) in [("new", "from the laptop"), ("index", "from the image")] {
        world.shows(&format!("http://web/{page}.html"), |page| page.contains(text)).await;
    }
    leaves(&world, session).await;
}

async fn what_somebody_changes_in_the_pod_is_found_and_repaired(world: World) {
    world.echo(Echo::new("web").app(&SCRIPT)).await;
    write(&world, "code/run.sh", script("laptop"));
    for file in ["a", "b", "sub/c"] {
        write(&world, &format!("code/{file}"), file);
    }
    write(&world, "code/.gitignore", "cache/\n");
    let session = synced(&world, &["--to", "/app"]).await;
    let verify = async |args: &[&str]| {
        let (code, said) = world.devbridge_ends(&[&["sync", "verify"], args].concat()).await;
        (code, said.stdout())
    };
    let (code, said) = verify(&[]).await;
    assert!(code == 0 && said.contains("in sync @ 1"), "{said}");
    let spoil = "echo x > /app/a; rm /app/b; chmod 700 /app/sub; touch /app/extra; mkdir /app/cache; touch /app/cache/x";
    in_the_pod(&world, &["sh", "-c", spoil]).await;
    let (code, said) = verify(&[]).await;
    for line in ["a: other contents", "b: other contents", "sub: other contents", "extra: only in the pod"] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(code == 1 && !said.contains("cache"), "{said}");
    let (code, said) = verify(&["--repair", "-o", "json"]).await;
    assert!(code == 0 && said.contains("\"repaired\": true"), "{said}");
    let (code, said) = verify(&["web"]).await;
    assert!(code == 0 && said.contains("in sync @ 1"), "{said}");
    let there = in_the_pod(&world, &["sh", "-c", "cd /app; cat a b sub/c; ls cache"]).await;
    assert_eq!(there, ["absub/cx"], "what is ignored stays");
    let code = world.devbridge_ends(&["sync", "verify", "other"]).await.0;
    assert_eq!(code, 2, "no such session");
    leaves(&world, session).await;
}

async fn code_that_crashes_is_held_until_the_next_save(world: World) {
    world.echo(Echo::new("web").app(&SCRIPT)).await;
    write(&world, "code/run.sh", script("laptop"));
    let mut session = synced(&world, &["--to", "/app"]).await;
    answered_by(&world, "laptop").await;
    write(&world, "code/run.sh", "echo 'line 7: no such variable'\nexit 3\n");
    session
        .line(
            "state: the process ended with 3; the next save starts it again; requests wait up to 5 s",
            SAVED,
        )
        .await;
    session.line("line 7: no such variable", deadline::LOOK).await;
    // Held for 5 s, then an original's.
    world.answered_by("http://web/", |by| by.starts_with("web-")).await;
    let (_, logs) = world.devbridge_ends(&["logs", "web"]).await;
    assert!(
        logs.stdout().contains("line 7: no such variable") && !logs.stdout().contains("devbridge "),
        "{logs:?}"
    );
    write(&world, "code/run.sh", script("again"));
    session.line("state: requests reach this code in the cluster", SAVED).await;
    answered_by(&world, "again").await;
    leaves(&world, session).await;
}

async fn a_process_that_is_synced_survives_its_agent(world: World) {
    world.echo(Echo::new("web").app(&SCRIPT)).await;
    write(&world, "code/run.sh", script("laptop"));
    let mut session = synced(&world, &["--to", "/app"]).await;
    answered_by(&world, "laptop").await;
    let mut fault = world.fault("agent's process `kill -9` that runs synced code");
    let mut load = world.load("http://web/", Load::USUAL).await;
    load.answered_by("laptop", 100, deadline::LOOK).await;
    let (_, uid) = world.pod("devbridge.dev/agent").await;
    fault.happened();
    assert_eq!(world.kill_in_pod(&uid, "traffic-agent"), 1);
    session.line("state: at an agent again, in pod ", deadline::PODS).await;
    load.answered_by("laptop", 100, deadline::LOOK).await;
    fault.settled();
    let counted = load.end().await;
    fault.requests(&counted);
    fault.stays("nothing, after Ctrl-C");
    leaves(&world, session).await;
    fault.tell(&(&counted,));
}

async fn what_there_is_to_ask_is_asked_clearly(world: World) {
    world.echo(Echo::new("web")).await;
    write(&world, "code/run.sh", "");
    for (args, exit, words) in [
        (&["sync", "web", "--from", "none", "--to", "/app"][..], 3, "DB-SYNC-001"),
        (&["sync", "web", "--from", "code"], 2, "DB-USAGE-007"),
        (&["sync", "web", "--from", "code", "--to", "app"], 2, "DB-USAGE-007"),
        (&["sync", "web", "--from", "code", "--to", "/"], 2, "DB-USAGE-007"),
        // The template has arguments alone, and the image no program that could tell.
        (&["sync", "web", "--from", "code", "--to", "/app"], 2, "DB-USAGE-005"),
        (&["sync", "web", "--from", "code", "--to", "/app", "--", "/none"], 64 + 1, "DB-SYNC-006"),
    ] {
        let (code, said) = world.devbridge_ends(args).await;
        assert!(code == exit && said.has_said(words) && said.has_said("--"), "{args:?}: {code} {said:?}");
    }
    world.nothing_is_left().await;
}
