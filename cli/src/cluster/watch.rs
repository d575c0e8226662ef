//! Waiting for a state of the cluster: list once, then watch, and list again when the watch ends.
//!
//! Readers get the whole current set after every change, so that nobody has to fold events. A set here is
//! what one label or name selects: a handful of objects.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::time::{self, Instant};

use super::client::no_login;

/// The API server ends a watch after this many seconds; below the 290 that the client library accepts.
const WATCH_SECONDS: u32 = 240;
/// A watch that has not ended by then is on a connection that something between here and there has forgotten.
const LONGEST: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 10);
/// Pause after a failed request, so that an API server that is away is not hammered.
const RETRY: Duration = Duration::from_millis(500);

/// What to watch.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Label selector; empty: all.
    pub labels: String,
    /// Field selector; empty: all.
    pub fields: String,
}

impl Selection {
    /// Everything with these labels.
    pub fn labels(labels: impl Into<String>) -> Self {
        Self { labels: labels.into(), fields: String::new() }
    }

    /// The one object with this name.
    pub fn name(name: &str) -> Self {
        Self { labels: String::new(), fields: format!("metadata.name={name}") }
    }
}

/// Calls `look` with the current set now and after every change, until it returns something or `deadline`
/// is over: then the last error, if the cluster did not answer, or `None`.
///
/// Cancel safe: nothing is held but the watch.
///
/// # Errors
/// An answer that will not change by waiting (4xx other than 410 and 429).
pub async fn until<K, T>(
    api: &Api<K>,
    selection: &Selection,
    deadline: Instant,
    look: impl FnMut(&[K]) -> Option<T>,
) -> Result<Option<T>, kube::Error>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    match time::timeout_at(deadline, watching(api, selection, is_final, look)).await {
        Ok(found) => found.map(Some),
        Err(_) => Ok(None),
    }
}

/// Calls `look` for ever; for tasks that live as long as a session. Ends when `look` returns `Some`. A login that has
/// ended is waited for, as is an API server that is away.
///
/// # Errors
/// As [`until`].
pub async fn follow<K, T>(
    api: &Api<K>,
    selection: &Selection,
    look: impl FnMut(&[K]) -> Option<T>,
) -> Result<T, kube::Error>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    watching(api, selection, |error| is_final(error) && !no_login(error), look).await
}

async fn watching<K, T>(
    api: &Api<K>,
    selection: &Selection,
    is_final: impl Fn(&kube::Error) -> bool,
    mut look: impl FnMut(&[K]) -> Option<T>,
) -> Result<T, kube::Error>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    loop {
        let mut set = BTreeMap::new();
        let version = match list(api, selection, &mut set).await {
            Ok(version) => version,
            Err(error) if is_final(&error) => return Err(error),
            Err(_) => {
                time::sleep(RETRY).await;
                continue;
            }
        };
        if let Some(found) = look(&values(&set)) {
            return Ok(found);
        }
        let params = WatchParams { timeout: Some(WATCH_SECONDS), ..WatchParams::default() };
        let params = with(params, selection);
        let Ok(events) = api.watch(&params, &version).await else {
            time::sleep(RETRY).await;
            continue;
        };
        let mut events = events.boxed();
        let end = Instant::now() + LONGEST;
        // Any end or error of the watch, "resource version too old" included: list again.
        while let Ok(Ok(Some(event))) = time::timeout_at(end, events.try_next()).await {
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    set.insert(object.name_any(), object);
                }
                WatchEvent::Deleted(object) => {
                    set.remove(&object.name_any());
                }
                WatchEvent::Bookmark(_) => continue,
                WatchEvent::Error(_) => break,
            }
            if let Some(found) = look(&values(&set)) {
                return Ok(found);
            }
        }
    }
}

async fn list<K>(
    api: &Api<K>,
    selection: &Selection,
    set: &mut BTreeMap<String, K>,
) -> Result<String, kube::Error>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let mut params = ListParams::default();
    if !selection.labels.is_empty() {
        params = params.labels(&selection.labels);
    }
    if !selection.fields.is_empty() {
        params = params.fields(&selection.fields);
    }
    let list = api.list(&params).await?;
    set.extend(list.items.into_iter().map(|object| (object.name_any(), object)));
    Ok(list.metadata.resource_version.unwrap_or_default())
}

fn with(mut params: WatchParams, selection: &Selection) -> WatchParams {
    if !selection.labels.is_empty() {
        params = params.labels(&selection.labels);
    }
    if !selection.fields.is_empty() {
        params = params.fields(&selection.fields);
    }
    params
}

fn values<K: Clone>(set: &BTreeMap<String, K>) -> Vec<K> {
    set.values().cloned().collect()
}

fn is_final(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if (400..500).contains(&status.code) && ![410, 429].contains(&status.code))
}
