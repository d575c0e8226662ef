//! What ends a session from outside: its record, its target or the Service in front of it, the namespace, or this user's
//! rights are gone.

use k8s_openapi::api::apps::v1::Deployment;

use super::attach::Making;
use super::keep::Lost;
use super::{Context, lead};
use crate::cluster::watch;
use crate::error::{Exit, Failure};

/// Resolves when there is nothing left to stand in for. Cancel safe.
pub async fn over(context: &Context, making: &Making, services: &[String]) -> Failure {
    let target = &context.names.target;
    tokio::select! {
        failure = lead::gone(context, making, services) => failure,
        () = target_gone(context) => {
            Failure::new("DB-TARGET-007", Exit::Failure, format!("deployment/{target} was deleted"))
                .why("there is nothing left to stand in for")
        }
    }
}

/// The code of a session that ended because its laptop slept.
pub const SLEPT: &str = "DB-HELD-004";

/// What it means that the record is lost.
pub async fn lost(context: &Context, session: &str, lost: Lost) -> Failure {
    let namespace = &context.cluster.namespace;
    if let Lost::Record(Some(by)) = lost {
        return Failure::new("DB-HELD-003", Exit::Held, format!("{by} took over"))
            .why(format!("with --takeover; your session {session} was ended for it"))
            .fix(format!("ask {by}; devbridge list shows who holds the target now"));
    }
    if context.cluster.namespace_gone().await {
        return Failure::new("DB-TARGET-008", Exit::Failure, format!("namespace {namespace} was deleted"))
            .why("the target went with it, and so does everything of devbridge's in it");
    }
    if let Lost::Slept(seconds) = lost {
        return Failure::new(SLEPT, Exit::Held, "the session ended while this laptop was away")
            .why(format!(
                "nothing was heard of it for {seconds} s, so the originals serve and its record was deleted"
            ))
            .fix("start again");
    }
    if let Lost::Login = lost {
        return Failure::new(
            "DB-CLUSTER-002",
            Exit::Cluster,
            "the cluster does not accept this login any more",
        )
        .why("and the agent can't be reached without one")
        .fix("log in as usual, then start again")
        .fix(format!(
            "to be sure that nothing is left: devbridge leave {} -n {namespace}",
            context.names.target
        ));
    }
    if let Lost::Rights = lost {
        return Failure::new(
            "DB-RIGHTS-004",
            Exit::Rights,
            format!("this user may not change anything in namespace {namespace} any more"),
        )
        .why("its rights were taken away, or the namespace is being deleted")
        .fix(format!("who may: devbridge leave {} -n {namespace}", context.names.target));
    }
    Failure::new("DB-HELD-002", Exit::Held, "this session was ended by somebody else")
        .why(format!("its record (session {session}) was deleted, from another terminal or machine"))
        .fix("devbridge list shows who holds the target now")
}

/// Resolves when the target's Deployment is deleted. Not when that can't be known.
async fn target_gone(context: &Context) {
    let look = |found: &[Deployment]| found.is_empty().then_some(());
    let deployments = context.cluster.api::<Deployment>();
    let selection = watch::Selection::name(&context.names.target);
    if watch::follow(&deployments, &selection, look).await.is_err() {
        std::future::pending().await
    }
}
