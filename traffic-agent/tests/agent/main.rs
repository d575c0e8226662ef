//! The agent in this process, with real sockets on loopback and a laptop end of the test's own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and its tasks end with its runtime"
)]

mod control;
mod deadline;
mod dns;
mod ending;
mod laptop;
mod load;
mod opaque;
mod outage;
mod outbound;
mod pause;
mod process;
mod requests;
mod rig;
mod server;
mod sync;
mod synced;
mod unavailable;

use deadline::{eventually, within};
