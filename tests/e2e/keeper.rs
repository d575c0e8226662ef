//! The laptop is gone for good: the keeper undoes what it left, in two stages; and where there is no keeper, that is said.

use std::path::Path;
use std::time::{Duration, Instant};

use futures::future::join_all;
use harness::{Echo, Goal, Load, Person, Process, Rights, World, deadline};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

harness::tests![
    forged_records_make_the_keeper_do_nothing_to_what_is_not_a_session,
    an_installed_keeper_serves_those_who_may_not_make_one_until_it_is_uninstalled,
    whoever_may_not_make_a_keeper_is_told_what_stays_and_can_remove_it,
    gc_looks_into_all_namespaces_and_ends_no_living_session;
    faults:
    what_a_killed_laptop_left_is_undone_in_two_stages_without_a_failed_request,
    an_agent_that_is_down_loses_its_key_while_the_laptop_sleeps,
];

/// As the product has them.
const TTL: Duration = Duration::from_secs(15);
const RESUME: Duration = Duration::from_secs(60);
const SERVE: [&str; 5] = ["intercept", "web", "--", "tool", "serve"];
/// For tests that have several worlds at a time.
const FEW: Load = Load { fresh: 20, kept: 20, connections: 5 };
const KEY: &str = "devbridge.dev/agent";

/// Gives the laptop's user the built-in role `admin` in its namespace, with which one may make roles.
async fn may_make_roles(world: &World) {
    world
        .create(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "dev-admin" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin" },
            "subjects": [{ "kind": "ServiceAccount", "name": "dev", "namespace": world.namespace() }],
        }))
        .await;
}

/// A session of somebody who may make roles, and its keeper ready.
async fn kept(world: &World) -> Process {
    let mut session = world.devbridge(&[&SERVE[..], &["--name", "laptop"]].concat());
    session.line("ready:", deadline::ATTACH).await;
    session.line("keeper: watches", deadline::ATTACH).await;
    session
}

async fn key(world: &World) -> Value {
    world
        .get("v1", "services/web")
        .await
        .map(|service| service["spec"]["selector"][KEY].clone())
        .unwrap_or_default()
}

/// Waits until the key is off; gives the time that took.
async fn key_off(world: &World, since: Instant, within: Duration) -> Duration {
    deadline::eventually(within.saturating_sub(since.elapsed()), "the key is off", || async {
        let key = key(world).await;
        if key.is_null() { Ok(()) } else { Err(key) }
    })
    .await;
    since.elapsed()
}

async fn what_a_killed_laptop_left_is_undone_in_two_stages_without_a_failed_request(world: World) {
    world.echo(Echo::new("web").replicas(2)).await;
    may_make_roles(&world).await;
    let before = world.snapshot().await;
    let mut session = kept(&world).await;
    let left = Goal::Nothing((TTL + RESUME + Duration::from_secs(10)).as_secs_f64());
    let mut fault = world.fault("laptop `kill -9`, with a keeper").goal(Goal::Failed(0)).goal(left);
    let mut load = world.load("http://web/", Load::USUAL).await;
    load.answered_by("laptop", 300, deadline::LOOK).await;

    session.signal_group(Signal::SIGKILL);
    fault.happened();
    let killed = Instant::now();
    session.exit(deadline::LOOK).await;
    let off = key_off(&world, killed, TTL + Duration::from_secs(5)).await;
    // The last sign of life may be 5 s old.
    assert!(off > TTL - Duration::from_secs(6), "the key was off after {off:?} already");
    // The laptop may come back until then.
    let record = || world.get("coordination.k8s.io/v1", "leases/devbridge-web");
    assert!(record().await.is_ok());
    let within = (TTL + RESUME + Duration::from_secs(10)).saturating_sub(killed.elapsed());
    deadline::eventually(within, "the record is deleted", || async {
        if record().await.is_err() { Ok(()) } else { Err("it is still there") }
    })
    .await;
    let deleted = killed.elapsed();
    world.is_again(&before).await;
    fault.nothing_is_left();

    let counted = load.end().await;
    world.note(&format!(
        "laptop killed: key off after {:.1} s, record deleted after {:.1} s",
        off.as_secs_f64(),
        deleted.as_secs_f64()
    ));
    fault.requests(&counted);
    fault.tell(&counted);
}

async fn an_agent_that_is_down_loses_its_key_while_the_laptop_sleeps(world: World) {
    let ways = [
        ("deleted", "agent's pod deleted"),
        ("gone", "agent's pod deleted without grace"),
        ("stopped", "agent's process frozen"),
    ];
    join_all(ways.map(|(way, what)| {
        let world = &world;
        async move {
            let world = world.another(&format!("agent-{way}")).await;
            world.echo(Echo::new("web")).await;
            may_make_roles(&world).await;
            let session = kept(&world).await;
            world.laptop_answers("http://web/").await;
            // The laptop's process lives on: it is frozen with devbridge.
            let fault = format!("laptop frozen, then {what}; with a keeper");
            let mut fault = world.fault(&fault).goal(Goal::Originals(4.0));
            let mut load = world.load("http://web/", FEW).await;
            load.answered_by("laptop", 50, deadline::LOOK).await;
            session.signal_group(Signal::SIGSTOP);
            let agent = agent_pod(&world).await;
            let since = Instant::now();
            let mut stopped = None;
            match way {
                "deleted" => {
                    drop(world.api().delete(&world.object("v1", &format!("pods/{agent}"))).await.unwrap())
                }
                "gone" => {
                    let now = format!("pods/{agent}?gracePeriodSeconds=0");
                    world.api().delete(&world.object("v1", &now)).await.unwrap();
                }
                // The kubelet would need nine seconds to notice.
                _ => {
                    let process = agent_process(world.namespace());
                    kill(process, Signal::SIGSTOP).unwrap();
                    stopped = Some(process);
                }
            }
            fault.happened();
            let off = key_off(&world, since, Duration::from_secs(12)).await;
            world.note(&format!("agent {way}, laptop asleep: key off after {:.1} s", off.as_secs_f64()));
            load.go_on(4.0).await;
            // Awake again, and the agent too: requests come back.
            if let Some(process) = stopped {
                kill(process, Signal::SIGCONT).unwrap();
            }
            session.signal_group(Signal::SIGCONT);
            fault.over();
            load.answered_by("laptop", 100, deadline::ATTACH).await;
            let counted = load.end().await;
            fault.requests(&counted);
            fault.tell(&(counted, session));
        }
    }))
    .await;
}

async fn agent_pod(world: &World) -> String {
    let pods = world.get("v1", &format!("pods?labelSelector={KEY}")).await.unwrap();
    pods["items"][0]["metadata"]["name"].as_str().unwrap().to_owned()
}

/// The agent's process in a namespace, seen from the machine that is the node.
fn agent_process(namespace: &str) -> Pid {
    let variable = format!("DEVBRIDGE_NAMESPACE={namespace}");
    let is_agent = |process: &Path| {
        let command = std::fs::read(process.join("cmdline")).unwrap_or_default();
        let environment = std::fs::read(process.join("environ")).unwrap_or_default();
        command == b"traffic-agent\0"
            && environment.split(|byte| *byte == 0).any(|entry| entry == variable.as_bytes())
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let agent = { processes }.find(|process| is_agent(process)).expect("the node is this machine");
    Pid::from_raw(agent.file_name().unwrap().to_str().unwrap().parse().unwrap())
}

async fn forged_records_make_the_keeper_do_nothing_to_what_is_not_a_session(world: World) {
    let elsewhere = world.another("forge-else").await;
    for world in [&world, &elsewhere] {
        world.echo(Echo::new("web")).await;
        world.echo(Echo::new("other")).await;
    }
    may_make_roles(&world).await;
    let session = kept(&world).await;
    let lease = |name: &str, ours: bool, annotations: Value| {
        let by = if ours { "devbridge" } else { "Helm" };
        json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {
                "name": name, "annotations": annotations,
                "labels": { "app.kubernetes.io/managed-by": by, "devbridge.dev/target": "other" },
            },
            "spec": { "holderIdentity": "mallory", "leaseDurationSeconds": 1, "renewTime": "2000-01-01T00:00:00.000000Z" },
        })
    };
    // An object that a record says it owns, one that says it is owned by a record, and a Secret with our label.
    let web = world.get("apps/v1", "deployments/web").await.unwrap();
    let mut owned = lease("devbridge-owner", true, json!({}));
    owned["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": web["metadata"]["uid"],
    }]);
    let bystanders = [
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": {
            "name": "devbridge-other", "labels": { "app.kubernetes.io/managed-by": "devbridge", "devbridge.dev/target": "other" } } }),
        lease("not-of-devbridge", true, json!({})),
        lease("devbridge-not-ours", false, json!({ KEY: "web-devbridge" })),
    ];
    for object in &bystanders {
        world.create(object).await;
    }
    // A key that nobody's session has set.
    let path = world.object("v1", "services/other");
    world.api().merge(&path, &json!({ "spec": { "selector": { KEY: "nobody" } } })).await.unwrap();
    let long = "x".repeat(100_000);
    let forged = [
        (
            "devbridge-steals",
            json!({ KEY: "web-devbridge", "devbridge.dev/services": "web,other,kubernetes" }),
        ),
        ("devbridge-long", json!({ KEY: long, "devbridge.dev/services": long })),
        (
            "devbridge-garbage",
            json!({ KEY: "\u{0}../../\"}]\r\n", "devbridge.dev/undo": "kubectl delete ns --all" }),
        ),
        ("devbridge-far", json!({ KEY: "web-devbridge", "devbridge.dev/namespace": elsewhere.namespace() })),
    ];
    world.create(&owned).await;
    for (name, annotations) in &forged {
        world.create(&lease(name, true, annotations.clone())).await;
    }
    elsewhere.create(&lease("devbridge-web", true, json!({ KEY: "web-devbridge" }))).await;
    let before = elsewhere.snapshot().await;
    let kept_before = [
        world.get("v1", "services/web").await.unwrap()["spec"].clone(),
        world.get("apps/v1", "deployments/other").await.unwrap()["spec"].clone(),
        world.get("apps/v1", "deployments/web").await.unwrap()["spec"].clone(),
    ];

    // All that it does: what carries our label and is renewed by nobody goes, and the key that leads nowhere.
    let mut all: Vec<_> = forged.iter().map(|(name, _)| *name).collect();
    all.push("devbridge-owner");
    deadline::eventually(TTL + RESUME + Duration::from_secs(15), "forged records are deleted", || async {
        let leases =
            world.get("coordination.k8s.io/v1", "leases").await.map_err(|error| error.to_string())?;
        let names: Vec<_> =
            leases["items"].as_array().into_iter().flatten().map(|l| l["metadata"]["name"].clone()).collect();
        if names.iter().any(|name| all.iter().any(|forged| name == forged)) {
            Err(format!("{names:?}"))
        } else {
            Ok(())
        }
    })
    .await;
    world.laptop_answers("http://web/").await;
    assert!(!session.has_said("state: "), "{session:?}");
    let kept_after = [
        world.get("v1", "services/web").await.unwrap()["spec"].clone(),
        world.get("apps/v1", "deployments/other").await.unwrap()["spec"].clone(),
        world.get("apps/v1", "deployments/web").await.unwrap()["spec"].clone(),
    ];
    assert_eq!(kept_before, kept_after);
    assert_eq!(
        world.get("v1", "services/other").await.unwrap()["spec"]["selector"],
        json!({ "app": "other" })
    );
    world.get("v1", "secrets/devbridge-other").await.unwrap();
    for name in ["not-of-devbridge", "devbridge-not-ours"] {
        world.get("coordination.k8s.io/v1", &format!("leases/{name}")).await.unwrap();
    }
    world.get("coordination.k8s.io/v1", "leases/devbridge-web").await.unwrap();
    assert_eq!(before.changes_to(&elsewhere.snapshot().await), Vec::<String>::new());
}

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
    let mut session = world.devbridge(&[&SERVE[..], &["--name", "laptop"]].concat());
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
    let mut session = world.devbridge(&[&SERVE[..], &["--name", "laptop"]].concat());
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

async fn gc_looks_into_all_namespaces_and_ends_no_living_session(world: World) {
    let other = world.another("gc-other").await;
    for world in [&world, &other] {
        world.echo(Echo::new("web")).await;
    }
    world.user(Rights::ClusterAdmin).await;
    let mut living = world.devbridge(&[&SERVE[..], &["--name", "laptop"]].concat());
    let mut dead = other.devbridge(&[&SERVE[..], &["--name", "laptop"]].concat());
    for session in [&mut living, &mut dead] {
        session.line("ready:", deadline::ATTACH).await;
    }
    dead.signal(Signal::SIGKILL);
    dead.exit(deadline::LOOK).await;
    // Only told: other tests of this cluster have dead sessions, too.
    let mut gc =
        world.start("devbridge", &["gc", "-A", "--dry-run"], Rights::ClusterAdmin, Person::Unprivileged);
    assert_eq!(gc.exit(deadline::ATTACH).await, 0, "{gc:?}");
    let found = gc.stdout();
    let of = |world: &World| {
        let place = format!(" in namespace {}", world.namespace());
        found.lines().filter(|line| line.ends_with(&place)).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(of(&world), Vec::<String>::new(), "{gc:?}");
    let left = of(&other);
    for wanted in ["would remove the key: Service web", "would delete: Lease devbridge-web"] {
        assert!(left.iter().any(|line| line.starts_with(wanted)), "{gc:?}");
    }
    // Who may not list namespaces is told what to do instead.
    let (code, gc) = world.devbridge_ends(&["gc", "-A"]).await;
    assert_eq!(code, 5, "{gc:?}");
    assert!(gc.stderr().contains("gc -n NAMESPACE"), "{gc:?}");
    world.laptop_answers("http://web/").await;
    // With a living session beside a dead one's leftovers, gc takes only these.
    let (code, gc) = other.devbridge_ends(&["gc"]).await;
    assert_eq!(code, 0, "{gc:?}");
    assert!(gc.stdout().contains("delete: Lease devbridge-web"), "{gc:?}");
    assert!(key(&other).await.is_null());
}
