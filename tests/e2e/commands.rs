//! The other commands: what they tell, to people and to programs.

use harness::{Echo, World, deadline};
use serde_json::Value;

harness::tests![
    list_and_status_tell_who_holds_what,
    doctor_finds_nothing_wrong,
    version_and_completion_need_no_cluster,
];

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

async fn list_and_status_tell_who_holds_what(world: World) {
    world.echo(Echo::new("web")).await;
    let (code, list) = world.devbridge_ends(&["list"]).await;
    assert_eq!((code, list.stdout().as_str()), (0, ""), "{list:?}");
    let mut session = world.devbridge(&["intercept", "web", "--", "tool", "serve", "--name", "laptop"]);
    session.line("ready:", deadline::ATTACH).await;
    world.laptop_answers("http://web/").await;

    let (code, list) = world.devbridge_ends(&["list"]).await;
    assert_eq!(code, 0, "{list:?}");
    assert!(list.stdout().contains("web") && list.stdout().contains(world.namespace()), "{list:?}");
    let (_, list) = world.devbridge_ends(&["list", "-o", "json"]).await;
    let listed = json(&list.stdout());
    assert_eq!(listed["apiVersion"], "devbridge.dev/v1");
    assert_eq!(listed["sessions"].as_array().map(Vec::len), Some(1), "{listed}");

    let (code, status) = world.devbridge_ends(&["status", "-o", "json"]).await;
    assert_eq!(code, 0, "{status:?}");
    let status = json(&status.stdout());
    let mine = &status["sessions"][0];
    assert_eq!(mine["pid"], session.pid());
    assert_eq!(mine["id"], listed["sessions"][0]["id"], "{status}");
    assert_eq!(mine["namespace"], world.namespace());
    assert_eq!(mine["target"], "deployment/web");
    assert_eq!(mine["phase"], "attached");
    assert_eq!(mine["link"]["state"], "up");
    assert_eq!(mine["serving"]["by"], "laptop");
    // The agent tells its counts once a second.
    deadline::eventually(deadline::LOOK, "the request is counted", || async {
        let (_, status) = world.devbridge_ends(&["status", "-o", "json"]).await;
        let count = json(&status.stdout())["sessions"][0]["requests"]["laptop"].as_u64();
        if count >= Some(1) { Ok(()) } else { Err(format!("{count:?}")) }
    })
    .await;
    let (code, text) = world.devbridge_ends(&["status"]).await;
    assert_eq!(code, 0);
    assert!(text.stdout().contains("web"), "{text:?}");
}

async fn doctor_finds_nothing_wrong(world: World) {
    world.echo(Echo::new("web")).await;
    let before = world.snapshot().await;
    let (code, doctor) = world.devbridge_ends(&["doctor", "-o", "json"]).await;
    assert_eq!(code, 0, "{doctor:?}");
    json(&doctor.stdout());
    let (code, doctor) = world.devbridge_ends(&["doctor"]).await;
    assert_eq!(code, 0, "{doctor:?}");
    assert_eq!(before.changes_to(&world.snapshot().await), Vec::<String>::new());
}

async fn version_and_completion_need_no_cluster(world: World) {
    std::fs::write(world.path("none"), "").unwrap();
    let (code, version) = world.devbridge_ends(&["version"]).await;
    assert_eq!(code, 0, "{version:?}");
    assert!(version.stdout().contains(env!("CARGO_PKG_VERSION")), "{version:?}");
    for shell in ["bash", "zsh", "fish"] {
        let (code, completion) = world.devbridge_ends(&["completion", shell]).await;
        assert_eq!(code, 0, "{completion:?}");
        assert!(completion.stdout().contains("intercept"), "{completion:?}");
    }
}
