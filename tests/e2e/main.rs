//! devbridge as its users meet it, on a real cluster. See `harness` for what a test has.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test's failure is a panic that says what was seen"
)]

use std::process::ExitCode;

mod story;

fn main() -> ExitCode {
    harness::run([story::tests()].concat())
}
