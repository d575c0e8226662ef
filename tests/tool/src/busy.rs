//! A part of a processor taken away, so that a machine behaves like a slower one.
//!
//! In slices of milliseconds: whoever else runs is late by little and often, as on a slow machine, and not for long and
//! seldom. Only a real-time process gets its part whatever else runs; `tests/slower.sh` makes it one.

use std::os::unix::process::parent_id;
use std::time::{Duration, Instant};

/// Of which a part is taken.
const PERIOD: Duration = Duration::from_millis(10);

/// Options of `busy`.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Args {
    /// Of one processor; with more, the kernel's own limit for real-time processes is near
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=90))]
    percent: u32,
    /// Ends then, or with who started it
    #[arg(long, default_value_t = 600)]
    seconds: u64,
}

/// Computes and sleeps in turn. Blocks its thread.
pub fn busy(args: Args) {
    let work = PERIOD * args.percent / 100;
    let parent = parent_id();
    let end = Instant::now() + Duration::from_secs(args.seconds);
    while Instant::now() < end && parent_id() == parent {
        let until = Instant::now() + work;
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        std::thread::sleep(PERIOD - work);
    }
}
