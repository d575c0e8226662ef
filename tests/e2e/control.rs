//! The control: without devbridge, the same load fails nothing and the same snapshot is equal. If this fails, so may all
//! others, and devbridge is not why.

use harness::{Echo, Load, World};

harness::tests![a_service_that_nobody_touches_fails_nothing_and_stays_the_same];

async fn a_service_that_nobody_touches_fails_nothing_and_stays_the_same(world: World) {
    world.echo(Echo::new("web").replicas(2)).await;
    let before = world.snapshot().await;
    let mut load = world.load("http://web/", Load::USUAL).await;
    load.go_on(5.0).await;
    let counted = load.end().await;
    assert_eq!(counted.failed, 0, "{counted:#?}");
    assert_eq!(counted.by.len(), 2, "{counted:#?}");
    world.note(&format!("untouched: p50 {:.1} ms, p99 {:.1} ms", counted.p50_ms, counted.p99_ms));
    assert_eq!(before.changes_to(&world.snapshot().await), Vec::<String>::new());
}
