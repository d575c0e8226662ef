//! How much may be on its way at once.
//!
//! A carrier is a reliable byte stream: what looks like loss to QUIC is a carrier that ended, and says nothing about how
//! much the path can take. What does say it is the delay: whatever is sent beyond what the path can take waits in
//! somebody's buffer, and everything that comes after waits behind it. So the window follows the round trip time, and keeps
//! it within [`TARGET`] of the smallest one.
//!
//! When the carrier is new, all that was on its way is gone, and acknowledgements that come late would tell of the outage
//! and not of the path. So the window opens for one round trip, by as much as is enough for everybody who waits for an
//! answer, and what was sent before is no sample.

use std::{
    any::Any,
    sync::Arc,
    time::{Duration, Instant},
};

use quinn::congestion::{Controller, ControllerFactory};
use quinn_proto::RttEstimator;

use crate::link::Link;

/// How long a byte may wait in buffers on the way.
const TARGET: Duration = Duration::from_millis(15);
/// Four datagrams: less would not keep any path busy.
const LEAST: u64 = 240_000;
/// 1 GB/s at a round trip of 16 ms, 100 MB/s at 160 ms.
const MOST: u64 = 16 << 20;
/// At the beginning, and the most by which the window opens for a new carrier.
const FIRST: u64 = 1 << 20;
/// How long a smallest round trip is believed: paths change. Then the window is halved for [`PROBE`] round trips: a
/// transfer that never pauses would hide what it has added itself.
const MEMORY: Duration = Duration::from_secs(10);
/// The least number of round trips for which it is believed, for paths so slow that they have few.
const ROUNDS: u32 = 20;
/// One for what is on its way already, one to measure.
const PROBE: u8 = 2;

/// Makes the controller of a session.
#[derive(Debug)]
pub(crate) struct Factory(pub(crate) Arc<Link>);

impl ControllerFactory for Factory {
    fn build(self: Arc<Self>, now: Instant, _mtu: u16) -> Box<dyn Controller> {
        Box::new(Delay::new(self.0.clone(), now))
    }
}

/// A window that keeps the delay small.
#[derive(Debug, Clone)]
struct Delay {
    link: Arc<Link>,
    window: u64,
    /// Nothing has been seen to wait yet: the window doubles.
    starting: bool,
    in_flight: u64,
    /// When the present carrier was new, as far as packets have been sent on it.
    renewed: Option<Instant>,
    /// The window until the first packet on the new carrier is acknowledged.
    opened: Option<u64>,
    smallest: Option<Smallest>,
    /// Round trips since it was last seen.
    rounds: u32,
    /// Round trips with half a window that are left.
    probing: u8,
    round: Round,
}

/// One round trip's worth of samples.
#[derive(Debug, Clone)]
struct Round {
    since: Instant,
    shortest: Option<Duration>,
    /// The window was what held back.
    limited: bool,
    /// A packet that was sent in this round has been acknowledged.
    over: bool,
}

/// The round trip when nothing waits.
#[derive(Debug, Clone, Copy)]
struct Smallest {
    trip: Duration,
    /// When it was last seen.
    at: Instant,
}

impl Delay {
    fn new(link: Arc<Link>, now: Instant) -> Self {
        Self {
            link,
            window: FIRST,
            starting: true,
            in_flight: 0,
            renewed: None,
            opened: None,
            smallest: None,
            rounds: 0,
            probing: 0,
            round: Round::new(now),
        }
    }

    /// By how much the window opens for a new carrier: what the last one took, for it leads the same way.
    fn opening(&self) -> u64 {
        self.window.min(FIRST)
    }

    /// Takes a sample.
    fn acknowledged(&mut self, now: Instant, sent: Instant, app_limited: bool) {
        if self.renewed.is_some_and(|renewed| sent < renewed) {
            return;
        }
        self.opened = None;
        let sample = now.saturating_duration_since(sent);
        if self.smallest.is_none_or(|smallest| sample <= smallest.trip + smallest.trip / 16) {
            let trip = self.smallest.map_or(sample, |smallest| smallest.trip.min(sample));
            self.smallest = Some(Smallest { trip, at: now });
            self.rounds = 0;
        }
        self.round.shortest = Some(self.round.shortest.map_or(sample, |shortest| shortest.min(sample)));
        self.round.limited |= !app_limited;
        self.round.over |= sent >= self.round.since;
    }

    /// Follows what a round has shown.
    fn adapt(&mut self, now: Instant) {
        let Some((shortest, Smallest { trip: smallest, at })) = self.round.shortest.zip(self.smallest) else {
            return;
        };
        if self.probing > 0 {
            self.probing -= 1;
            if self.probing == 0 {
                self.smallest = Some(Smallest { trip: shortest, at: now });
            }
            return;
        }
        self.rounds += 1;
        if now.saturating_duration_since(at) >= MEMORY && self.rounds >= ROUNDS {
            (self.probing, self.rounds) = (PROBE, 0);
            return;
        }
        let waiting = shortest.saturating_sub(smallest);
        self.starting &= waiting < TARGET / 2;
        let wanted = if self.starting {
            self.window.saturating_mul(2)
        } else {
            // What is on its way now, were the delay as wanted; half of the step, because it shows a round later.
            let ratio = (smallest + TARGET).as_secs_f64() / shortest.as_secs_f64().max(1e-6);
            let goal = self.window as f64 * ratio.clamp(0.25, 2.0);
            ((self.window as f64 + goal) / 2.0) as u64
        };
        // Who does not use the window does not show that it could be larger.
        if self.round.limited || wanted < self.window {
            self.window = wanted.clamp(LEAST, MOST);
        }
    }
}

impl Controller for Delay {
    fn on_sent(&mut self, now: Instant, bytes: u64, _last_packet_number: u64) {
        let renewed = self.link.renewed().filter(|renewed| self.renewed != Some(*renewed));
        if let Some(renewed) = renewed.filter(|renewed| now >= *renewed) {
            self.renewed = Some(renewed);
            self.opened = Some(self.in_flight + self.opening());
            self.smallest = None;
            self.probing = 0;
            self.round = Round::new(now);
        }
        self.in_flight += bytes;
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, _bytes: u64, app_limited: bool, _rtt: &RttEstimator) {
        self.acknowledged(now, sent, app_limited);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, _app_limited: bool, _largest: Option<u64>) {
        self.in_flight = in_flight;
        if self.round.over {
            self.adapt(now);
            self.round = Round::new(now);
        }
    }

    fn on_congestion_event(&mut self, _now: Instant, _sent: Instant, _persistent: bool, lost: u64) {
        self.in_flight = self.in_flight.saturating_sub(lost);
    }

    fn on_mtu_update(&mut self, _mtu: u16) {}

    fn window(&self) -> u64 {
        if self.link.renewed() != self.renewed {
            return self.in_flight + self.opening();
        }
        let window = if self.probing > 0 { (self.window / 2).max(LEAST) } else { self.window };
        self.opened.unwrap_or_default().max(window)
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        FIRST
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl Round {
    fn new(now: Instant) -> Self {
        Self { since: now, shortest: None, limited: false, over: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path that takes `rate` bytes a second, with a round trip of `trip` when nothing waits; one round at a time.
    struct Path {
        now: Instant,
        rate: f64,
        trip: Duration,
        controller: Delay,
    }

    impl Path {
        fn new(rate: f64, millis: u64) -> Self {
            let now = Instant::now();
            let mut controller = Delay::new(Arc::default(), now);
            let trip = Duration::from_millis(millis);
            // The handshake.
            controller.acknowledged(now + trip, now, true);
            Self { now, rate, trip, controller }
        }

        /// A whole window is sent and acknowledged; how long a byte took.
        fn round(&mut self) -> Duration {
            let window = self.controller.window();
            self.controller.on_sent(self.now, window, 0);
            let took = self.trip.max(Duration::from_secs_f64(window as f64 / self.rate));
            let sent = self.now;
            self.now += took;
            self.controller.acknowledged(self.now, sent, false);
            self.controller.on_end_acks(self.now, 0, false, None);
            took
        }
    }

    #[test]
    fn the_window_fills_the_path_and_little_more() {
        for (rate, millis) in [(25e6, 40), (100e6, 40), (200e6, 1), (10e6, 80)] {
            let mut path = Path::new(rate, millis);
            for _ in 0..30 {
                path.round();
            }
            let took = path.round();
            let used = path.controller.window() as f64 / rate;
            assert!(used >= path.trip.as_secs_f64() * 0.99, "{rate} {millis}: {used}");
            assert!(took <= path.trip + 2 * TARGET, "{rate} {millis}: {took:?}");
        }
    }

    #[test]
    fn a_transfer_without_a_pause_does_not_take_its_own_delay_for_the_path_s() {
        for millis in [1, 40] {
            let mut path = Path::new(50e6, millis);
            let until = path.now + 20 * MEMORY;
            while path.now < until {
                path.round();
            }
            let took = path.round().max(path.round()).max(path.round());
            assert!(took <= path.trip + 3 * TARGET, "{millis}: {took:?}");
        }
    }

    #[test]
    fn the_window_has_bounds() {
        let mut slow = Path::new(100e3, 40);
        let mut fast = Path::new(1e12, 40);
        for _ in 0..50 {
            slow.round();
            fast.round();
        }
        assert!(
            (LEAST..LEAST + LEAST / 50).contains(&slow.controller.window()),
            "{}",
            slow.controller.window()
        );
        assert_eq!(fast.controller.window(), MOST);
    }

    #[test]
    fn a_new_carrier_opens_the_window_at_once_and_an_outage_is_no_sample() {
        let mut path = Path::new(25e6, 40);
        for _ in 0..30 {
            path.round();
        }
        let before = path.controller.window();
        // All that may be on its way is, and is lost.
        let lost_at = path.now;
        path.controller.on_sent(lost_at, before, 0);
        path.controller.link.renew();
        assert_eq!(path.controller.window(), before + before.min(FIRST));
        path.now = Instant::now() + Duration::from_secs(5);
        path.controller.on_sent(path.now, 60_000, 0);
        assert_eq!(path.controller.window(), before + before.min(FIRST), "until something is acknowledged");
        path.controller.acknowledged(path.now, lost_at - Duration::from_secs(60), false);
        assert!(path.controller.opened.is_some(), "what was sent before tells nothing");
        let sent = path.now;
        path.now += path.trip;
        path.controller.acknowledged(path.now, sent, true);
        assert_eq!(path.controller.window(), before);
    }

    #[test]
    fn who_does_not_use_the_window_does_not_widen_it() {
        let now = Instant::now();
        let mut controller = Delay::new(Arc::default(), now);
        for round in 0..100 {
            let sent = now + Duration::from_millis(50 * round);
            controller.on_sent(sent, 1000, 0);
            controller.acknowledged(sent + Duration::from_millis(40), sent, true);
            controller.on_end_acks(sent + Duration::from_millis(40), 0, true, None);
        }
        assert_eq!(controller.window(), FIRST);
    }
}
