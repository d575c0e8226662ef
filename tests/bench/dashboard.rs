//! The dashboard: what it costs when nothing happens, and when more happens than anybody can read.

use std::time::{Duration, Instant};

use harness::{Echo, Screen, World, child_of, deadline, usage};
use nix::sys::signal::Signal;
use tokio::time;

use super::part;

harness::tests![a_dashboard_at_rest_and_under_load];

/// Rest is measured for so long.
const REST: Duration = Duration::from_secs(60);
/// And load.
const LOAD: Duration = Duration::from_secs(30);
/// Events a second.
const EVENTS: u64 = 10_000;
/// Keys that are pressed.
const KEYS: usize = 40;

async fn a_dashboard_at_rest_and_under_load(world: World) {
    world.echo(Echo::new("web")).await;
    let mut session = world.swapped().await;
    let screen = world.screen(&["dashboard"], None);
    screen.sees(&["deployment/web", "laptop serves"], deadline::LOOK).await;
    let pid = child_of(screen.pid());
    let (cpu, resident) = taken(pid, REST).await;
    println!("dashboard  at rest, one session: {cpu:.2} % of a core over 60 s, {resident} MiB");
    let keys = keys(&screen).await;
    println!("dashboard  a key, to its picture in tmux: {}", said(&keys));

    let flood = world.flood(EVENTS);
    screen.sees(&["2 sessions"], deadline::LOOK).await;
    screen.keys(&["]", "6"]);
    // Kubernetes knows nothing of this one, which is told above the picture.
    screen.sees(&["error[DB-"], deadline::LOOK).await;
    screen.keys(&["q"]);
    screen.sees(&["deployment/flood", "event "], deadline::LOOK).await;
    let before = usage(pid).resident_kib / 1024;
    let (from, told) = (Instant::now(), flood.told());
    let (cpu, resident) = taken(pid, LOAD).await;
    let rate = (flood.told() - told) as f64 / from.elapsed().as_secs_f64();
    println!(
        "dashboard  {rate:.0} events a second: {:.0} % of a core over 30 s, {before} MiB at first, {resident} MiB after",
        cpu
    );
    let behind = (0..20).map(|_| behind(&screen, flood.told()));
    println!(
        "dashboard  the newest event in the picture is behind by {:.0} events (median)",
        part(&behind.collect::<Vec<_>>(), 0.5)
    );
    let keys = self::keys(&screen).await;
    println!("dashboard  a key meanwhile: {}", said(&keys));
    screen.keys(&["q"]);
    drop(screen);
    session.signal(Signal::SIGINT);
    session.exit(deadline::LEAVE).await;
}

fn said(ms: &[f64]) -> String {
    format!("p50 {:.0}, p99 {:.0} ms", part(ms, 0.5), part(ms, 0.99))
}

/// The part of a core in percent, and resident MiB at the end.
async fn taken(pid: i32, within: Duration) -> (f64, u64) {
    let before = usage(pid);
    time::sleep(within).await;
    let after = usage(pid);
    ((after.cpu - before.cpu) / within.as_secs_f64() * 100.0, after.resident_kib / 1024)
}

/// How many events were told that are not in the picture.
fn behind(screen: &Screen, told: u64) -> f64 {
    let picture = screen.picture();
    let numbers = picture.lines().filter_map(|line| line.rsplit_once("event ")?.1.trim().parse::<u64>().ok());
    numbers.max().map_or(f64::NAN, |newest| told.saturating_sub(newest) as f64)
}

/// Milliseconds from a key to the picture that it asks for, by turns of two.
async fn keys(screen: &Screen) -> Vec<f64> {
    let mut all = Vec::new();
    for turn in 0..KEYS {
        let (key, wanted) = if turn % 2 == 0 { ("?", true) } else { ("q", false) };
        let pressed = Instant::now();
        screen.keys(&[key]);
        while screen.picture().contains("keys of") != wanted {
            assert!(pressed.elapsed() < deadline::LOOK, "the key {key} has no effect");
        }
        all.push(pressed.elapsed().as_secs_f64() * 1e3);
        time::sleep(Duration::from_millis(150)).await;
    }
    all
}
