//! Tells the agent where the originals are, whenever that changes.

use k8s_openapi::api::discovery::v1::EndpointSlice;
use tokio::sync::mpsc;
use tunnel::message::{Original, ToAgent};

use super::Context;
use crate::cluster::api::{ApiError, Doing};
use crate::cluster::{originals, watch};

/// The originals now.
///
/// # Errors
/// The API server can't be reached or refuses.
pub async fn now(context: &Context) -> Result<Vec<Original>, ApiError> {
    let api = context.cluster.api::<EndpointSlice>();
    let params = kube::api::ListParams::default().labels(&originals::selection(&context.names).labels);
    let slices = api.list(&params).await.doing(|| "list EndpointSlices".into())?;
    Ok(originals::among(&context.names, &slices.items))
}

/// Follows the EndpointSlices for as long as the session lives.
pub async fn run(context: Context, to_agent: mpsc::Sender<ToAgent>) {
    let api = context.cluster.api::<EndpointSlice>();
    let mut last = Vec::new();
    // A conversation that is over has no use for the list; a full queue gets the next one.
    let look = |slices: &[EndpointSlice]| {
        let told = originals::are_told(&context.names, slices);
        let originals = originals::among(&context.names, slices);
        // Our Services go before the agent does, and until its end it still needs to know the originals.
        if told && originals != last && to_agent.try_send(ToAgent::Originals(originals.clone())).is_ok() {
            last = originals;
        }
        to_agent.is_closed().then_some(())
    };
    // An error here is final (rights taken away): the agent then asks DNS by itself.
    let _ = watch::follow(&api, &originals::selection(&context.names), look).await;
}
