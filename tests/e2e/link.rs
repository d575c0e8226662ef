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
    a_session_survives_another_network_where_all_its_connections_are_dead,
    a_load_balancer_that_resets_idle_connections_is_not_noticed,
];

const MIB: u64 = 1 << 20;
/// What goes from inside the cluster to the laptop meanwhile.
const UPLOAD: u64 = 32 * MIB;
/// The link's bytes a second: slow enough for the fault to come in the middle of the upload, and for a machine that runs
/// the cluster, other tests and this one. One that is busy without a pause answers nobody within 2 s, fault or no fault.
const LIMIT: u64 = 4 * MIB;
/// 8 s on this link and the outage, on a machine that does ten times as much beside it.
const UPLOADED: Duration = Duration::from_secs(180);
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
    link.relay.limit(Some(LIMIT));
    link.start = link.relay.to_laptop();
    let upload = world.tool(&["raw", "up", "web:9000", "--bytes", &UPLOAD.to_string()]).await;
    let (uploaded, ()) = tokio::join!(upload.end(UPLOADED), happens(&link, &mut fault));
    load.answered_by("laptop", 100, deadline::LOOK).await;
    fault.flows_lost(u64::from(!uploaded.success), 1);
    fault.bytes_lost(if uploaded.success { 0 } else { UPLOAD }, UPLOAD);
    fault.leaves(link.session, load).await;
}

async fn a_flow_survives_resets_of_the_laptops_connection(world: World) {
    let fault = world.fault("way to the API server cut by RST, FIN, RST").goal(Goal::Flows(0));
    outage(&world, fault, async |link, fault| {
        for (after, how) in [(6, Cut::Rst), (14, Cut::Fin), (22, Cut::Rst)] {
            link.has_passed(after).await;
            link.relay.cut(how);
            if after == 6 {
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
        link.has_passed(6).await;
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
        link.has_passed(6).await;
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
        link.has_passed(6).await;
        link.session.signal_group(Signal::SIGSTOP);
        fault.happened();
        time::sleep(OUTAGE).await;
        link.session.signal_group(Signal::SIGCONT);
        fault.over();
    })
    .await;
}

async fn a_session_survives_another_network_where_all_its_connections_are_dead(world: World) {
    outage(
        &world,
        away(&world, "laptop in another network: its connections are silent for ever"),
        async |link, fault| {
            link.has_passed(6).await;
            // Nobody tells their ends, either.
            link.relay.swallow(Silent::Existing);
            fault.happened();
            // The agent is one thing, the API server another: whoever does not renew its record is taken for dead.
            world.is_renewed(Duration::from_secs(15)).await;
            world.is_renewed(Duration::from_secs(15)).await;
        },
    )
    .await;
}

async fn a_load_balancer_that_resets_idle_connections_is_not_noticed(world: World) {
    let link = Link::attached(&world).await;
    let mut load = world.load("http://web/", Load::USUAL).await;
    let mut fault = world.fault("idle connections reset after 2 s by a load balancer").goal(Goal::Failed(0));
    link.relay.idle(Duration::from_secs(2));
    fault.happened();
    // Watches are idle most of the time.
    deadline::eventually(deadline::LOOK, "idle connections are reset", || async {
        if link.relay.were_idle() > 5 { Ok(()) } else { Err(link.relay.were_idle()) }
    })
    .await;
    load.answered_by("laptop", 200, deadline::LOOK).await;
    assert!(!link.session.has_said("state:"), "{:?}", link.session);
    fault.leaves(link.session, load).await;
}
