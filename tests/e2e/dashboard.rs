//! `devbridge dashboard` and `--dashboard`, as a person walks through them: keys in a terminal, facts in its picture.

use std::time::Duration;

use harness::{Cut, Echo, Process, Relay, Screen, Silent, World, child_of, deadline, usage};
use nix::sys::signal::Signal;
use serde_json::Value;

harness::tests![
    a_walk_through_all_screens,
    it_opens_beside_its_session_and_closing_it_changes_nothing,
    a_session_that_is_killed_is_shown_as_lost_and_nothing_of_it_is_hidden,
    it_rests_when_nothing_happens_and_keeps_up_when_much_does,
    without_a_terminal_it_is_a_line_for_each_thing_that_happens
];

/// Something that happened is in the picture.
const SEEN: Duration = Duration::from_secs(10);

/// A session of `web` on the laptop, behind a link that can be spoiled, and its port there.
async fn swapped(world: &World, relay: &Relay) -> Process {
    let port = harness::free_port().to_string();
    let ports = format!("{port}:80");
    let serve = ["--", "tool", "serve", "--name", "laptop", "--port", &port];
    let args = [&["intercept", "web", "-p", &ports], &serve[..]].concat();
    let mut session = world.devbridge_through(relay, &args);
    session.line("ready:", deadline::ATTACH).await;
    world.laptop_answers("http://web/").await;
    session
}

/// A session of `app` whose code runs in the cluster.
async fn synced(world: &World) -> Process {
    save(world, "first");
    let mut session = world.devbridge(&["sync", "app", "--from", "code", "--to", "/app"]);
    session.line("ready:", deadline::ATTACH).await;
    session
}

fn save(world: &World, name: &str) {
    let folder = world.path("code");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let text = format!("exec /tool serve --port 8080 --grace-ms 0 --name {name}\n");
    std::fs::write(folder.join("run.sh"), text).unwrap();
}

async fn ask(world: &World, args: &[&str]) -> Value {
    world.tool_ends(&[&["ask"], args].concat(), deadline::LOOK).await.last()
}

/// The word after another in a picture: `gen 3` → `3`.
fn number_after(picture: &str, word: &str) -> Option<u64> {
    let (_, rest) = picture.split_once(word)?;
    let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Closes what is open. Not with Escape where there is another way: two that come together are one to a terminal.
async fn closes(screen: &Screen, open: &str) {
    screen.keys(&[if open == "filter:" { "Escape" } else { "q" }]);
    screen.sees_no_more(&[open], SEEN).await;
}

async fn a_walk_through_all_screens(world: World) {
    world.echo(Echo::new("web")).await;
    world.echo(Echo::new("app").app(&["/bin/sh", "/app/run.sh"])).await;
    let relay = world.relay().await;
    let intercepted = swapped(&world, &relay).await;
    let synced = synced(&world).await;

    // Open: both sessions, the older one selected.
    let screen = world.screen(&["dashboard"], None);
    screen
        .sees(&["deployment/web", "deployment/app", "laptop serves", "code serves", "1 sessions"], SEEN)
        .await;

    // Send traffic, find what failed by a filter.
    let post =
        ["http://web/count/orders", "-X", "POST", "-H", "authorization: Bearer s3cret", "-d", "{\"qty\":2}"];
    ask(&world, &post).await;
    ask(&world, &["http://web/status/503"]).await;
    ask(&world, &["http://web/plain"]).await;
    screen.keys(&["2"]);
    screen.sees(&["POST", "/count/orders", "/status/503", "/plain"], SEEN).await;
    screen.keys(&["/"]);
    screen.text("stauts>=500");
    screen.keys(&["Enter"]);
    screen.sees(&["there is no field `stauts`", "did you mean `status`?", "/stauts>=500"], SEEN).await;
    for _ in 0..11 {
        screen.keys(&["BSpace"]);
    }
    screen.text("status>=500");
    screen.keys(&["Enter"]);
    let only = screen.sees(&["filter: status>=500", "/status/503"], SEEN).await;
    assert!(!only.contains("/plain") && !only.contains("/count/orders"), "{only}");

    // Open it, send it again, see the answer and what differs.
    screen.keys(&["Enter"]);
    screen
        .sees(&["GET /status/503", "503 Service Unavailable", "why here", "accepted it", "timing"], SEEN)
        .await;
    screen.keys(&["r"]);
    screen.sees(&["replay", "of #", "503 Service Unavailable"], SEEN).await;
    screen.keys(&["d"]);
    screen.sees(&[": same"], SEEN).await;
    closes(&screen, ": same").await;

    // Copy it for a shell, and run that.
    screen.keys(&["y"]);
    screen.sees(&["curl", "HTTPie"], SEEN).await;
    screen.keys(&["c"]);
    screen.sees(&["copied"], SEEN).await;
    let command = screen.clipboard();
    assert!(command.starts_with("curl "), "{command}");
    let asked = std::process::Command::new("sh")
        .args(["-c", &format!("{} -s -o /dev/null -w '%{{http_code}}'", command.trim_end())])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&asked.stdout), "503", "{command}\n{asked:?}");
    for open in ["copied: curl", "[request]", "filter:"] {
        closes(&screen, open).await;
    }

    // Secrets are covered.
    screen.keys(&["/"]);
    screen.text("method=POST");
    screen.keys(&["Enter"]);
    screen.sees(&["/count/orders", "filter: method=POST"], SEEN).await;
    screen.keys(&["Enter"]);
    let covered = screen.sees(&["POST /count/orders", "authorization", "\"qty\""], SEEN).await;
    assert!(!covered.contains("s3cret"), "{covered}");
    screen.keys(&["u"]);
    screen.sees(&["Bearer s3cret"], SEEN).await;
    closes(&screen, "[request]").await;

    // Those in view into a file, by a command's name.
    screen.keys(&[":"]);
    screen.text("har posts.har");
    screen.keys(&["Enter"]);
    screen.sees(&["1 request written to posts.har"], SEEN).await;
    let har: Value = serde_json::from_slice(&std::fs::read(world.path("posts.har")).unwrap()).unwrap();
    let entry = &har["log"]["entries"][0]["request"];
    assert_eq!((&har["log"]["version"], &entry["method"]), (&"1.2".into(), &"POST".into()), "{har}");
    assert!(!har.to_string().contains("s3cret"), "{har}");

    // Follow what the process asks for.
    world.ask("http://web/fetch/http://app/from-the-process").await;
    ask(&world, &["http://web/fetch/http://nobody-is-here/x"]).await;
    screen.keys(&["3"]);
    screen.sees(&["app", "nobody-is-here", "NXDOMAIN"], SEEN).await;

    // Save a file, see the generation move.
    screen.keys(&["]", "4"]);
    let before = screen.sees(&["deployment/app", "/app", "in sync"], SEEN).await;
    let before = number_after(&before, "in sync @").unwrap_or_else(|| panic!("{before}"));
    save(&world, "second");
    let moved = |picture: &str| number_after(picture, "in sync @").is_some_and(|now| now > before);
    screen.shows("the generation moves", SEEN, |picture| moved(picture) && picture.contains("run.sh")).await;
    screen.keys(&["v"]);
    screen.sees(&["paths compared"], deadline::LOOK).await;
    closes(&screen, "paths compared").await;

    // Logs of the pods, and what happened.
    screen.keys(&["5", "s"]);
    screen.sees(&["[originals]", "listening"], SEEN).await;
    screen.keys(&["6"]);
    screen.sees(&["in sync @", "kubernetes"], deadline::LOOK).await;

    // Cut the tunnel: seen, and seen to return.
    screen.keys(&["[", "1"]);
    relay.swallow(Silent::All);
    screen.sees(&["agent lost", "originals serve"], SEEN).await;
    relay.heal();
    relay.cut(Cut::Rst);
    screen.sees(&["laptop serves"], deadline::LOOK).await;
    screen.sees_no_more(&["agent lost"], SEEN).await;

    // Sizes that are small, and large again.
    screen.resize(60, 15);
    screen.sees(&["deployment/web", "laptop serves"], SEEN).await;
    screen.resize(20, 4);
    screen.resize(120, 36);
    screen.sees(&["deployment/web", "? help"], SEEN).await;

    // Leave from the screen, and close it.
    screen.keys(&["x"]);
    screen.sees(&["end the session of deployment/web", "y yes"], SEEN).await;
    screen.keys(&["y"]);
    screen.sees(&["ended"], deadline::LEAVE).await;
    let mut intercepted = intercepted;
    assert_eq!(intercepted.exit(deadline::LEAVE).await, 0, "{intercepted:?}");
    world.answered_by("http://web/", |by| by.starts_with("web-")).await;
    screen.keys(&["q"]);
    screen.sees(&["exit 0"], SEEN).await;
    drop(screen);

    let mut synced = synced;
    synced.signal(Signal::SIGINT);
    synced.exit(deadline::LEAVE).await;
    world.nothing_runs().await;
    world.nothing_is_left().await;
}

async fn it_opens_beside_its_session_and_closing_it_changes_nothing(world: World) {
    world.echo(Echo::new("web")).await;
    let port = harness::free_port().to_string();
    let ports = format!("{port}:80");
    let serve = ["--", "tool", "serve", "--name", "laptop", "--port", &port];
    let args = [&["intercept", "web", "--dashboard", "-p", &ports], &serve[..]].concat();
    let screen = world.screen(&args, None);
    screen.sees(&["1 sessions", "deployment/web", "laptop serves"], deadline::ATTACH).await;
    world.laptop_answers("http://web/").await;

    // What the process writes is here.
    screen.keys(&["5"]);
    screen.sees(&["listening"], SEEN).await;

    // Closed: the session goes on, and says so.
    screen.keys(&["q"]);
    screen.sees(&["the session goes on", "devbridge dashboard"], SEEN).await;
    world.laptop_answers("http://web/").await;
    // Ctrl-C ends it as ever.
    screen.keys(&["C-c"]);
    screen.sees(&["nothing of devbridge stays", "exit 0"], deadline::LEAVE).await;
    drop(screen);
    world.nothing_runs().await;
    world.nothing_is_left().await;

    // Ctrl-C in the dashboard ends both, and the terminal is as it was.
    let screen = world.screen(&args, None);
    screen.sees(&["1 sessions", "laptop serves"], deadline::ATTACH).await;
    screen.keys(&["C-c"]);
    screen.sees(&["SIGINT: leaving", "nothing of devbridge stays", "exit "], deadline::LEAVE).await;
    drop(screen);
    world.nothing_runs().await;
    world.nothing_is_left().await;

    // The same with code that runs in the cluster.
    world.echo(Echo::new("app").app(&["/bin/sh", "/app/run.sh"])).await;
    save(&world, "first");
    let screen = world.screen(&["sync", "app", "--from", "code", "--to", "/app", "--dashboard"], None);
    screen.sees(&["1 sessions", "deployment/app", "code serves"], deadline::ATTACH).await;
    screen.keys(&["5"]);
    screen.sees(&["[process]", "listening"], SEEN).await;
    screen.keys(&["C-c"]);
    screen.sees(&["SIGINT: leaving", "nothing of devbridge stays", "exit "], deadline::LEAVE).await;
    drop(screen);
    world.nothing_runs().await;
    world.nothing_is_left().await;
}

async fn a_session_that_is_killed_is_shown_as_lost_and_nothing_of_it_is_hidden(world: World) {
    world.echo(Echo::new("web")).await;
    let mut session = world.swapped().await;
    let screen = world.screen(&["dashboard"], None);
    screen.sees(&["deployment/web", "laptop serves"], SEEN).await;
    ask(&world, &["http://web/status/418"]).await;
    screen.keys(&["2"]);
    screen.sees(&["/status/418"], SEEN).await;
    session.signal_group(Signal::SIGKILL);
    session.exit(deadline::LOOK).await;
    screen.sees(&["lost", "/status/418"], SEEN).await;
    screen.keys(&["1"]);
    screen.sees(&["does not answer", "devbridge leave"], SEEN).await;
    screen.keys(&["C-c"]);
    screen.sees(&["exit 130"], SEEN).await;
    drop(screen);
    world.devbridge_ends(&["leave", "web"]).await;
    world.nothing_is_left().await;
}

async fn it_rests_when_nothing_happens_and_keeps_up_when_much_does(world: World) {
    let screen = world.screen(&["dashboard"], None);
    screen.sees(&["no session runs on this laptop", "devbridge intercept"], SEEN).await;
    let pid = child_of(screen.pid());
    // A bound for correctness, six times the goal; the figure is in the benchmarks.
    let before = usage(pid).cpu;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let cpu = usage(pid).cpu - before;
    world.note(&format!("at rest: {cpu:.2} s of a core in 10 s"));
    assert!(cpu <= 0.3, "{cpu} s in 10 s");

    // Much happens: the newest is shown, what had no room is counted, keys are answered, memory is bounded.
    let flood = world.flood(10_000);
    screen.sees(&["deployment/flood", "laptop serves"], SEEN).await;
    screen.keys(&["6"]);
    // Kubernetes knows nothing of this one.
    screen.sees(&["failed", "error[DB-"], SEEN).await;
    closes(&screen, "error[DB-").await;
    let keeps_up = |picture: &str| {
        let newest = picture.lines().filter_map(|line| number_after(line, "event ")).max();
        newest.is_some_and(|newest| newest + 10_000 > flood.told())
    };
    screen.shows("the events of the last second", SEEN, keeps_up).await;
    let early = usage(pid).resident_kib;
    let told = flood.told();
    deadline::eventually(deadline::LOOK, "100,000 more events", || async {
        let more = flood.told() - told;
        if more >= 100_000 { Ok(()) } else { Err(more) }
    })
    .await;
    let picture = screen.shows("the events of the last second", SEEN, keeps_up).await;
    let late = usage(pid).resident_kib;
    world.note(&format!("{early} KiB resident, and {late} after 100,000 events more"));
    assert!(late < 64 << 10 && late < early + (16 << 10), "{early} KiB, then {late}");
    screen.keys(&["?"]);
    screen.sees(&["keys of events"], SEEN).await;
    closes(&screen, "keys of events").await;
    screen.keys(&["f"]);
    let frozen = screen.sees(&["frozen"], SEEN).await;
    assert_ne!(frozen, picture);
    let newest = |picture: &str| picture.lines().filter_map(|line| number_after(line, "event ")).max();
    let told = flood.told();
    deadline::eventually(SEEN, "20,000 more events", || async {
        let more = flood.told() - told;
        if more >= 20_000 { Ok(()) } else { Err(more) }
    })
    .await;
    assert_eq!(newest(&screen.picture()), newest(&frozen), "it stands still");
    screen.keys(&["f"]);
    screen.shows("the events of the last second", SEEN, keeps_up).await;
    screen.keys(&["q"]);
    screen.sees(&["exit 0"], SEEN).await;
}

async fn leaves(world: &World, mut session: Process) {
    session.signal(Signal::SIGINT);
    assert_eq!(session.exit(deadline::LEAVE).await, 0, "{session:?}");
    world.nothing_is_left().await;
}

async fn without_a_terminal_it_is_a_line_for_each_thing_that_happens(world: World) {
    world.echo(Echo::new("web")).await;
    let session = world.swapped().await;
    let mut lines = world.devbridge(&["dashboard"]);
    // One line each, that begins with the time.
    let has = async |text: &str| {
        deadline::eventually(SEEN, text, || async {
            if lines.has_said(text) { Ok(()) } else { Err("not yet") }
        })
        .await;
    };
    has("web state attached; requests reach this laptop").await;
    ask(&world, &["http://web/status/503"]).await;
    has("GET /status/503 503").await;
    leaves(&world, session).await;
    has("web state ended").await;
    lines.signal(Signal::SIGINT);
    assert_eq!(lines.exit(deadline::LOOK).await, 130, "{lines:?}");
    assert!(!lines.stdout().contains('\u{1b}'), "{lines:?}");

    let (code, refused) = world.devbridge_ends(&["intercept", "web", "--dashboard", "--", "true"]).await;
    assert_eq!(code, 66, "{refused:?}");
    assert!(refused.stderr().contains("DB-DASHBOARD-001"), "{refused:?}");
    world.nothing_is_left().await;
}
