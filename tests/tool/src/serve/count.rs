//! Counters that tell a test how often something arrived.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

/// They live as long as the process.
static COUNTERS: LazyLock<Mutex<HashMap<String, u64>>> = LazyLock::new(Mutex::default);

/// What the counter of this name says, after `more` was added.
pub(super) fn count(name: &str, more: u64) -> u64 {
    let mut counters = COUNTERS.lock().unwrap_or_else(PoisonError::into_inner);
    match counters.get_mut(name) {
        Some(counter) => {
            *counter += more;
            *counter
        }
        // Who only looks leaves nothing behind.
        None if more == 0 => 0,
        None => *counters.entry(name.to_owned()).or_insert(more),
    }
}
