//! A keeper for those who may not make one: `install`, `uninstall`, and what is said where there is none.

use std::path::Path;

use harness::{Echo, Person, Rights, World, deadline};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::keeper::{key, may_make_roles};

harness::tests![
    an_installed_keeper_serves_those_who_may_not_make_one_until_it_is_uninstalled,
    whoever_may_not_make_a_keeper_is_told_what_stays_and_can_remove_it,
];

const SERVE: [&str; 7] = ["intercept", "web", "--", "tool", "serve", "--name", "laptop"];

async fn an_installed_keeper_serves_those_who_may_not_make_one_until_it_is_uninstalled(world: World) {
    world.echo(Echo::new("web")).await;
    let admin = world.user(Rights::ClusterAdmin).await;
    let before = world.snapshot().await;
    let as_admin = |args: &[&str]| world.start("devbridge", args, Rights::ClusterAdmin, Person::Unprivileged);

    // What is printed can be applied by kubectl, and is removed by uninstall.
    let mut print = as_admin(&["install", "--print"]);
    assert_eq!(print.exit(deadline::LOOK).await, 0, "{print:?}");
    assert_eq!(before.changes_to(&world.snapshot().await), Vec::<String>::new());
    let manifests = world.path("keeper.yaml");
    std::fs::write(&manifests, print.stdout()).unwrap();
    kubectl(&world, &admin, &["apply", "--server-side", "-f", manifests.to_str().unwrap()]).await;
    world.rolled_out("devbridge-keeper").await;
    let mut uninstall = as_admin(&["uninstall"]);
    assert_eq!(uninstall.exit(deadline::LEAVE).await, 0, "{uninstall:?}");
    world.is_again(&before).await;

    // Who may only edit can't install one, but uses one that is there, and does not remove it.
    let (code, refused) = world.devbridge_ends(&["install"]).await;
    assert_eq!(code, 5, "{refused:?}");
    assert!(refused.stderr().contains("DB-KEEPER-002"), "{refused:?}");
    may_make_roles(&world).await;
    let (code, install) = world.devbridge_ends(&["install"]).await;
    assert_eq!(code, 0, "{install:?}");
    let binding = world.object("rbac.authorization.k8s.io/v1", "rolebindings/dev-admin");
    world.api().delete(&binding).await.unwrap();
    let installed = world.snapshot().await;
    is_part_of_edit(&world, "roles/devbridge-keeper").await;
    let mut session = world.devbridge(&SERVE);
    session.line("ready:", deadline::ATTACH).await;
    session.line("keeper: watches", deadline::LOOK).await;
    session.signal(Signal::SIGINT);
    session.exit(deadline::LEAVE).await;
    world.is_again(&installed).await;

    let mut uninstall = as_admin(&["uninstall"]);
    assert_eq!(uninstall.exit(deadline::LEAVE).await, 0, "{uninstall:?}");
    world.is_again(&before).await;
    let (_, again) = world.devbridge_ends(&["uninstall"]).await;
    assert!(again.stderr().contains("there was no keeper"), "{again:?}");
}

/// Checks that a user with the role `edit` may do all that a Role allows.
async fn is_part_of_edit(world: &World, role: &str) {
    let role = world.get("rbac.authorization.k8s.io/v1", role).await.unwrap();
    let texts = |list: &Value| {
        let list = list.as_array().cloned().unwrap_or_default();
        list.iter().map(|text| text.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for rule in role["rules"].as_array().unwrap() {
        for resource in texts(&rule["resources"]) {
            for verb in texts(&rule["verbs"]) {
                let review = json!({
                    "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
                    "spec": {
                        "user": format!("system:serviceaccount:{}:dev", world.namespace()),
                        "resourceAttributes": {
                            "namespace": world.namespace(), "verb": verb, "resource": resource,
                            "group": rule["apiGroups"][0], "name": rule["resourceNames"][0],
                        },
                    },
                });
                let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
                let answer = world.api().post(path, &review).await.unwrap();
                assert_eq!(answer["status"]["allowed"], true, "{verb} {resource}");
            }
        }
    }
}

async fn kubectl(world: &World, kubeconfig: &Path, args: &[&str]) {
    let cluster = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/bin/cluster");
    let mut all = vec!["kubectl", "--kubeconfig", kubeconfig.to_str().unwrap()];
    all.extend(args);
    let mut kubectl = world.start(cluster.to_str().unwrap(), &all, Rights::ClusterAdmin, Person::Root);
    assert_eq!(kubectl.exit(deadline::ATTACH).await, 0, "{kubectl:?}");
}

async fn whoever_may_not_make_a_keeper_is_told_what_stays_and_can_remove_it(world: World) {
    world.echo(Echo::new("web")).await;
    let before = world.snapshot().await;
    let mut session = world.devbridge(&SERVE);
    session.line("ready:", deadline::ATTACH).await;
    let none = session.line("keeper: none", deadline::LOOK).await;
    assert!(none.contains("create roles"), "{none}");
    let removes = format!("devbridge leave web -n {}", world.namespace());
    for said in ["the agent stays in the path", &removes, "devbridge install -n"] {
        assert!(session.has_said(said), "{said}: {session:?}");
    }
    session.signal(Signal::SIGKILL);
    session.exit(deadline::LOOK).await;
    // It stays as was said: through the agent, and nothing fails.
    world.answered_by("http://web/", |by| by.starts_with("web-")).await;
    assert_eq!(key(&world).await, "web-devbridge");

    let line: Vec<_> = removes.split(' ').skip(1).collect();
    let (code, leave) = world.devbridge_ends(&line).await;
    assert_eq!(code, 0, "{leave:?}");
    world.answered_by("http://web/", |by| by.starts_with("web-")).await;
    world.is_again(&before).await;
}
