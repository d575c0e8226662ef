//! devbridge as its users meet it, on a real cluster. See `harness` for what a test has.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test's failure is a panic that says what was seen"
)]

use std::process::ExitCode;

mod agents;
mod bytes;
mod commands;
mod control;
mod dashboard;
mod debug;
mod drain;
mod environment;
mod fallback;
mod forged;
mod gc;
mod gitops;
mod install;
mod keeper;
mod killed;
mod link;
mod load;
mod login;
mod logs;
mod nodes;
mod refusals;
mod reload;
mod requests;
mod story;
mod sync;
mod takeover;
mod target;
mod unavailable;
mod undo;

fn main() -> ExitCode {
    // The longest first, so that the run ends soon after the last one began.
    harness::run(
        [
            bytes::tests(),
            agents::tests(),
            target::tests(),
            keeper::tests(),
            forged::tests(),
            install::tests(),
            gc::tests(),
            killed::tests(),
            debug::tests(),
            undo::tests(),
            unavailable::tests(),
            sync::tests(),
            sync::pods::tests(),
            sync::pull::tests(),
            sync::random::tests(),
            requests::tests(),
            dashboard::tests(),
            load::tests(),
            nodes::tests(),
            drain::tests(),
            link::tests(),
            login::tests(),
            logs::tests(),
            fallback::tests(),
            story::tests(),
            gitops::tests(),
            takeover::tests(),
            control::tests(),
            environment::tests(),
            commands::tests(),
            reload::tests(),
            refusals::tests(),
        ]
        .concat(),
    )
}
