//! Leading Services to the agent and back, while a session lives.
//!
//! The key belongs on a Service as long as the agent is ready behind it, and only while nobody else manages that
//! Service's selector: a controller that puts it back is named, and not fought.

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;
use tokio::time::{self, Duration};

use super::Context;
use super::attach::Making;
use crate::cluster::api::{ApiError, Doing};
use crate::cluster::gitops::{Manager, keeper_set_the_selector, who_set_the_selector};
use crate::cluster::key::Key;
use crate::cluster::record::Record;
use crate::cluster::start::Started;
use crate::cluster::watch::{self, Selection};
use crate::cluster::{key, names, originals};
use crate::error::{Exit, Failure};

/// A leave from elsewhere takes the key off, then deletes the record, which ends this session.
const LEAVE: Duration = Duration::from_secs(2);
/// An agent that turned unready for less is none the worse for it.
const UNREADY: Duration = Duration::from_millis(200);

/// How a Service does not lead here.
pub enum Astray {
    /// It has no ready agent behind it.
    Unready,
    /// The key is off, by somebody else.
    TakenOff(Manager),
    /// The key is off, by the keeper: it did not see the laptop's renewals, or the agent.
    KeptOff,
}

/// Leads all `services` here that don't yet.
///
/// # Flow
/// For each: its selector as it is now; if the agent's pod carries all of it, the key, with a `test` of that selector.
///
/// # Guarantees
/// As [`key::set`].
///
/// # Assumptions
/// The agent is ready behind each of them.
///
/// # Errors
/// A Service is gone, or selects other pods now.
pub async fn here(context: &Context, making: &Making, services: &[String]) -> Result<(), Failure> {
    if making.record.is_anothers(&context.cluster).await? {
        // The session is about to learn it from its record.
        return Ok(());
    }
    let api = context.cluster.api::<Service>();
    for name in services {
        let service = api.get_opt(name).await.doing(|| format!("read Service {name}"))?;
        let Some(service) = service.filter(|service| service.metadata.deletion_timestamp.is_none()) else {
            return Err(deleted(name));
        };
        if key::leads_to(&service) == Some(&context.names.agent) {
            continue;
        }
        if !selects_agent(making, &service) {
            return Err(led_elsewhere(name));
        }
        let selector = service.spec.unwrap_or_default().selector.unwrap_or_default();
        let key = Key { agent: &context.names.agent, pause: making.paused.contains(name) };
        key::set(&context.cluster, name, &selector, key).await?;
    }
    Ok(())
}

/// Leads every Service back to the originals, and says so if one led here. A laptop that slept may find that somebody
/// else has the target by now: then nothing is changed.
///
/// # Errors
/// As [`key::unset`].
pub async fn back(context: &Context, record: &Record) -> Result<(), ApiError> {
    if record.is_anothers(&context.cluster).await? {
        return Ok(());
    }
    let led = key::unset(&context.cluster, &context.names.agent).await?;
    if !led.is_empty() {
        context.output.state(&format!("no ready agent; {} leads to the originals meanwhile", led.join(", ")));
    }
    Ok(())
}

/// Resolves when one of `services` does not lead to the agent.
///
/// # Errors
/// The API server refuses.
pub async fn astray(context: &Context, services: &[String], started: &Started) -> Result<Astray, ApiError> {
    tokio::select! {
        unready = unready(context, services, started) => unready.map(|()| Astray::Unready),
        by = taken_off(context, services) => by,
    }
}

async fn unready(context: &Context, services: &[String], started: &Started) -> Result<(), ApiError> {
    let api = context.cluster.api::<EndpointSlice>();
    let selection = originals::slices_of_all(services);
    let lacking = |slices: &[EndpointSlice]| originals::lacks_ready(slices, services, &started.addresses);
    loop {
        let look = |slices: &[EndpointSlice]| lacking(slices).then_some(());
        watch::follow(&api, &selection, look).await.doing(|| "watch EndpointSlices".into())?;
        let look = |slices: &[EndpointSlice]| (!lacking(slices)).then_some(());
        let soon = time::Instant::now() + UNREADY;
        let again = watch::until(&api, &selection, soon, look).await;
        if again.doing(|| "watch EndpointSlices".into())?.is_none() {
            return Ok(());
        }
    }
}

async fn taken_off(context: &Context, services: &[String]) -> Result<Astray, ApiError> {
    let api = context.cluster.api::<Service>();
    let agent = context.names.agent.as_str();
    let look = |found: &[Service]| {
        let mut own = found.iter().filter(|service| services.contains(&service.name_any()));
        let off = own.find(|service| key::leads_to(service) != Some(agent))?;
        let kept = keeper_set_the_selector(off);
        Some(if kept { Astray::KeptOff } else { Astray::TakenOff(who_set_the_selector(off)) })
    };
    let by = watch::follow(&api, &Selection::default(), look).await.doing(|| "watch Services".into())?;
    time::sleep(LEAVE).await;
    Ok(by)
}

/// Resolves when one of `services` is deleted, or led to other pods. Not when that can't be known.
pub async fn gone(context: &Context, making: &Making, services: &[String]) -> Failure {
    let api = context.cluster.api::<Service>();
    let look = |found: &[Service]| {
        services.iter().find_map(|name| match found.iter().find(|service| service.name_any() == **name) {
            None => Some(deleted(name)),
            Some(service) => (!selects_agent(making, service)).then(|| led_elsewhere(name)),
        })
    };
    match watch::follow(&api, &Selection::default(), look).await {
        Ok(failure) => failure,
        Err(_) => std::future::pending().await,
    }
}

fn deleted(service: &str) -> Failure {
    Failure::new("DB-SWAP-002", Exit::Failure, format!("Service {service} was deleted"))
        .why("no requests can come here any more")
}

fn led_elsewhere(service: &str) -> Failure {
    Failure::new("DB-SWAP-003", Exit::Failure, format!("Service {service} selects other pods now"))
        .why("its selector was changed, and the agent stands in for the pods that it selected before")
        .fix("start again")
}

/// The session's last words when somebody else manages the Service.
pub fn put_back(context: &Context, by: &Manager) -> Failure {
    let failure = Failure::new("DB-GITOPS-001", Exit::Failure, "the Service was put back by somebody else")
        .why(format!("{} manages its selector; devbridge does not fight it", by.name));
    let failure = by.settings(&context.cluster.namespace).into_iter().fold(failure, Failure::fix);
    failure.fix("then start again")
}

/// Whether the agent's pod carries all labels that a Service selects by, our key aside.
fn selects_agent(making: &Making, service: &Service) -> bool {
    let labels = making.pod.template.metadata.as_ref().and_then(|metadata| metadata.labels.as_ref());
    let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    let mut wanted = selector.into_iter().flatten().filter(|(key, _)| *key != names::AGENT);
    wanted.all(|(key, value)| labels.is_some_and(|labels| labels.get(key) == Some(value)))
}
