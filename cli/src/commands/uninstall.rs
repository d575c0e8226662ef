//! `devbridge uninstall`: removes the keeper of a namespace, whoever made it.

use crate::args::Uninstall;
use crate::cluster::{Cluster, keeper};
use crate::error::Failure;
use crate::output::Output;

/// Removes it; sessions that run go on without.
///
/// # Errors
/// The API server can't be reached or refuses.
pub async fn run(args: Uninstall, output: &Output) -> Result<(), Failure> {
    let cluster = Cluster::connect(&args.cluster).await?;
    cluster.announce(output);
    cluster.check_protected(args.cluster.yes).await?;
    let step = output.step("uninstall", "removing the keeper");
    let removed = keeper::uninstall(&cluster).await?;
    if removed.found {
        step.done(&format!("no keeper is left in namespace {}", cluster.namespace));
    } else {
        step.done(&format!("there was no keeper in namespace {}", cluster.namespace));
    }
    if removed.found && removed.roles_unknown {
        output.say(&format!(
            "you may not see roles; if the keeper was applied from `install --print`, who may removes the rest: \
             kubectl -n {} delete role,rolebinding -l {}",
            cluster.namespace,
            keeper::KEEPER
        ));
    }
    Ok(())
}
