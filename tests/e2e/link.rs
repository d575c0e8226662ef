//! The laptop's connection is cut or goes silent, or the laptop itself: flows live on, nobody in the cluster waits, and the
//! session comes back.

use std::time::Duration;

use harness::{Cut, Echo, Fault, Goal, Load, Process, Relay, Silent, World, deadline};
use nix::sys::signal::Signal;
use tokio::time;

harness::tests![faults:
    a_flow_survives_resets_of_the_laptops_connection,
    a_flow_survives_ten_seconds_of_silence_and_originals_serve_meanwhile,
    a_flow_survives_ten_seconds_of_refusal_and_originals_serve_meanwhile,
    a_flow_survives_a_laptop_that_is_frozen_for_ten_seconds_and_originals_serve_meanwhile,
];

const MIB: u64 = 1 << 20;
/// What goes from inside the cluster to the laptop meanwhile.
const UPLOAD: u64 = 64 * MIB;
/// 4 s on a link of 16 MiB/s and the outage, on a machine that does ten times as much beside it.
const UPLOADED: Duration = Duration::from_secs(140);
/// For so long the network may be away without a flow being lost.
const OUTAGE: Duration = Duration::from_secs(10);

/// A session over a link that can be spoiled, and how much of an upload has come over it.
struct Link {
    relay: Relay,
    session: Process,
    start: u64,
}

impl Link {
    /// A session whose requests reach the laptop.
    async fn attached(world: &World) -> Self {
        world.echo(Echo::new("web").raw().replicas(2)).await;
        let relay = world.relay().await;
        let serve = ["tool", "serve", "--name", "laptop", "--raw-port", "9000", "--greeting-port", "9001"];
        let mut session =
            world.devbridge_through(&relay, &[&["intercept", "web", "--"][..], &serve].concat());
        session.line("ready:", deadline::ATTACH).await;
        world.laptop_answers("http://web/").await;
        Self { relay, session, start: 0 }
    }

    async fn has_passed(&self, wanted: u64) {
        deadline::eventually(UPLOADED, &format!("{wanted} MiB of the upload"), || async {
            let passed = (self.relay.to_laptop() - self.start) / MIB;
            if passed >= wanted { Ok(()) } else { Err(format!("{passed} MiB; {:?}", self.session)) }
        })
        .await;
    }
}

/// Does something to a link under load and in the middle of an upload, both of whose ends hash; tells the row.
async fn outage(world: &World, mut fault: Fault, happens: impl AsyncFnOnce(&Link, &mut Fault)) {
    let mut link = Link::attached(world).await;
    let mut load = world.load("http://web/", Load::USUAL).await;
    load.answered_by("laptop", 100, deadline::LOOK).await;
    // Slow enough to be met in the middle.
    link.relay.limit(Some(16 * MIB));
    link.start = link.relay.to_laptop();
    let upload = world.tool(&["raw", "up", "web:9000", "--bytes", &UPLOAD.to_string()]).await;
    let (uploaded, ()) = tokio::join!(upload.end(UPLOADED), happens(&link, &mut fault));
    load.answered_by("laptop", 100, deadline::LOOK).await;
    fault.settled();
    link.session.signal(Signal::SIGINT);
    assert_eq!(link.session.exit(deadline::LEAVE).await, 0, "{:?}", link.session);
    load.go_on(2.0).await;
    let counted = load.end().await;
    world.nothing_is_left().await;
    fault.requests(&counted);
    fault.flows_lost(u64::from(!uploaded.success), 1);
    fault.bytes_lost(if uploaded.success { 0 } else { UPLOAD }, UPLOAD);
    fault.stays("nothing, after Ctrl-C");
    fault.tell(&(counted, uploaded, link.session));
}

async fn a_flow_survives_resets_of_the_laptops_connection(world: World) {
    let fault = world.fault("way to the API server cut by RST, FIN, RST").goal(Goal::Flows(0));
    outage(&world, fault, async |link, fault| {
        for (after, how) in [(12, Cut::Rst), (28, Cut::Fin), (44, Cut::Rst)] {
            link.has_passed(after).await;
            link.relay.cut(how);
            if after == 12 {
                fault.happened();
            }
        }
    })
    .await;
}

/// Originals within 2 s, no hang beyond, and no flow lost.
fn away(world: &World, fault: &str) -> Fault {
    world.fault(fault).goal(Goal::Originals(2.0)).goal(Goal::Wait(2.0)).goal(Goal::Flows(0))
}

async fn a_flow_survives_ten_seconds_of_silence_and_originals_serve_meanwhile(world: World) {
    outage(&world, away(&world, "way to the API server silent for 10 s"), async |link, fault| {
        link.has_passed(12).await;
        link.relay.swallow(Silent::All);
        fault.happened();
        time::sleep(OUTAGE).await;
        link.relay.heal();
        fault.over();
    })
    .await;
}

async fn a_flow_survives_ten_seconds_of_refusal_and_originals_serve_meanwhile(world: World) {
    outage(&world, away(&world, "way to the API server cut and refused for 10 s"), async |link, fault| {
        link.has_passed(12).await;
        link.relay.refuse();
        link.relay.cut(Cut::Rst);
        fault.happened();
        time::sleep(OUTAGE).await;
        link.relay.heal();
        fault.over();
    })
    .await;
}

async fn a_flow_survives_a_laptop_that_is_frozen_for_ten_seconds_and_originals_serve_meanwhile(world: World) {
    outage(&world, away(&world, "laptop frozen for 10 s"), async |link, fault| {
        link.has_passed(12).await;
        link.session.signal_group(Signal::SIGSTOP);
        fault.happened();
        time::sleep(OUTAGE).await;
        link.session.signal_group(Signal::SIGCONT);
        fault.over();
    })
    .await;
}
