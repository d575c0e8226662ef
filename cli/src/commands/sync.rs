//! `devbridge sync`: the laptop's code in the cluster, and what there is to ask about its files.

mod explain;
pub(super) mod verify;

use ignore::gitignore::GitignoreBuilder;

use super::dashboard;
use super::swap::{self, Beside, Plan, Work};
use crate::args::sync::{Pods, Sync, SyncAbout, SyncRun};
use crate::error::{Exit, Failure};
use crate::memory;
use crate::output::Output;
use crate::session::saves::Saves;
use crate::session::sync::{Order, Pulls, Restart};
use crate::watch::Watch;

/// Runs the session or the subcommand; the exit status.
///
/// # Errors
/// See each.
pub async fn run(args: Sync, output: &Output) -> Result<u8, Failure> {
    match (args.about, &args.run.target) {
        (Some(SyncAbout::Explain(args)), _) => explain::explain(&args, output).map(|()| 0),
        (Some(SyncAbout::Verify(args)), _) => verify::verify(&args, output).await,
        (None, Some(target)) => {
            if args.run.dashboard {
                dashboard::check()?;
            }
            let restart = restart(args.run.restart.as_deref())?;
            memory::give_back();
            swap::run(|| plan(target, args.run.clone(), restart.clone()), output).await
        }
        (None, None) => Err(Failure::new("DB-USAGE-003", Exit::Usage, "no target is named")
            .fix("devbridge sync TARGET --to PATH")),
    }
}

fn plan(target: &str, args: SyncRun, restart: Restart) -> Result<Plan, Failure> {
    let unusable = |error: std::io::Error| {
        Failure::new("DB-SYNC-001", Exit::Config, format!("cannot read folder {}", args.from.display()))
            .why(error)
            .fix("name a folder that is there with --from")
    };
    let folder = args.from.canonicalize().map_err(unusable)?;
    let watch = Watch::start(&folder, Vec::new()).map_err(unusable)?;
    let order = Order {
        saves: Saves { watch, folder, on_change: args.on_change },
        to: args.to,
        command: args.command,
        restart,
        grace: args.grace,
        keep: args.keep,
        limit: args.limit,
        volume: args.volume,
        all_pods: args.pods == Pods::All,
        pulls: Pulls::of(args.pull),
    };
    Ok(Plan {
        dashboard: args.dashboard.then(|| Beside { kubeconfig: args.cluster.kubeconfig.clone() }),
        target: target.to_owned(),
        cluster: args.cluster,
        ports: Vec::new(),
        env_out: args.env_out,
        wait: args.wait,
        unavailable: args.unavailable,
        taking: args.taking,
        record: false,
        work: Work::Pod(Box::new(order)),
    })
}

/// `never`, or patterns as in a `.gitignore`.
fn restart(text: Option<&str>) -> Result<Restart, Failure> {
    let Some(text) = text else { return Ok(Restart::Always) };
    if text == "never" {
        return Ok(Restart::Never);
    }
    let wrong = |why: String| Failure::new("DB-USAGE-006", Exit::Usage, format!("--restart {text}")).why(why);
    let mut patterns = GitignoreBuilder::new("");
    for pattern in text.split(',').map(str::trim) {
        if pattern.is_empty() {
            return Err(wrong("there is an empty pattern".into()));
        }
        patterns.add_line(None, pattern).map_err(|error| wrong(error.to_string()))?;
    }
    patterns.build().map(Restart::For).map_err(|error| wrong(error.to_string()))
}
