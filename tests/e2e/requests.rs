//! `devbridge requests`: what passes through a session is seen, filtered, sent again, compared and exported.

use std::time::Duration;

use harness::{Echo, Load, Person, Process, Rights, World, deadline};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

harness::tests![
    what_passes_is_listed_shown_and_filtered_with_secrets_covered,
    a_request_is_sent_again_as_it_was_or_changed_and_answers_are_compared,
    what_is_exported_can_be_run_and_read_by_other_programs,
    grpc_websockets_and_what_the_process_asks_are_recorded,
    what_the_process_does_not_take_is_listed_with_the_reason,
    memory_stays_flat_while_requests_pass
];

/// A request is listed a moment after it has passed.
const LISTED: Duration = Duration::from_secs(5);

/// Session of `web` with a process that answers as `laptop`.
async fn swapped(world: &World) -> Process {
    world.echo(Echo::new("web")).await;
    world.swapped().await
}

/// One JSON value a line, from `devbridge requests ARGS -o json`.
async fn told(world: &World, args: &[&str]) -> Vec<Value> {
    let args = [&["requests"][..], args, &["-o", "json"]].concat();
    let (code, said) = world.devbridge_ends(&args).await;
    assert_eq!(code, 0, "{said:?}");
    said.stdout().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The newest request that matches, once it has ended.
async fn newest(world: &World, filter: &str) -> Value {
    deadline::eventually(LISTED, "a request is listed", || async {
        let all = told(world, &["list", filter, "-n", "1"]).await;
        all.into_iter().find(|one| !one["end"].is_null()).ok_or_else(|| filter.to_owned())
    })
    .await
}

async fn said(world: &World, args: &[&str]) -> String {
    let (code, said) = world.devbridge_ends(args).await;
    assert_eq!(code, 0, "{said:?}");
    said.stdout()
}

/// Asks from inside the cluster.
async fn ask(world: &World, args: &[&str]) -> Value {
    world.tool_ends(&[&["ask"], args].concat(), deadline::LOOK).await.last()
}

fn id(request: &Value) -> String {
    request["id"].to_string()
}

async fn leaves(world: &World, mut session: Process) {
    session.signal(Signal::SIGINT);
    assert_eq!(session.exit(deadline::LEAVE).await, 0, "{session:?}");
    world.nothing_is_left().await;
}

async fn what_passes_is_listed_shown_and_filtered_with_secrets_covered(world: World) {
    let session = swapped(&world).await;
    let mut following = world.devbridge(&["requests", "follow", "status>=500", "-n", "0"]);
    following.line("following;", deadline::LOOK).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traceparent = format!("traceparent: 00-{trace}-00f067aa0ba902b7-01");
    let body = r#"{"sku":"A1","password":"hunter2"}"#;
    let post = ["http://web/count/orders?token=s3cret", "-X", "POST", "-H", "x-user: alice", "-d", body];
    let more =
        ["-H", "authorization: Bearer s3cret", "-H", "content-type: application/json", "-H", &traceparent];
    ask(&world, &[&post[..], &more].concat()).await;
    ask(&world, &["http://web/status/503"]).await;
    ask(&world, &["http://web/slow/300"]).await;

    let failed = newest(&world, "status=503").await;
    assert_eq!((&failed["target"], &failed["end"]), (&json!("/status/503"), &json!("complete")), "{failed}");
    following.line(&format!("{}  ", id(&failed)), LISTED).await;
    assert!(!following.has_said("/slow"), "{following:?}");

    let posted = newest(&world, "method=POST header.x-user=alice path~^/count status=200").await;
    assert_eq!(posted["trace"], trace, "{posted}");
    assert_eq!(posted["route"]["by"], "laptop", "{posted}");
    for part in ["queueUs", "tunnelUs", "connectUs", "answerUs", "totalUs"] {
        assert!(posted["timing"][part].is_u64(), "{part}: {posted}");
    }
    assert!(!posted.to_string().contains("s3cret"), "{posted}");
    let shown = said(&world, &["requests", "show", &id(&posted)]).await;
    for seen in [
        "POST /count/orders",
        "x-user: alice",
        "application/json",
        "\"sku\"",
        "200",
        trace,
        "queue",
        "accepted it",
    ] {
        assert!(shown.contains(seen), "{seen}: {shown}");
    }
    assert!(!shown.contains("s3cret") && !shown.contains("hunter2"), "{shown}");
    let revealed = said(&world, &["requests", "show", &id(&posted), "--reveal"]).await;
    assert!(revealed.contains("Bearer s3cret") && revealed.contains("hunter2"), "{revealed}");

    let slow = newest(&world, "latency>=300ms").await;
    assert_eq!(slow["target"], "/slow/300");
    assert!(told(&world, &["list", "latency>300ms !path~slow"]).await.is_empty());
    let both = told(&world, &["list", "path=/slow/300", "status=503"]).await;
    assert_eq!(both.len(), 2, "{both:?}");
    let (code, wrong) = world.devbridge_ends(&["requests", "list", "stauts=500"]).await;
    assert_eq!(code, 2, "{wrong:?}");
    for seen in ["DB-REQUESTS-005", "stauts=500", "^", "status"] {
        assert!(wrong.stderr().contains(seen), "{seen}: {wrong:?}");
    }
    let (code, none) = world.devbridge_ends(&["requests", "show", "999999"]).await;
    assert_eq!(code, 6, "{none:?}");

    leaves(&world, session).await;
    assert_ne!(following.exit(deadline::LOOK).await, -1);
    assert!(following.has_said("has ended"), "{following:?}");
}

async fn a_request_is_sent_again_as_it_was_or_changed_and_answers_are_compared(world: World) {
    let session = swapped(&world).await;
    ask(&world, &["http://web/count/orders", "-X", "POST", "-d", "one"]).await;
    let first = newest(&world, "method=POST").await;
    let arrived = async || ask(&world, &["http://web/count/orders"]).await["body"]["count"].as_u64().unwrap();
    assert_eq!(arrived().await, 1);

    let (code, again) = world.devbridge_ends(&["requests", "replay", &id(&first)]).await;
    assert_eq!(code, 0, "{again:?}");
    assert!(again.stderr().contains("POST is not idempotent"), "{again:?}");
    assert_eq!(arrived().await, 2, "once more, and once only");

    ask(&world, &["http://web/headers?a=1", "-X", "PUT", "-H", "x-user: alice", "-d", "{\"qty\":1}"]).await;
    let put = newest(&world, "method=PUT").await;
    let changed = ["--set-header", "x-user: bob", "--data", "{\"qty\":2}", "--path", "/headers?a=2"];
    let replayed = told(&world, &[&["replay", &id(&put)], &changed[..]].concat()).await.remove(0);
    assert_eq!((&replayed["replayOf"], &replayed["status"]), (&put["id"], &json!(200)), "{replayed}");
    let shown = said(&world, &["requests", "show", &id(&replayed)]).await;
    for seen in ["/headers?a=2", "bob"] {
        assert!(shown.contains(seen), "{seen}: {shown}");
    }
    let (code, diff) = world.devbridge_ends(&["requests", "diff", &id(&put), &id(&replayed)]).await;
    assert_eq!(code, 1, "{diff:?}");
    for seen in ["alice", "bob", "a=1", "a=2"] {
        assert!(diff.stdout().contains(seen), "{seen}: {diff:?}");
    }
    let same = told(&world, &["replay", &id(&put)]).await.remove(0);
    let (code, diff) = world.devbridge_ends(&["requests", "diff", &id(&put), &id(&same)]).await;
    assert_eq!((code, diff.stdout().trim()), (0, "same"), "{diff:?}");

    // In an editor.
    let editor = world.path("editor");
    std::fs::write(&editor, "#!/bin/sh\nsed -i -e 's/alice/carol/' -e 's/qty\":1/qty\":3/' \"$1\"\n")
        .unwrap();
    std::fs::set_permissions(&editor, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let args = ["requests", "replay", &id(&put), "--edit", "-o", "json"];
    let environment = [("EDITOR", editor.to_str().unwrap())];
    let mut edited = world.start_with("devbridge", &args, Rights::Edit, Person::Unprivileged, &environment);
    assert_eq!(edited.exit(deadline::LOOK).await, 0, "{edited:?}");
    let edited: Value = serde_json::from_str(&edited.stdout()).unwrap();
    let shown = said(&world, &["requests", "show", &id(&edited)]).await;
    assert!(shown.contains("carol") && !shown.contains("alice"), "{shown}");

    // To an original, and not without being told so.
    let (code, asked) = world.devbridge_ends(&["requests", "replay", &id(&put), "--to", "cluster"]).await;
    assert_eq!(code, 2, "{asked:?}");
    assert!(asked.stderr().contains("DB-REQUESTS-013"), "{asked:?}");
    let original = told(&world, &["replay", &id(&put), "--to", "cluster", "--yes"]).await.remove(0);
    assert_eq!(original["route"]["by"], "originals", "{original}");
    let shown = said(&world, &["requests", "show", &id(&original)]).await;
    assert!(shown.contains("\"web-"), "an original's name: {shown}");

    // Without a session there is nothing to send.
    leaves(&world, session).await;
    let (code, none) = world.devbridge_ends(&["requests", "replay", &id(&put)]).await;
    assert_eq!(code, 6, "{none:?}");
}

async fn what_is_exported_can_be_run_and_read_by_other_programs(world: World) {
    let laptop = harness::free_port().to_string();
    world.echo(Echo::new("web")).await;
    let mut service = world.start(
        "tool",
        &["serve", "--name", "laptop", "--port", &laptop],
        Rights::Edit,
        Person::Unprivileged,
    );
    service.line("{\"listening\"", deadline::LOOK).await;
    let mut session = world.devbridge(&["intercept", "web", "-p", &format!("{laptop}:80")]);
    session.line("ready:", deadline::ATTACH).await;
    world.laptop_answers("http://web/").await;

    let body = "it's $(not) `run` \\ \"here\" \u{fc}";
    for (filter, asked) in [
        (
            "method=PUT path=/headers",
            vec!["http://web/headers?q=a%20b&c=[1]", "-H", "x-odd: a'b \"c\" $HOME", "-d", body, "-X", "PUT"],
        ),
        ("path=/headers/plain", vec!["http://web/headers/plain"]),
    ] {
        let answer = ask(&world, &asked).await;
        let recorded = newest(&world, filter).await;
        let command = said(&world, &["requests", "export", &id(&recorded), "--reveal"]).await;
        let again = std::process::Command::new("sh")
            .args(["-c", &format!("{} -s", command.trim_end())])
            .output()
            .unwrap();
        assert!(again.status.success(), "{command}\n{again:?}");
        let mut again: Value = serde_json::from_slice(&again.stdout)
            .unwrap_or_else(|error| panic!("{error}: {again:?}\n{command}"));
        let mut before = answer["body"].clone();
        // Of the connection, and not of what is asked.
        for one in [&mut again, &mut before] {
            let headers = one["headers"].as_array_mut().expect("headers came back");
            headers
                .iter_mut()
                .for_each(|header| header[0] = header[0].as_str().unwrap().to_ascii_lowercase().into());
            headers.retain(|header| !["connection", "content-length"].contains(&header[0].as_str().unwrap()));
            headers.sort_by_key(ToString::to_string);
        }
        assert_eq!(again, before, "{command}");
    }

    ask(&world, &["http://web/gzip/x"]).await;
    ask(&world, &["http://web/large/300000"]).await;
    newest(&world, "path=/large/*").await;
    let file = world.path("web.har");
    let (code, exported) =
        world.devbridge_ends(&["requests", "export", "--har", "-o", file.to_str().unwrap()]).await;
    assert_eq!(code, 0, "{exported:?}");
    let text = std::fs::read_to_string(&file).unwrap();
    let read = har::from_slice(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
    let har::Spec::V1_2(log) = read.log else { panic!("another version: {text}") };
    let urls: Vec<_> = log.entries.iter().map(|entry| entry.request.url.clone()).collect();
    for seen in ["/headers/plain", "/gzip/x", "/large/300000"] {
        assert!(urls.iter().any(|url| url.ends_with(seen)), "{seen}: {urls:?}");
    }
    let plain = id(&newest(&world, "path=/headers/plain").await);
    let file = world.path("plain.http");
    said(&world, &["requests", "export", &plain, "-f", "raw", "-o", file.to_str().unwrap()]).await;
    let raw = std::fs::read_to_string(&file).unwrap();
    assert!(raw.starts_with("GET /headers/plain HTTP/1.1\r\n") && raw.ends_with("\r\n\r\n"), "{raw:?}");
    leaves(&world, session).await;
}

async fn grpc_websockets_and_what_the_process_asks_are_recorded(world: World) {
    world.echo(Echo::new("web").speaks()).await;
    world.echo(Echo::new("stock")).await;
    let mut session = world.devbridge(&[
        "intercept",
        "web",
        "--",
        "tool",
        "serve",
        "--name",
        "laptop",
        "--http2-port",
        "9010",
        "--websocket-port",
        "9011",
    ]);
    session.line("ready:", deadline::ATTACH).await;
    world.laptop_answers("http://web/").await;

    let called = world
        .tool_ends(&["grpc", "http://web:9010/inv.Stock/Reserve", "--messages", "3"], deadline::LOOK)
        .await;
    assert_eq!(called.last()["messages"], 3, "{called:?}");
    let call = newest(&world, "path=/inv.Stock/Reserve grpc=0").await;
    assert_eq!((&call["version"], &call["messages"]["kind"]), (&json!("HTTP/2"), &json!("grpc")), "{call}");
    assert_eq!((&call["messages"]["sent"], &call["messages"]["received"]), (&json!(3), &json!(3)), "{call}");
    world.tool_ends(&["grpc", "http://web:9010/fail/x", "--messages", "1"], deadline::LOOK).await;
    newest(&world, "path=/fail/x grpc=UNAVAILABLE").await;
    let replayed = told(&world, &["replay", &id(&call)]).await.remove(0);
    assert_eq!((&replayed["version"], &replayed["status"]), (&json!("HTTP/2"), &json!(200)), "{replayed}");
    let trailers = replayed["answer"]["trailers"].to_string();
    assert!(trailers.contains("grpc-status"), "{replayed}");

    let talked = world.tool_ends(&["ws", "ws://web:9011/chat", "--messages", "5"], deadline::LOOK).await;
    assert_eq!(talked.last()["echoed"], 5, "{talked:?}");
    let chat = newest(&world, "path=/chat").await;
    assert_eq!((&chat["status"], &chat["messages"]["kind"]), (&json!(101), &json!("webSocket")), "{chat}");
    assert_eq!((&chat["messages"]["sent"], &chat["messages"]["received"]), (&json!(5), &json!(5)), "{chat}");
    let (code, refused) = world.devbridge_ends(&["requests", "replay", &id(&chat)]).await;
    assert_eq!(code, 1, "{refused:?}");
    assert!(refused.stderr().contains("DB-REQUESTS-014"), "{refused:?}");

    // The process asks a service in the cluster by its name.
    world.ask("http://web/fetch/http://stock/from-the-process").await;
    let outbound = newest(&world, "direction=outbound path=/from-the-process").await;
    assert_eq!(
        (&outbound["host"], &outbound["route"]["by"]),
        (&json!("stock"), &json!("cluster")),
        "{outbound}"
    );
    let again = told(&world, &["replay", &id(&outbound), "--to", "cluster", "--yes"]).await.remove(0);
    assert_eq!(again["status"], 200, "{again}");

    leaves(&world, session).await;
}

async fn what_the_process_does_not_take_is_listed_with_the_reason(world: World) {
    world.echo(Echo::new("web")).await;
    let laptop = harness::free_port().to_string();
    let mut session =
        world.devbridge(&["intercept", "web", "-p", &format!("{laptop}:80"), "--wait", "100ms"]);
    session.line("ready:", deadline::ATTACH).await;
    let asked = world.answered_by("http://web/orders/7", |by| by.starts_with("web-")).await;
    assert_eq!(asked["path"], "/orders/7", "{asked}");
    // One whose bytes come late is not recorded: callers do not wait for that.
    let request = deadline::eventually(deadline::LOOK, "a request is listed", || async {
        world.ask("http://web/orders/7").await;
        let all = told(&world, &["list", "path=/orders/7 to=originals", "-n", "1"]).await;
        all.into_iter().next().ok_or("not yet")
    })
    .await;
    assert_eq!(request["end"], "elsewhere", "{request}");
    let shown = said(&world, &["requests", "show", &id(&request)]).await;
    assert!(shown.contains(&format!("nothing listens on 127.0.0.1:{laptop}")), "{shown}");
    leaves(&world, session).await;
}

async fn memory_stays_flat_while_requests_pass(world: World) {
    let session = swapped(&world).await;
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", session.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap().to_owned();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
    };
    let mut load = world.load("http://web/", Load { fresh: 100, kept: 500, connections: 20 }).await;
    // More than is kept.
    load.answered_by("laptop", 4_000, Duration::from_secs(60)).await;
    let full = resident();
    load.answered_by("laptop", 12_000, Duration::from_secs(120)).await;
    let later = resident();
    let counted = load.end().await;
    assert_eq!(counted.failed, 0, "{counted:#?}\n{session:?}");
    let all = told(&world, &["list", "-n", "100000"]).await;
    let newest = all.last().unwrap()["id"].as_u64().unwrap();
    assert!(all.len() <= 1000 && newest >= 16_000, "{} of {newest}", all.len());
    assert!(later <= full + 8, "{full} MiB, then {later} MiB");
    world.note(&format!("resident {full} MiB when full, {later} MiB after three times as many"));
    leaves(&world, session).await;
}
