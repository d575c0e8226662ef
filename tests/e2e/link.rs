//! The laptop's connection is cut or goes silent: flows live on, nobody in the cluster waits, and the session comes back.

use std::time::Duration;

use harness::{Cut, Echo, Load, Process, Relay, Silent, World, deadline};
use tokio::time::{self, Instant};

harness::tests![
    an_upload_survives_resets_of_the_laptops_connection,
    an_upload_survives_ten_seconds_of_silence_and_ten_of_refusal,
    originals_serve_while_the_link_is_silent_and_the_laptop_after_it_is_healed,
];

const MIB: u64 = 1 << 20;
/// For so long the network may be away without a flow being lost.
const OUTAGE: Duration = Duration::from_secs(10);

/// A session over a link that can be spoiled, whose requests reach the laptop.
async fn attached(world: &World) -> (Relay, Process) {
    world.echo(Echo::new("web").raw().replicas(2)).await;
    let relay = world.relay().await;
    let serve = ["tool", "serve", "--name", "laptop", "--raw-port", "9000", "--greeting-port", "9001"];
    let mut session = world.devbridge_through(&relay, &[&["intercept", "web", "--"][..], &serve].concat());
    session.line("ready:", deadline::ATTACH).await;
    world.laptop_answers("http://web/").await;
    (relay, session)
}

async fn an_upload_survives_resets_of_the_laptops_connection(world: World) {
    let (relay, session) = attached(&world).await;
    uploads_through(&world, &relay, &session, async |passed: &Passed<'_>| {
        for (after, how) in [(12, Cut::Rst), (28, Cut::Fin), (44, Cut::Rst)] {
            passed.mib(after).await;
            relay.cut(how);
        }
    })
    .await;
}

async fn an_upload_survives_ten_seconds_of_silence_and_ten_of_refusal(world: World) {
    let (relay, session) = attached(&world).await;
    uploads_through(&world, &relay, &session, async |passed: &Passed<'_>| {
        passed.mib(12).await;
        relay.swallow(Silent::All);
        time::sleep(OUTAGE).await;
        relay.heal();
        passed.mib(36).await;
        relay.refuse();
        relay.cut(Cut::Rst);
        time::sleep(OUTAGE).await;
        relay.heal();
    })
    .await;
}

/// Sends 64 MiB from inside the cluster to the laptop while something happens to the link. Both ends hash.
async fn uploads_through(
    world: &World,
    relay: &Relay,
    session: &Process,
    happens: impl AsyncFnOnce(&Passed<'_>),
) {
    // Slow enough to be met in the middle.
    relay.limit(Some(16 * MIB));
    let passed = Passed { relay, start: relay.to_laptop(), session };
    let bytes = (64 * MIB).to_string();
    let upload = world.tool(&["raw", "up", "web:9000", "--bytes", &bytes]).await;
    let (ended, ()) = tokio::join!(upload.end(Duration::from_secs(90)), happens(&passed));
    assert!(ended.success, "{:?}\n{session:?}", ended.lines);
    world.laptop_answers("http://web/").await;
}

/// How much of an upload has reached the laptop.
struct Passed<'a> {
    relay: &'a Relay,
    start: u64,
    session: &'a Process,
}

impl Passed<'_> {
    async fn mib(&self, wanted: u64) {
        deadline::eventually(deadline::LOOK, &format!("{wanted} MiB of the upload"), || async {
            let passed = (self.relay.to_laptop() - self.start) / MIB;
            if passed >= wanted { Ok(()) } else { Err(format!("{passed} MiB; {:?}", self.session)) }
        })
        .await;
    }
}

async fn originals_serve_while_the_link_is_silent_and_the_laptop_after_it_is_healed(world: World) {
    let (relay, session) = attached(&world).await;
    let mut load = world.load("http://web/", Load::USUAL).await;
    load.answered_by("laptop", 100, deadline::LOOK).await;

    relay.swallow(Silent::All);
    let silent = load.clock();
    let began = Instant::now();
    world.answered_by("http://web/", |by| by.starts_with("web-")).await;
    world.note(&format!("link silent: an original answers after {:.1} s", began.elapsed().as_secs_f64()));
    // What the laptop may have taken already is lost at the latest now.
    load.go_on(10.0).await;

    relay.heal();
    let began = Instant::now();
    load.answered_by("laptop", 100, deadline::LOOK).await;
    world.note(&format!("link healed: the laptop answers after {:.1} s", began.elapsed().as_secs_f64()));
    let counted = load.end().await;
    let begun: Vec<_> =
        counted.failures.iter().map(|failure| failure.at - failure.after_ms / 1e3 - silent).collect();
    world.note(&format!(
        "silent link: {} of {} requests failed, the last begun {:.1} s after it",
        counted.failed,
        counted.failed + counted.ok,
        begun.iter().copied().fold(0.0, f64::max)
    ));
    let late = begun.iter().filter(|after| **after > 6.0).count();
    assert_eq!(late, 0, "silent at {silent}: {counted:#?}\n{session:?}");
}
