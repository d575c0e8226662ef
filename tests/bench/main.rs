//! What devbridge costs, measured on a real cluster beside what it is compared with, in one run.
//!
//! It prints figures and judges nothing; `docs/benchmarks.md` says what they mean. Rounds alternate between the ways,
//! because machines are noisy: read ratios, not figures.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on stops, and its figures go to stdout"
)]

mod attach;
mod reload;
mod requests;
mod ways;

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::run([attach::tests(), reload::tests(), ways::tests(), requests::tests()].concat())
}

/// The value in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
