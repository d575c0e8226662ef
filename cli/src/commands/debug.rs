//! `devbridge debug`: a container to look around with, beside a running one or in a copy of its pod.

use std::convert::Infallible;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use tokio::time::Instant;

use super::own::{Aim, aim};
use super::signals::Signals;
use crate::args::Debug;
use crate::cluster::api::{ApiError, Doing, create};
use crate::cluster::attach::{self, State};
use crate::cluster::debug::{Wanted, beside, copy, keep, pod_of};
use crate::cluster::names::{MANAGER, hex};
use crate::cluster::pods::{self, Pods};
use crate::cluster::watch::Selection;
use crate::cluster::{Cluster, preflight};
use crate::error::{Exit, Failure};
use crate::output::Output;
use crate::terminal;

/// Kubernetes puts this label on the pods of a Job.
const JOB_NAME: &str = "batch.kubernetes.io/job-name";
/// From the end of a container to its status in the cluster.
const STATUS: Duration = Duration::from_secs(15);

/// Runs a command in a container of its own; its exit status.
///
/// # Errors
/// No such target, no right to do it, or the container does not start.
pub async fn run(args: Debug, output: &Output) -> Result<u8, Failure> {
    let terminal = terminal::is_there();
    if args.command.is_empty() && !terminal {
        return Err(Failure::new("DB-USAGE-004", Exit::Usage, "there is nothing to run")
            .why("without a terminal there is nobody to use a shell")
            .fix("devbridge debug TARGET -- CMD"));
    }
    let Aim { target, cluster } = aim(args.target.as_deref(), &args.cluster, "debug").await?;
    let cluster = Cluster::connect(&cluster).await?;
    cluster.announce(output);
    let found = Pods::of(&cluster, &target).await?;
    let (protected, pod) = tokio::join!(cluster.check_protected(args.cluster.yes), one_of(&cluster, &found));
    protected?;
    let pod = pod?;
    let container = container(&pod, &found, args.container.as_deref())?;
    let command = if args.command.is_empty() { vec!["sh".to_owned()] } else { args.command.clone() };
    let mut bytes = [0; 3];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::new("DB-TUNNEL-003", Exit::Failure, "the system gives no random numbers").why(error)
    })?;
    let name = format!("devbridge-debug-{}", hex(&bytes));
    let wanted = Wanted { name, image: args.image.clone(), command, terminal };
    let session = Session { cluster, wanted, wait: args.wait, output };
    match args.copy {
        true => session.in_a_copy(&pod, &container).await,
        false => session.beside(&pod, &container).await,
    }
}

struct Session<'a> {
    cluster: Cluster,
    wanted: Wanted,
    wait: Duration,
    output: &'a Output,
}

impl Session<'_> {
    /// In the pod.
    ///
    /// # Flow
    /// One patch of `pods/ephemeralcontainers`; then the container is waited for and attached to.
    ///
    /// # Caveats
    /// The ended container stays listed in the pod for as long as that lives: the API takes none away.
    async fn beside(&self, pod: &Pod, container: &Container) -> Result<u8, Failure> {
        let (name, own) = (pod.name_any(), &self.wanted.name);
        let step = self.output.step("container", &format!("adding a container to pod {name}"));
        let added = beside(container, &self.wanted);
        let patch = Patch::Strategic(json!({ "spec": { "ephemeralContainers": [added] } }));
        let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
        let patched = self.cluster.api::<Pod>().patch_ephemeral_containers(&name, &params, &patch).await;
        patched.doing(|| format!("add a container to pod {name}")).map_err(refused)?;
        let (_, state) = self.started(&Selection::name(&name), own).await?;
        step.done(&format!("container {own} in pod {name}, beside {}", container.name));
        let status = self.live(&name, own, state).await?;
        self.output.note(&format!("the ended container stays listed in pod {name} until that is replaced"));
        Ok(status)
    }

    /// In a copy that goes with the session.
    ///
    /// # Flow
    /// Dry run of the pod → Job → its pod's container is waited for and attached to; meanwhile the Job's end is put off again
    /// and again → Job deleted.
    ///
    /// # Guarantees
    /// Nothing of the target is changed, no Service leads to the copy, and it is deleted at the end: by Kubernetes, within
    /// about a minute, if this laptop dies.
    async fn in_a_copy(&self, pod: &Pod, container: &Container) -> Result<u8, Failure> {
        let mut signals = Signals::new().map_err(|error| {
            Failure::new("DB-SYSTEM-001", Exit::Failure, "cannot listen for signals").why(error)
        })?;
        let (job, dropped) = copy(pod, container, &self.wanted);
        preflight::dry_run(&self.cluster, &pod_of(&job)).await?;
        let step = self.output.step("copy", &format!("starting a copy of pod {}", pod.name_any()));
        // Not raced with signals: a request that is dropped may still arrive.
        let begun = Timestamp::now();
        create(&self.cluster, &job).await?;
        if !dropped.is_empty() {
            self.output.say(&format!("not in the copy: {}", dropped.join("; ")));
        }
        let working = async {
            let labels = Selection::labels(format!("{JOB_NAME}={}", self.wanted.name));
            let (name, state) = self.started(&labels, &container.name).await?;
            step.done(&format!("pod {name}; no Service leads to it"));
            self.live(&name, &container.name, state).await
        };
        let keeping = async {
            let Err(error) = keep(&self.cluster, &self.wanted.name, begun).await;
            self.output.warn(&format!("the copy ends soon, as {error}"));
            std::future::pending::<Infallible>().await
        };
        let ended = tokio::select! {
            ended = working => ended,
            never = keeping => match never {},
            signal = signals.first() => {
                self.output.clear();
                self.output.say(&format!("{signal}: ending the copy"));
                Ok(signals.status())
            }
        };
        let deleted = self.cluster.api::<Job>().delete(&self.wanted.name, &DeleteParams::background()).await;
        match deleted.doing(|| format!("delete Job {}", self.wanted.name)) {
            // Kubernetes was faster.
            Err(error) if error.is_not_found() => ended,
            Err(error) => ended.and(Err(Failure::from(error)
                .fix(format!("kubectl -n {} delete job {}", self.cluster.namespace, self.wanted.name)))),
            Ok(_) => ended,
        }
    }

    /// Waits until the new container runs, or has ended.
    async fn started(&self, pods: &Selection, container: &str) -> Result<(String, State), Failure> {
        let seen = attach::started(&self.cluster, pods, container, Instant::now() + self.wait).await?;
        let what = format!("`{}` does not start", self.wanted.command.join(" "));
        match seen {
            Some((_, State::Failed(why))) => Err(Failure::new("DB-DEBUG-001", Exit::Failure, what)
                .why(why)
                .fix("name an image that has it: --image busybox")
                .fix("or a command that is there: devbridge debug TARGET -- CMD")),
            Some(started) => Ok(started),
            None => Err(Failure::new("DB-DEBUG-002", Exit::Timeout, what)
                .why(format!("not within {} s", self.wait.as_secs()))
                .fix("wait longer with --wait; its image may have to be pulled")),
        }
    }

    /// Shows what it does until it ends; its status.
    async fn live(&self, pod: &str, container: &str, state: State) -> Result<u8, Failure> {
        self.output.clear();
        if self.wanted.terminal && state == State::Running {
            self.output.note("press Enter if you see no prompt");
            attach::terminal(&self.cluster, pod, container).await?;
        } else {
            attach::output(&self.cluster, pod, container).await?;
        }
        let status = attach::ended(&self.cluster, pod, container, Instant::now() + STATUS).await?;
        status.map(|status| u8::try_from(status).unwrap_or(u8::MAX)).ok_or_else(|| {
            Failure::new("DB-DEBUG-003", Exit::Cluster, "the connection to the container was lost")
                .why(format!("container {container} of pod {pod} has not told how it ended"))
                .fix("start again")
        })
    }
}

/// The pod to look at: one that is ready if there is one, never an agent.
async fn one_of(cluster: &Cluster, pods: &Pods) -> Result<Pod, Failure> {
    let found = pods.now(cluster).await?;
    let rank = |pod: &Pod| {
        let status = pod.status.as_ref();
        let ready = status.into_iter().flat_map(|status| status.conditions.iter().flatten());
        let ready =
            ready.filter(|condition| condition.type_ == "Ready").any(|condition| condition.status == "True");
        let runs = status.and_then(|status| status.phase.as_deref()) == Some("Running");
        (ready, runs)
    };
    let usable =
        found.into_iter().filter(|pod| !pods::is_agent(pod) && pod.metadata.deletion_timestamp.is_none());
    usable.max_by_key(rank).ok_or_else(|| {
        Failure::new("DB-DEBUG-004", Exit::Target, format!("{} has no pods", pods.what))
            .why("a debug container needs one, and a copy is made of one")
            .fix(format!("kubectl -n {} get pods", cluster.namespace))
    })
}

fn container(pod: &Pod, pods: &Pods, wanted: Option<&str>) -> Result<Container, Failure> {
    let all = pod.spec.iter().flat_map(|spec| &spec.containers);
    let name = pods::container(pod, wanted);
    let found = name.as_ref().ok().and_then(|name| all.clone().find(|container| container.name == *name));
    found.cloned().ok_or_else(|| {
        let there: Vec<_> = all.map(|container| container.name.as_str()).collect();
        let name = wanted.unwrap_or_default();
        Failure::new("DB-LOGS-002", Exit::Usage, format!("{} has no container `{name}`", pods.what))
            .why(format!("there are: {}", there.join(", ")))
    })
}

/// What `edit` does not allow has a way around it.
fn refused(error: ApiError) -> Failure {
    if error.status() != Some(403) {
        return error.into();
    }
    let mut failure = Failure::from(error);
    failure.fix = vec![
        "work in a copy of the pod, which the role `edit` allows: the same command with --copy".into(),
        "ask for the right to patch pods/ephemeralcontainers".into(),
    ];
    failure
}
