//! `devbridge doctor`: each thing that could stop `intercept` from working here, tried for real, with its fix.

use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::json;
use tokio::time::{self, Duration};
use tunnel::carrier::Dial;

use crate::args::{Doctor, Format};
use crate::bundle::Bundle;
use crate::cluster::portforward::PodPort;
use crate::cluster::{Cluster, keeper, preflight};
use crate::error::{Exit, Failure, chain};
use crate::output::Output;
use crate::sandbox;

/// Longest wait for the pod's own answer through a port-forward.
const ANSWER: Duration = Duration::from_secs(5);

/// What one check found.
enum Found {
    /// Works; what was seen.
    Ok(String),
    /// Could not be checked, or works with a limit.
    Warn(String, String),
    /// Does not work: reason and fix.
    Fail(String, String),
}

/// Runs every check and prints the answers; fails if one of them failed.
///
/// # Errors
/// [`Exit::Failure`] when a check failed.
pub async fn run(args: Doctor, output: &Output) -> Result<(), Failure> {
    let mut checks = vec![("agent", agent()), ("sandbox", sandbox().await)];
    match Cluster::connect(&args.cluster).await {
        Err(failure) => checks.push(("kubeconfig", failed(&failure))),
        Ok(cluster) => {
            checks.push((
                "kubeconfig",
                Found::Ok(format!("context {}, namespace {}", cluster.context, cluster.namespace)),
            ));
            let reached = cluster.client.apiserver_version().await;
            match reached {
                Err(error) => {
                    let fix = "check that the cluster is up and that this laptop can reach it: kubectl get --raw /readyz";
                    checks.push(("cluster", Found::Fail(chain(&error), fix.into())));
                }
                Ok(version) => {
                    checks.push(("cluster", Found::Ok(format!("Kubernetes {}", version.git_version))));
                    let (rights, security, forward, keeper) = tokio::join!(
                        rights(&cluster),
                        pod_security(&cluster),
                        port_forward(&cluster),
                        keeper(&cluster)
                    );
                    checks.extend([
                        ("rights", rights),
                        ("pod security", security),
                        ("port-forward", forward),
                        ("keeper", keeper),
                    ]);
                }
            }
        }
    }
    print(&checks, args.output, output);
    let failed: Vec<_> =
        checks.iter().filter(|(_, found)| matches!(found, Found::Fail(..))).map(|(name, _)| *name).collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::new("DB-DOCTOR-001", Exit::Failure, format!("not everything works: {}", failed.join(", ")))
        .fix("what stands beside each check above"))
}

fn print(checks: &[(&str, Found)], format: Format, output: &Output) {
    if format == Format::Json {
        let list: Vec<_> = checks
            .iter()
            .map(|(name, found)| match found {
                Found::Ok(seen) => json!({"check": name, "result": "ok", "seen": seen}),
                Found::Warn(why, fix) => json!({"check": name, "result": "warn", "why": why, "fix": fix}),
                Found::Fail(why, fix) => json!({"check": name, "result": "fail", "why": why, "fix": fix}),
            })
            .collect();
        let list = json!({"apiVersion": tunnel::status::API_VERSION, "kind": "Doctor", "checks": list});
        return output.data(&format!("{list:#}"));
    }
    for (name, found) in checks {
        match found {
            Found::Ok(seen) => output.data(&format!("ok    {name}: {seen}")),
            Found::Warn(why, fix) => output.data(&format!("warn  {name}: {why}\n      fix: {fix}")),
            Found::Fail(why, fix) => output.data(&format!("FAIL  {name}: {why}\n      fix: {fix}")),
        }
    }
}

fn failed(failure: &Failure) -> Found {
    let why = failure.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    Found::Fail(format!("{}{why}", failure.what), failure.fix.join("; or: "))
}

fn agent() -> Found {
    match Bundle::find() {
        Ok(bundle) => {
            let size = (bundle.agent_gz.len() + bundle.bootstrap.len()) / 1024;
            Found::Ok(format!("{size} KiB for {}, {}", bundle.arch, bundle.hash))
        }
        Err(error) => Found::Fail(error.to_string(), error.hint().to_owned()),
    }
}

async fn sandbox() -> Found {
    match sandbox::check().await {
        Ok(works) => {
            let ipv6 = if works.ipv6 { "IPv4 and IPv6" } else { "IPv4" };
            Found::Ok(format!("made in {} ms without root, captures {ipv6}", works.start.as_millis()))
        }
        Err(error) => {
            let fix = error
                .hint()
                .unwrap_or_else(|| "leave `-- CMD` out: requests and environment work without".into());
            Found::Fail(chain(&error), fix)
        }
    }
}

async fn rights(cluster: &Cluster) -> Found {
    match preflight::missing_rights(cluster).await {
        Ok(missing) if missing.is_empty() => {
            Found::Ok(format!("all that a swap needs in namespace {}", cluster.namespace))
        }
        Ok(missing) => Found::Fail(
            format!("not allowed in namespace {}: {}", cluster.namespace, missing.join(", ")),
            "ask for the built-in role `edit` in this namespace".into(),
        ),
        Err(error) => failed(&error.into()),
    }
}

async fn pod_security(cluster: &Cluster) -> Found {
    let label = "pod-security.kubernetes.io/enforce";
    match Api::<Namespace>::all(cluster.client.clone()).get_opt(&cluster.namespace).await {
        Ok(Some(namespace)) => {
            let level = namespace.labels().get(label).map_or("privileged", String::as_str);
            Found::Ok(format!(
                "level {level}; the agent's pod is as restricted as its target's, and dry-run before it is made"
            ))
        }
        Ok(None) => {
            Found::Fail(format!("there is no namespace {}", cluster.namespace), "name another with -n".into())
        }
        Err(error) => Found::Warn(chain(&error), "the dry run before each swap tells all the same".into()),
    }
}

/// A WebSocket through the API server and the kubelet to a real pod: middleboxes that break it are common.
async fn port_forward(cluster: &Cluster) -> Found {
    let pods = match cluster.api::<Pod>().list(&ListParams::default()).await {
        Ok(pods) => pods,
        Err(error) => return Found::Fail(chain(&error), "ask for the right to list pods".into()),
    };
    let running =
        |pod: &&Pod| pod.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Running"));
    let Some(pod) = pods.items.iter().find(running) else {
        let why = format!("no pod runs in namespace {} to try it with", cluster.namespace);
        return Found::Warn(why, "try again in the namespace of your target".into());
    };
    let name = pod.name_any();
    // Nobody listens on port 1, and that is an answer from the pod's own network, at once.
    let port = 1;
    let dial = PodPort::new(cluster.clone(), &name, port);
    let fix = "a proxy or load balancer before the API server may not pass WebSockets on: ask who runs it";
    match dial.dial().await {
        Err(error) => Found::Fail(format!("to pod {name}: {error}"), fix.into()),
        Ok(mut carrier) => {
            use futures::StreamExt;
            match time::timeout(ANSWER, carrier.incoming.next()).await {
                Ok(Some(Err(error))) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                    Found::Ok(format!("reaches into pod {name}"))
                }
                Ok(Some(Ok(_))) => Found::Ok(format!("reaches into pod {name}")),
                Ok(Some(Err(error))) => Found::Fail(format!("to pod {name}: {error}"), fix.into()),
                Ok(None) => Found::Fail(format!("to pod {name}: closed without an answer"), fix.into()),
                Err(_) => Found::Fail(format!("to pod {name}: no answer from the pod"), fix.into()),
            }
        }
    }
}

/// Who cleans up when this laptop dies.
async fn keeper(cluster: &Cluster) -> Found {
    let install = format!("somebody with the role `admin`: devbridge install -n {}", cluster.namespace);
    match tokio::try_join!(keeper::find(cluster), preflight::lacking(cluster, keeper::RIGHTS)) {
        Ok((Some(there), _)) if there.ready => {
            let whose = if there.installed { "is installed" } else { "is there while a session is" };
            Found::Ok(format!("{whose}, and watches"))
        }
        Ok((Some(_), _)) => Found::Warn(
            "its pod is not ready: nobody cleans up if this laptop dies".into(),
            format!("kubectl -n {} describe pods -l {}", cluster.namespace, keeper::KEEPER),
        ),
        Ok((None, lacking)) if lacking.is_empty() => {
            Found::Ok("none now; `intercept` makes one while a session is".into())
        }
        Ok((None, lacking)) => Found::Warn(
            format!(
                "none, and you may not make one ({}): nobody cleans up if this laptop dies",
                lacking.join(", ")
            ),
            install,
        ),
        Err(error) => failed(&error.into()),
    }
}
