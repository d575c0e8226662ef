//! What a session needs to know before it runs the laptop's code in the cluster: where it goes, and what runs it.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use k8s_openapi::api::core::v1::Container;
use tunnel::status;

use crate::cluster::Cluster;
use crate::cluster::agent_pod::Code;
use crate::cluster::exec;
use crate::cluster::target::Target;
use crate::error::{Exit, Failure};
use crate::session::sync::Order;

/// Where the code goes and what runs it, from the command line, else the target's template, else a running original.
///
/// # Errors
/// Neither says it.
pub(super) async fn code(cluster: &Cluster, target: &Target, order: &Order) -> Result<Code, Failure> {
    let template = target.template();
    let spec = template.spec.unwrap_or_default();
    let container = spec.containers.get(target.container).cloned().unwrap_or_default();
    let to = match (&order.to, &container.working_dir) {
        (Some(to), _) => to.clone(),
        (None, Some(folder)) => PathBuf::from(folder),
        (None, None) => {
            return Err(Failure::new(
                "DB-USAGE-007",
                Exit::Usage,
                "where does the code go in the container?",
            )
            .why(format!("the template of {} names no working directory", target.display()))
            .fix("name the folder that the image has it in: --to /app"));
        }
    };
    if !to.is_absolute() || to.parent().is_none() {
        return Err(Failure::new(
            "DB-USAGE-007",
            Exit::Usage,
            format!("--to {} can't be synced", to.display()),
        )
        .why("it is to be the absolute path of one folder of the container, and not all of it")
        .fix("--to /app"));
    }
    let (command, expand) = if order.command.is_empty() {
        of_the_target(cluster, target, &container).await?
    } else {
        (order.command.iter().map(|word| word.as_bytes().to_vec()).collect(), false)
    };
    let originals = target.deployment.spec.replicas.unwrap_or(1).max(1);
    let replicas = if order.all_pods { originals } else { 1 };
    Ok(Code { to, command, expand, volume: order.volume, replicas })
}

/// What the target's container runs, and whether variables in it are still to be replaced.
async fn of_the_target(
    cluster: &Cluster,
    target: &Target,
    container: &Container,
) -> Result<(Vec<Vec<u8>>, bool), Failure> {
    let words = |list: &Option<Vec<String>>| -> Vec<Vec<u8>> {
        list.iter().flatten().map(|word| word.clone().into_bytes()).collect()
    };
    if container.command.as_ref().is_some_and(|command| !command.is_empty()) {
        return Ok(([words(&container.command), words(&container.args)].concat(), true));
    }
    // The image's own entry point stands nowhere in Kubernetes; the first process of a running container is it.
    let why = match exec::first_process(cluster, target, &container.name).await {
        Ok(command) if !command.is_empty() => return Ok((command, false)),
        Ok(_) => "no original runs whose process could be looked at".to_owned(),
        Err(why) => format!("a running original can't be asked: {why}"),
    };
    Err(Failure::new("DB-USAGE-005", Exit::Usage, "what is to run in the container?")
        .why(format!("the template of {} names no command, and {why}", target.display()))
        .fix("name it behind `--`: devbridge sync TARGET --to /app -- python app.py"))
}

/// What `status` shows before anything is synced.
pub(super) fn status(code: &Code, order: &Order) -> status::Sync {
    status::Sync {
        from: order.saves.folder.display().to_string(),
        to: code.to.display().to_string(),
        command: code.command.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect(),
        ..status::Sync::default()
    }
}
