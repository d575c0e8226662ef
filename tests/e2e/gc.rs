//! `gc` finds what dead sessions left, and nothing else.

use harness::{Echo, Person, Rights, World, deadline};
use nix::sys::signal::Signal;

use crate::keeper::key;

harness::tests![gc_looks_into_all_namespaces_and_ends_no_living_session];

async fn gc_looks_into_all_namespaces_and_ends_no_living_session(world: World) {
    let other = world.another("gc-other").await;
    for world in [&world, &other] {
        world.echo(Echo::new("web")).await;
    }
    world.user(Rights::ClusterAdmin).await;
    let (_living, mut dead) = tokio::join!(world.swapped(), other.swapped());
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
