//! `devbridge intercept`: requests to a process on this laptop.

mod reload;

use tunnel::message::Unavailable;

use super::dashboard;
use super::swap::{self, Beside, Plan, Work};
use crate::args::Intercept;
use crate::error::Failure;
use crate::output::Output;

/// With `--watch`, unless said otherwise: a process that is being started anew is back in a moment.
const RELOADING: Unavailable = Unavailable::Hold { millis: 5000 };

/// Runs a session to its end; returns the exit status.
///
/// # Errors
/// What stopped it; everything that could be undone has been.
pub async fn run(args: Intercept, output: &Output) -> Result<u8, Failure> {
    if args.dashboard {
        dashboard::check()?;
    }
    let plan = || {
        let reload = reload::reload(&args, output)?;
        let usual = if reload.is_some() { RELOADING } else { Unavailable::Cluster };
        let args = args.clone();
        Ok(Plan {
            dashboard: args.dashboard.then(|| Beside { kubeconfig: args.cluster.kubeconfig.clone() }),
            target: args.target,
            cluster: args.cluster,
            ports: args.ports,
            env_out: args.env_out,
            wait: args.wait,
            unavailable: args.unavailable.unwrap_or(usual),
            taking: args.taking,
            record: !args.no_record,
            work: Work::Laptop { command: args.command, reload },
        })
    };
    swap::run(plan, output).await
}
