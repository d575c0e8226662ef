//! The record: a Lease that is the lock of a target, the owner of everything made for it, and the story of the
//! session for anybody who looks (`kubectl get leases -l devbridge.dev/target`).
//!
//! Its name is fixed by the target, so the API server decides who wins. It is renewed while the session lives,
//! and by deleting it everything that it owns goes away, by Kubernetes' own garbage collector.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, OwnerReference};
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use serde_json::json;

use super::Cluster;
use super::api::{ApiError, Doing};
use super::key;
use super::names::{AGENT, DEVBRIDGE, MANAGED_BY, MANAGER, TARGET};
use super::target::Target;
use crate::error::{Exit, Failure};

/// How often the record is renewed.
pub const RENEW: Duration = Duration::from_secs(5);
/// A record that did not change for so long, as the observer saw it by its own clock, belongs to nobody.
pub const TTL: Duration = Duration::from_secs(15);

const SESSION: &str = "devbridge.dev/session";
const MODE: &str = "devbridge.dev/mode";
const KIND: &str = "devbridge.dev/workload";
const SERVICES: &str = "devbridge.dev/services";
const UNDO: &str = "devbridge.dev/undo";
const VERSION: &str = "devbridge.dev/version";
const TAKEN_BY: &str = "devbridge.dev/taken-by";

/// Who holds a target; read from its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Namespace of the record.
    pub namespace: String,
    /// Name of the Lease.
    pub record: String,
    /// Tells the record from a later one of the same name.
    pub uid: String,
    /// `deployment/web`
    pub target: String,
    /// `alice@laptop`
    pub who: String,
    /// Session id.
    pub session: String,
    /// `swap`
    pub mode: String,
    /// The swapped Services.
    pub services: Vec<String>,
    /// When the session began.
    pub since: Option<Timestamp>,
    /// When it was last renewed, by its holder's clock.
    pub renewed: Option<Timestamp>,
}

/// A record that is ours.
#[derive(Debug, Clone)]
pub struct Record {
    name: String,
    uid: String,
}

/// Why there is no record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Somebody has it.
    #[error("{} is held by {}", .0.target, .0.who)]
    Held(Box<Holder>),
    /// The API server refused.
    #[error(transparent)]
    Api(#[from] ApiError),
}

impl From<RecordError> for Failure {
    fn from(error: RecordError) -> Self {
        let what = error.to_string();
        let holder = match error {
            RecordError::Held(holder) => holder,
            RecordError::Api(error) => return error.into(),
        };
        let name = holder.target.rsplit('/').next().unwrap_or_default().to_owned();
        let since = ago(holder.since);
        let renewed = ago(holder.renewed);
        Self::new("DB-HELD-001", Exit::Held, what)
            .why(format!("since {since}, last sign of life {renewed} (session {})", holder.session))
            .fix(format!("ask {} to leave", holder.who))
            .fix(format!("end that session from here: devbridge leave {name} -n {}", holder.namespace))
            .fix("take its place: the same command with --takeover; its holder is told who did")
    }
}

/// "3 min ago"; by this laptop's clock, for people only.
pub fn ago(time: Option<Timestamp>) -> String {
    let Some(time) = time else { return "an unknown time".into() };
    let seconds = Timestamp::now().as_second().saturating_sub(time.as_second());
    match seconds {
        i64::MIN..=0 => "just now".into(),
        1..=119 => format!("{seconds} s ago"),
        120..=7199 => format!("{} min ago", seconds / 60),
        _ => format!("{} h ago", seconds / 3600),
    }
}

impl Record {
    /// Takes the lock of `target`.
    ///
    /// # Flow
    /// One `create`. The name is fixed, so of any number of laptops one wins.
    ///
    /// # Guarantees
    /// Nothing else of the cluster is changed. After an error nothing of ours is there.
    ///
    /// # Caveats
    /// Must not be dropped while it runs: the Lease may exist although nobody knows. The caller awaits it to
    /// its end, also when it was asked to stop meanwhile.
    ///
    /// # Errors
    /// [`RecordError::Held`] with the holder; the API server's refusal otherwise.
    pub async fn take(
        cluster: &Cluster,
        target: &Target,
        session: &str,
        who: &str,
    ) -> Result<Self, RecordError> {
        let api = cluster.api::<Lease>();
        let name = &target.names.record;
        let lease = lease(&cluster.namespace, target, session, who);
        let params = PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() };
        match api.create(&params, &lease).await.doing(|| format!("create Lease {name}")) {
            Ok(lease) => Ok(Self { name: name.clone(), uid: lease.uid().unwrap_or_default() }),
            Err(error) if error.is_conflict() => {
                let there = api.get_opt(name).await.doing(|| format!("read Lease {name}"))?;
                // Gone between the two requests: the message of the first still says what happened.
                let Some(there) = there else { return Err(error.into()) };
                Err(RecordError::Held(Box::new(Holder::read(&there))))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What makes an object go away with this record.
    pub fn owner(&self) -> OwnerReference {
        OwnerReference {
            api_version: "coordination.k8s.io/v1".into(),
            kind: "Lease".into(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: None,
            block_owner_deletion: None,
        }
    }

    /// Name of the Lease.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells this record from a later one of the same name.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// Whether `lease` is this record, and not a later one of the same name.
    pub fn is(&self, lease: &Lease) -> bool {
        lease.uid().as_deref() == Some(&self.uid)
    }

    /// Whether somebody else holds the target by now. That nobody does is no.
    ///
    /// # Errors
    /// The API server can't be reached or refuses.
    pub async fn is_anothers(&self, cluster: &Cluster) -> Result<bool, ApiError> {
        let there = cluster.api::<Lease>().get_opt(&self.name).await;
        let there = there.doing(|| format!("read Lease {}", self.name))?;
        Ok(there.is_some_and(|lease| !self.is(&lease)))
    }

    /// Tells everybody that the session lives.
    ///
    /// # Errors
    /// 404 or 422 when the record is gone or another's: the session was ended by somebody.
    pub async fn renew(&self, cluster: &Cluster) -> Result<(), ApiError> {
        let now = serde_json::to_value(MicroTime(Timestamp::now())).unwrap_or_default();
        let patch = Patch::Merge(json!({"metadata": {"uid": self.uid}, "spec": {"renewTime": now}}));
        let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
        let patched = cluster.api::<Lease>().patch(&self.name, &params, &patch).await;
        patched.doing(|| format!("renew Lease {}", self.name)).map(drop)
    }

    /// Deletes the record, and with it all that it owns. Safe to repeat.
    ///
    /// # Errors
    /// The API server can't be reached or refuses.
    pub async fn delete(&self, cluster: &Cluster) -> Result<(), ApiError> {
        delete(cluster, &self.name, Some(&self.uid)).await
    }
}

/// Writes into the record of `holder` who takes its place, so that its session can say so when it ends.
///
/// # Errors
/// The API server can't be reached or refuses; that the record is gone already is no error.
pub async fn hand_over(cluster: &Cluster, holder: &Holder, to: &str) -> Result<(), ApiError> {
    let metadata = json!({"uid": holder.uid, "annotations": {TAKEN_BY: to}});
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    let patch = Patch::Merge(json!({"metadata": metadata}));
    let patched = cluster.api::<Lease>().patch(&holder.record, &params, &patch).await;
    match patched.doing(|| format!("write into Lease {}", holder.record)) {
        Err(error) if error.is_not_found() || error.is_conflict() => Ok(()),
        patched => patched.map(drop),
    }
}

/// Who took the place of this record's session, if somebody did.
pub fn taken_by(lease: &Lease) -> Option<String> {
    lease.annotations().get(TAKEN_BY).cloned()
}

/// Deletes a record by name; with `uid`, only that one and not a later one of the same name. Its dependents are
/// removed in the background, so that the agent drains while the caller goes on.
///
/// # Errors
/// The API server can't be reached or refuses; that it is gone already is no error.
pub async fn delete(cluster: &Cluster, name: &str, uid: Option<&str>) -> Result<(), ApiError> {
    let mut params = DeleteParams::background();
    if let Some(uid) = uid {
        params = params.preconditions(Preconditions { uid: Some(uid.into()), resource_version: None });
    }
    let deleted = cluster.api::<Lease>().delete(name, &params).await.doing(|| format!("delete Lease {name}"));
    match deleted {
        Err(error) if error.is_not_found() || error.is_conflict() => Ok(()),
        deleted => deleted.map(drop),
    }
}

fn lease(namespace: &str, target: &Target, session: &str, who: &str) -> Lease {
    let now = MicroTime(Timestamp::now());
    let services: Vec<_> = target.services.iter().map(|service| service.name.as_str()).collect();
    let mut undo: Vec<_> = services.iter().map(|service| key::undo_line(namespace, service)).collect();
    // Says nothing and does no harm where nothing was paused.
    let pausable = target
        .services
        .iter()
        .filter(|service| service.reverted_by.as_ref().is_some_and(super::gitops::Manager::can_be_paused));
    undo.extend(pausable.map(|service| key::resume_line(namespace, &service.name)));
    undo.push(format!("kubectl -n {namespace} delete lease {}", target.names.record));
    let annotations = BTreeMap::from([
        (SESSION.into(), session.into()),
        (MODE.into(), "swap".into()),
        (KIND.into(), target.display()),
        (SERVICES.into(), services.join(",")),
        (UNDO.into(), undo.join("\n")),
        (VERSION.into(), env!("CARGO_PKG_VERSION").into()),
        // By this the keeper knows which keys belong to a record.
        (AGENT.into(), target.names.agent.clone()),
    ]);
    Lease {
        metadata: ObjectMeta {
            name: Some(target.names.record.clone()),
            labels: Some(BTreeMap::from([
                (MANAGED_BY.into(), DEVBRIDGE.into()),
                (TARGET.into(), target.names.target.clone()),
            ])),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(who.into()),
            lease_duration_seconds: i32::try_from(TTL.as_secs()).ok(),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            ..LeaseSpec::default()
        }),
    }
}

impl Holder {
    /// What a record says. Records are written by people's laptops, so nothing in them is trusted: missing
    /// parts become empty words.
    pub fn read(lease: &Lease) -> Self {
        let annotation = |key: &str| lease.annotations().get(key).cloned().unwrap_or_default();
        let spec = lease.spec.clone().unwrap_or_default();
        let split =
            |text: String| text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let unknown = || "somebody unknown".to_owned();
        Self {
            namespace: lease.namespace().unwrap_or_default(),
            record: lease.name_any(),
            uid: lease.uid().unwrap_or_default(),
            target: Some(annotation(KIND))
                .filter(|kind| !kind.is_empty())
                .unwrap_or_else(|| lease.name_any()),
            who: spec.holder_identity.filter(|who| !who.is_empty()).unwrap_or_else(unknown),
            session: annotation(SESSION),
            mode: annotation(MODE),
            services: split(annotation(SERVICES)),
            since: spec.acquire_time.map(|time| time.0),
            renewed: spec.renew_time.map(|time| time.0),
        }
    }
}
