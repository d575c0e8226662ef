//! What devbridge does not do: it says what, why and how, has a code for it, and has changed nothing.

use futures::future::join_all;
use harness::{Echo, Person, Rights, World, deadline};
use serde_json::json;

harness::tests![
    of_twenty_swaps_at_once_one_wins_and_the_others_are_told_who,
    wrong_input_is_explained_with_a_code,
    whoever_may_only_look_is_told_which_rights_are_missing,
    protected_contexts_and_namespaces_are_left_alone,
];

async fn of_twenty_swaps_at_once_one_wins_and_the_others_are_told_who(world: World) {
    world.echo(Echo::new("web")).await;
    let mut all: Vec<_> = (0..20)
        .map(|_| world.devbridge(&["intercept", "web", "--", "tool", "serve", "--name", "laptop"]))
        .collect();
    let ended = join_all(all.iter_mut().map(|session| async {
        let held = async {
            session.line("error[DB-HELD-001]", deadline::ATTACH).await;
        };
        // The winner says nothing of the kind; it is found by being the last.
        tokio::time::timeout(deadline::ATTACH / 2, held).await.is_ok()
    }))
    .await;
    assert_eq!(ended.iter().filter(|held| **held).count(), 19, "{all:?}");
    for (session, held) in all.iter_mut().zip(ended) {
        if held {
            assert_eq!(session.exit(deadline::LOOK).await, 71, "{session:?}");
            assert!(session.stderr().contains("is held by"), "{session:?}");
            assert!(session.stderr().contains("devbridge leave web"), "{session:?}");
        } else {
            session.line("ready:", deadline::ATTACH).await;
        }
    }
    world.laptop_answers("http://web/").await;
}

async fn wrong_input_is_explained_with_a_code(world: World) {
    world.echo(Echo::new("web").raw()).await;
    let before = world.snapshot().await;
    let nowhere = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{ "name": "x", "cluster": { "server": "https://127.0.0.1:1" } }],
        "users": [{ "name": "x", "user": {} }], "contexts": [{ "name": "x", "context": { "cluster": "x", "user": "x" } }],
    });
    std::fs::write(world.path("nowhere"), nowhere.to_string()).unwrap();
    std::fs::write(world.path("broken"), "{ not a kubeconfig").unwrap();
    for (args, code, says) in [
        (&["intercept"][..], 2, "TARGET"),
        (&["intercept", "web", "--prot", "1"], 2, "--prot"),
        (&["intercept", "web", "-p", "3000:81"], 2, "no port `81`"),
        (&["intercept", "web", "-p", "0:80"], 2, "not a port"),
        (&["intercept", "web", "-p", "3000"], 2, "several ports"),
        (&["intercept", "web", "--watch"], 2, "nothing to start anew"),
        (&["intercept", "web", "--watch", "missing", "--", "true"], 67, "cannot follow missing"),
        (&["intercept", "web", "--watch", "--on-change", "make", "--", "true"], 2, "PATTERNS=COMMAND"),
        (&["intercept", "wep"], 6, "there are: web"),
        (&["intercept", "statefulset/web"], 6, "cannot swap a statefulset"),
        (&["intercept", "web", "--context", "other"], 3, "no context `other`"),
        (&["intercept", "web", "--kubeconfig", "broken"], 3, "kubeconfig"),
        (&["intercept", "web", "--kubeconfig", "nowhere"], 4, "check that the cluster is up"),
        // 64 + code: not to be taken for the command's own.
        (&["intercept", "wep", "--", "true"], 70, "there are: web"),
        (&["intercept", "web", "--context", "other", "--", "true"], 67, "no context `other`"),
        (&["leave", "wep"], 6, "no session of `wep`"),
    ] {
        let (is, process) = world.devbridge_ends(args).await;
        assert_eq!(is, code, "{process:?}");
        assert!(process.stderr().contains(says), "wanted `{says}`: {process:?}");
        assert_eq!(process.stdout(), "", "{process:?}");
    }
    // A command that is not there is found out before anything is swapped.
    let (code, process) = world.devbridge_ends(&["intercept", "web", "--", "no-such-command"]).await;
    assert!(code != 0 && process.stderr().contains("no-such-command"), "{process:?}");
    assert!(!process.has_said("ready:"), "{process:?}");
    world.is_again(&before).await;
}

async fn whoever_may_only_look_is_told_which_rights_are_missing(world: World) {
    world.echo(Echo::new("web")).await;
    world.user(Rights::View).await;
    let before = world.snapshot().await;
    let mut session = world.start("devbridge", &["intercept", "web"], Rights::View, Person::Unprivileged);
    assert_eq!(session.exit(deadline::ATTACH).await, 5, "{session:?}");
    for right in ["create pods/portforward", "patch services", "edit"] {
        assert!(session.stderr().contains(right), "wanted `{right}`: {session:?}");
    }
    assert_eq!(before.changes_to(&world.snapshot().await), Vec::<String>::new());
}

async fn protected_contexts_and_namespaces_are_left_alone(world: World) {
    world.echo(Echo::new("web")).await;
    let environment = [("DEVBRIDGE_PROTECTED_CONTEXTS", "prod-*,lap*")];
    let start =
        |args: &[&str]| world.start_with("devbridge", args, Rights::Edit, Person::Unprivileged, &environment);
    let mut session = start(&["intercept", "web"]);
    assert_eq!(session.exit(deadline::LOOK).await, 2, "{session:?}");
    assert!(session.stderr().contains("--yes"), "{session:?}");
    let mut session = start(&["intercept", "web", "--yes"]);
    session.line("ready:", deadline::ATTACH).await;
    drop(session);

    // Edit may not read namespaces everywhere; who may, is held to the label.
    world.user(Rights::ClusterAdmin).await;
    let label = json!({ "metadata": { "labels": { "devbridge.dev/protected": "true" } } });
    world.api().merge(&format!("/api/v1/namespaces/{}", world.namespace()), &label).await.unwrap();
    let mut session =
        world.start("devbridge", &["intercept", "web"], Rights::ClusterAdmin, Person::Unprivileged);
    assert_eq!(session.exit(deadline::LOOK).await, 5, "{session:?}");
    assert!(session.stderr().contains("protected"), "{session:?}");
}
