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
mod dashboard;
mod inspector;
mod reload;
mod requests;
mod sync;
mod ways;

use std::process::ExitCode;

fn main() -> ExitCode {
    let requests = [requests::tests(), inspector::tests()].concat();
    harness::run(
        [attach::tests(), reload::tests(), ways::tests(), requests, sync::tests(), dashboard::tests()]
            .concat(),
    )
}

/// The value in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The value that so many of all are below.
fn part(values: &[f64], part: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let at = (values.len() as f64 * part) as usize;
    values.get(at.min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}
