//! The agent's program under strain, one test after the other: each of them needs the machine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and its tasks end with its runtime"
)]
#![allow(dead_code, reason = "what the other tests of the agent share is not all used here")]

#[path = "../agent/deadline.rs"]
mod deadline;
#[path = "../agent/laptop.rs"]
mod laptop;
#[path = "../agent/rig.rs"]
mod rig;
#[path = "../agent/server.rs"]
mod server;
mod strain;

use deadline::{eventually, within};
