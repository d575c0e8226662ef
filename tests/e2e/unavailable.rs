//! `--unavailable hold` and `error`: while the laptop does not serve, callers wait for it or are told, and no original
//! answers in its place.

use std::time::Duration;

use harness::{Counted, Echo, Goal, Load, Person, Process, Rights, World, deadline, free_port};
use nix::sys::signal::Signal;
use tokio::time;

harness::tests![faults:
    held_requests_are_answered_by_the_laptop_when_it_is_back_and_by_originals_when_it_stays_away,
    with_error_callers_are_told_and_no_original_answers,
];

/// Fewer at a time than are held at most.
const FEW: Load = Load { fresh: 20, kept: 20, connections: 5 };
/// For so long the laptop is away: less than requests are held, more than it takes to notice.
const AWAY: Duration = Duration::from_secs(3);

/// A service on the laptop that devbridge did not start, with HTTP and raw bytes.
struct OnLaptop {
    ports: [String; 2],
}

impl OnLaptop {
    fn new() -> Self {
        Self { ports: [free_port(), free_port()].map(|port| port.to_string()) }
    }

    async fn start(&self, world: &World) -> Process {
        let args = ["serve", "--name", "laptop", "--port", &self.ports[0], "--raw-port", &self.ports[1]];
        let mut service = world.start("tool", &args, Rights::Edit, Person::Unprivileged);
        service.line("{\"listening\"", deadline::LOOK).await;
        service
    }

    async fn intercepted(&self, world: &World, unavailable: &str) -> Process {
        world.echo(Echo::new("web").raw().replicas(2)).await;
        let [http, raw] =
            [(&self.ports[0], 80), (&self.ports[1], 9000)].map(|(own, port)| format!("{own}:{port}"));
        let args = ["intercept", "web", "--unavailable", unavailable, "-p", &http, "-p", &raw];
        let mut session = world.devbridge(&args);
        session.line("ready:", deadline::ATTACH).await;
        world.laptop_answers("http://web/").await;
        session
    }
}

async fn leaves(session: &mut Process) {
    session.signal(Signal::SIGINT);
    assert_eq!(session.exit(deadline::LEAVE).await, 0, "{session:?}");
}

fn only_the_laptop_has_answered(counted: &Counted, session: &Process) {
    let by: Vec<_> = counted.by.keys().collect();
    assert_eq!(by, ["laptop"], "{counted:#?}\n{session:?}");
}

async fn held_requests_are_answered_by_the_laptop_when_it_is_back_and_by_originals_when_it_stays_away(
    world: World,
) {
    let laptop = OnLaptop::new();
    let mut service = laptop.start(&world).await;
    let mut session = laptop.intercepted(&world, "hold=8s").await;

    let mut frozen = world.fault("laptop frozen for 3 s, `--unavailable hold=8s`");
    let mut load = world.load("http://web/", FEW).await;
    load.answered_by("laptop", 50, deadline::LOOK).await;
    session.signal(Signal::SIGSTOP);
    frozen.happened();
    time::sleep(AWAY).await;
    session.signal(Signal::SIGCONT);
    frozen.over();
    load.answered_by("laptop", 150, deadline::LOOK).await;
    let counted = load.end().await;
    only_the_laptop_has_answered(&counted, &session);
    // What the laptop may have taken is not sent again, unless that does no harm.
    let harmless: Vec<_> = counted.failures.iter().filter(|failure| failure.method == "GET").collect();
    assert!(harmless.is_empty(), "{harmless:#?}\n{counted:#?}\n{session:?}");
    frozen.requests(&counted);
    frozen.goal(Goal::Failed(0)).goal(Goal::Laptop(1.0)).tell(&(&counted, &session));

    let mut restarted = world.fault("laptop's process away for 3 s, `--unavailable hold=8s`");
    let mut load = world.load("http://web/", FEW).await;
    load.answered_by("laptop", 50, deadline::LOOK).await;
    service.signal(Signal::SIGTERM);
    service.exit(deadline::LOOK).await;
    restarted.happened();
    time::sleep(AWAY).await;
    service = laptop.start(&world).await;
    restarted.over();
    load.answered_by("laptop", 150, deadline::LOOK).await;
    let counted = load.end().await;
    only_the_laptop_has_answered(&counted, &session);
    restarted.requests(&counted);
    restarted.goal(Goal::Failed(0)).goal(Goal::Laptop(1.0)).tell(&(&counted, &session));

    let mut stays_away = world.fault("laptop's process stays away, `--unavailable hold=8s`");
    let mut load = world.load("http://web/", FEW).await;
    load.answered_by("laptop", 50, deadline::LOOK).await;
    service.signal(Signal::SIGTERM);
    service.exit(deadline::LOOK).await;
    stays_away.happened();
    load.go_on(13.0).await;
    stays_away.settled();
    leaves(&mut session).await;
    load.go_on(2.0).await;
    let counted = load.end().await;
    world.nothing_is_left().await;
    stays_away.requests(&counted);
    stays_away.stays("nothing, after Ctrl-C");
    let stays_away = stays_away.goal(Goal::Failed(0)).goal(Goal::Originals(8.5)).goal(Goal::Wait(8.5));
    stays_away.tell(&(&counted, &session));
}

async fn with_error_callers_are_told_and_no_original_answers(world: World) {
    let laptop = OnLaptop::new();
    let mut service = laptop.start(&world).await;
    let mut session = laptop.intercepted(&world, "error").await;
    let mut fault = world.fault("laptop's process away for 3 s, `--unavailable error`");
    let mut load = world.load("http://web/", FEW).await;
    load.answered_by("laptop", 50, deadline::LOOK).await;
    service.signal(Signal::SIGTERM);
    service.exit(deadline::LOOK).await;
    fault.happened();
    let raw = world.tool_ends(&["raw", "up", "web:9000", "--bytes", "1000"], deadline::LOOK).await;
    assert!(!raw.success && raw.last().to_string().contains("reset"), "{raw:?}\n{session:?}");
    time::sleep(AWAY).await;
    let _service = laptop.start(&world).await;
    fault.over();
    load.answered_by("laptop", 150, deadline::LOOK).await;
    let counted = load.end().await;
    only_the_laptop_has_answered(&counted, &session);
    let told = |why: &str| why.starts_with("status 503") && why.contains("laptop");
    let others: Vec<_> = counted.failures.iter().filter(|failure| !told(&failure.why)).collect();
    assert!(!counted.failures.is_empty() && others.is_empty(), "{others:#?}\n{session:?}");
    leaves(&mut session).await;
    world.nothing_is_left().await;
    fault.requests(&counted);
    fault.stays("nothing, after Ctrl-C");
    fault.tell(&());
}
