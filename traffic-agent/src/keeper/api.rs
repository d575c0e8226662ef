//! The few requests that the keeper makes, for one namespace.

use std::{collections::BTreeMap, io, time::Duration};

use serde_json::{Value, json};
use tokio::{sync::watch, time};
use tracing::debug;

use super::{
    http::Answer,
    objects::{Exactly, without_key},
    server::{Connection, Server},
};

/// Longest time for one request and its answer.
const DEADLINE: Duration = Duration::from_secs(3);
/// Longest answer: a page of objects.
const ANSWER: usize = 16 << 20;
/// Objects on a page.
const PAGE: u32 = 50;
/// Longest line of a watch: one object, which etcd bounds to 1.5 MiB.
const LINE: usize = 4 << 20;
/// The API server ends a watch after so many seconds, so that one whose connection broke silently is noticed.
const WATCH: u64 = 60;
/// Pause before an object set is read anew.
const PAUSE: Duration = Duration::from_millis(500);

/// The keeper's namespace at the API server.
pub(super) struct Api {
    server: Server,
    namespace: String,
}

/// A request was not granted.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// No answer, or one that is cut or no HTTP.
    #[error("no answer from the API server")]
    Connection(#[from] io::Error),
    /// It took too long.
    #[error("no answer from the API server in time")]
    Slow,
    /// The API server says no.
    #[error("the API server answers {0}: {1}")]
    Refused(u16, String),
    /// The answer is not what was asked for.
    #[error("the API server's answer is not understood")]
    Malformed(#[from] serde_json::Error),
}

impl ApiError {
    /// Gone or changed meanwhile: somebody else was faster, and what was wanted may be true.
    pub(super) fn is_outrun(&self) -> bool {
        matches!(self, Self::Refused(400 | 404 | 409 | 422, _))
    }
}

/// A kind of objects: `""` or `apps/v1`, and the plural.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind(pub(super) &'static str, pub(super) &'static str);

pub(super) const LEASES: Kind = Kind("apis/coordination.k8s.io/v1", "leases");
pub(super) const SERVICES: Kind = Kind("api/v1", "services");
pub(super) const SLICES: Kind = Kind("apis/discovery.k8s.io/v1", "endpointslices");
pub(super) const PODS: Kind = Kind("api/v1", "pods");
pub(super) const DEPLOYMENTS: Kind = Kind("apis/apps/v1", "deployments");

impl Api {
    pub(super) fn new(server: Server, namespace: String) -> Self {
        Self { server, namespace }
    }

    /// All objects that carry `labels` (an encoded selector, or nothing), and the version of the list.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub(super) async fn list(&self, kind: Kind, labels: &str) -> Result<(Vec<Value>, String), ApiError> {
        let (mut all, mut version, mut more) = (Vec::new(), String::new(), String::new());
        loop {
            let path = format!(
                "{}?limit={PAGE}&labelSelector={labels}&continue={}",
                self.path(kind, ""),
                encoded(&more)
            );
            let mut list: Value = serde_json::from_slice(&self.ask("GET", &path, None).await?)?;
            if let Value::Array(items) = list["items"].take() {
                all.extend(items);
            }
            let text = |key: &str| list["metadata"][key].as_str().unwrap_or_default().to_owned();
            if version.is_empty() {
                version = text("resourceVersion");
            }
            more = text("continue");
            if more.is_empty() {
                return Ok((all, version));
            }
        }
    }

    /// One object.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub(super) async fn get(&self, kind: Kind, name: &str) -> Result<Value, ApiError> {
        Ok(serde_json::from_slice(&self.ask("GET", &self.path(kind, name), None).await?)?)
    }

    /// Takes our key with this value off a Service, and the pause of Flux that came with it: a JSON patch whose `test`s fail
    /// when they have other values.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub(super) async fn take_key(&self, service: &str, agent: &str) -> Result<(), ApiError> {
        let live = self.get(SERVICES, service).await?;
        let patch = Value::Array(without_key(&live, agent)).to_string();
        let body = Some(("application/json-patch+json", patch.as_bytes()));
        let at = format!("{}?fieldManager=devbridge-keeper", self.path(SERVICES, service));
        self.ask("PATCH", &at, body).await.map(drop)
    }

    /// Deletes exactly this object, if it still is as it was seen. What it owns goes with it, in the background.
    ///
    /// # Errors
    /// See [`ApiError`]; a conflict when it has changed.
    pub(super) async fn delete(&self, kind: Kind, seen: &Exactly) -> Result<(), ApiError> {
        let options = json!({
            "propagationPolicy": "Background",
            "preconditions": {"uid": seen.uid, "resourceVersion": seen.version},
        })
        .to_string();
        let body = Some(("application/json", options.as_bytes()));
        self.ask("DELETE", &self.path(kind, &seen.name), body).await.map(drop)
    }

    /// Deletes the pod of this name if it is this one, whatever has changed of it: the status of a pod always does.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub(super) async fn delete_pod(&self, name: &str, uid: &str) -> Result<(), ApiError> {
        let options = json!({"preconditions": {"uid": uid}}).to_string();
        let body = Some(("application/json", options.as_bytes()));
        self.ask("DELETE", &self.path(PODS, name), body).await.map(drop)
    }

    /// Keeps `set` equal to all objects of a kind, as far as `read` takes them, under their names. Ends when nobody reads
    /// `set` any more; starts anew when `anew` changes. Cancel safe.
    pub(super) async fn follow<V>(
        &self,
        kind: Kind,
        read: impl Fn(&Value) -> Option<V>,
        set: watch::Sender<Option<BTreeMap<String, V>>>,
        mut anew: watch::Receiver<u64>,
    ) {
        while !set.is_closed() {
            tokio::select! {
                ended = self.follow_once(kind, &read, &set) => {
                    if let Err(error) = ended {
                        debug!(%error, kind = kind.1, "reading anew");
                        time::sleep(PAUSE).await;
                    }
                }
                changed = anew.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn follow_once<V>(
        &self,
        kind: Kind,
        read: impl Fn(&Value) -> Option<V>,
        set: &watch::Sender<Option<BTreeMap<String, V>>>,
    ) -> Result<(), ApiError> {
        let (all, version) = self.list(kind, "").await?;
        let first = all.iter().filter_map(|object| Some((name_of(object), read(object)?)));
        set.send_replace(Some(first.collect()));
        let path =
            format!("{}?watch=1&timeoutSeconds={WATCH}&resourceVersion={version}", self.path(kind, ""));
        let mut answer = self.begin("GET", &path, None).await?;
        if answer.status != 200 {
            return Err(refused(&mut answer).await);
        }
        let mut lines = Vec::new();
        loop {
            let more = time::timeout(Duration::from_secs(WATCH) + DEADLINE, answer.more(&mut lines)).await;
            let more = more.map_err(|_| ApiError::Slow)??;
            while let Some(end) = lines.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = lines.drain(..=end).collect();
                let event: Value = serde_json::from_slice(&line)?;
                let object = &event["object"];
                let name = name_of(object);
                let value = match event["type"].as_str() {
                    Some("ADDED" | "MODIFIED") => read(object),
                    Some("DELETED") => None,
                    // "Too old", usually.
                    _ => {
                        let why = object["message"].as_str().unwrap_or_default();
                        return Err(ApiError::Refused(410, why.to_owned()));
                    }
                };
                set.send_modify(|set| {
                    let set = set.get_or_insert_default();
                    match value {
                        Some(value) => drop(set.insert(name, value)),
                        None => drop(set.remove(&name)),
                    }
                });
            }
            if lines.len() > LINE {
                return Err(io::Error::other("an object is too long").into());
            }
            if !more {
                return Ok(());
            }
        }
    }

    async fn ask(&self, method: &str, path: &str, body: Option<(&str, &[u8])>) -> Result<Vec<u8>, ApiError> {
        let asking = async {
            let mut answer = self.server.send(method, path, body).await?;
            if answer.status / 100 == 2 {
                Ok(answer.all(ANSWER).await?)
            } else {
                Err(refused(&mut answer).await)
            }
        };
        time::timeout(DEADLINE, asking).await.map_err(|_| ApiError::Slow)?
    }

    async fn begin(
        &self,
        method: &str,
        path: &str,
        body: Option<(&str, &[u8])>,
    ) -> Result<Answer<Connection>, ApiError> {
        let sending = self.server.send(method, path, body);
        Ok(time::timeout(DEADLINE, sending).await.map_err(|_| ApiError::Slow)??)
    }

    fn path(&self, Kind(group, plural): Kind, name: &str) -> String {
        let slash = if name.is_empty() { "" } else { "/" };
        format!("/{group}/namespaces/{}/{plural}{slash}{name}", self.namespace)
    }
}

/// The API server's own words.
async fn refused(answer: &mut Answer<Connection>) -> ApiError {
    let body = answer.all(ANSWER).await.unwrap_or_default();
    let status: Value = serde_json::from_slice(&body).unwrap_or_default();
    ApiError::Refused(answer.status, status["message"].as_str().unwrap_or_default().to_owned())
}

fn name_of(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

/// For a query: all but letters and digits as `%XX`.
pub(super) fn encoded(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}
