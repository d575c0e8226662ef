//! Both ends in one process: sessions over memory and over TCP, with carriers that are cut, silent or hostile.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
#![allow(clippy::disallowed_methods, reason = "what a test spawns ends with its runtime")]

mod bytes;
mod carriers;
mod ends;
mod many;
mod messages;
mod refusals;
mod rig;
mod splice;
