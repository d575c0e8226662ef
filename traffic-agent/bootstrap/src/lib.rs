//! The first program of an agent's container.
//!
//! It runs in whatever image the target uses: no shell, no C library, no write access, any user. So
//! it is one static file of a few dozen kilobytes that asks nothing but the kernel. It stays pid 1 and
//! does what must outlive the agent: it unpacks it, owns the listening sockets (a connection that
//! comes while the agent starts again waits in the queue and is served), restarts it, and reaps what
//! loses its parent.

#![cfg_attr(not(test), no_std)]

mod backoff;
mod config;
mod errno;
mod gzip;
mod kernel;
mod launch;
mod listen;
mod program;
mod report;
mod start;
mod supervise;

pub use kernel::exit;
pub use report::report;
pub use start::Start;

use config::Config;
use launch::Launch;
use listen::Listeners;
use program::Program;

/// Exit status when this program itself cannot go on; the agent's own statuses are handed through.
pub const FAILED: i32 = 125;
/// Exit status when the agent is there and cannot be executed.
pub const NOT_EXECUTABLE: i32 = 126;

/// Runs the container until somebody asks it to end; gives back the exit status.
#[must_use]
pub fn run(start: &Start) -> i32 {
    let config = match Config::parse(start.args()) {
        Ok(config) => config,
        Err(error) => return fail(format_args!("{error}")),
    };
    // Before anything else: a request to end that comes early is then kept, not lost.
    let signals = kernel::block_signals();
    kernel::adopt_orphans();

    let listeners = match Listeners::bind(&config.ports) {
        Ok(listeners) => listeners,
        Err(error) => return fail(format_args!("{error}")),
    };
    let program = match Program::unpack(config.parts, config.run) {
        Ok(program) => program,
        Err(error) => return fail(format_args!("cannot unpack the agent: {error}")),
    };
    let launch = match Launch::new(start, listeners.variable(), program, config.parts, signals) {
        Ok(launch) => launch,
        Err(error) => return fail(format_args!("cannot prepare the agent: {}", errno::Text(error))),
    };
    supervise::supervise(launch, config.once)
}

fn fail(message: core::fmt::Arguments<'_>) -> i32 {
    report(message);
    FAILED
}
