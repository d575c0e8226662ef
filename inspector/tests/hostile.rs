//! The reader of callers' and servers' bytes, and what is made of them: the corpus of `fuzz/`, and what comes of it by a few changes. The seed is fixed, so
//! a failure is the same each time; `just fuzz` looks for new ones.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use devbridge_inspector::{read, text};

#[path = "../../fuzz/attack.rs"]
mod attack;

use attack::attack;

#[test]
fn conversations_can_be_anything() {
    attack("conversation", 3000, Vec::new(), read::fuzz::conversation);
}

#[test]
fn exchanges_that_are_shown_can_hold_anything() {
    let packed = |bytes: &[u8]| zstd::encode_all(bytes, 3).unwrap();
    let head = b"/s\ncontent-type: application/json\ncontent-encoding: zstd\n\n";
    let seed = [head.as_slice(), &packed(br#"{"password":"hunter2","list":[1,2]}"#)].concat();
    attack("shown", 500, vec![seed], text::fuzz::shown);
}
