//! Readers of callers' and servers' bytes: the corpus of `fuzz/`, and what comes of it by a few changes. The seed is
//! fixed, so a failure is the same each time; `just fuzz` looks for new ones.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use traffic_agent::fuzz;

#[path = "../../fuzz/attack.rs"]
mod attack;

use attack::attack;

#[test]
fn conversations_can_be_anything() {
    attack("exchange", 3000, Vec::new(), fuzz::exchange);
}

#[test]
fn last_answers_can_be_anything() {
    attack("farewell", 3000, Vec::new(), fuzz::farewell);
}
