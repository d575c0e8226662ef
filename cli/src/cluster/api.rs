//! Errors of the Kubernetes API, in the words of what was being done.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use kube::api::PostParams;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Cluster;
use super::client::no_login;
use super::names::MANAGER;
use crate::error::{Exit, Failure, chain};

/// An object of a namespace, of a kind that is known when this is compiled.
pub trait Namespaced:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Serialize + Debug
{
}

impl<K> Namespaced for K where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Serialize
        + Debug
{
}

/// Makes an object in the namespace, in our name.
///
/// # Errors
/// The API server can't be reached or refuses; 409 when there is one of this name.
pub async fn create<K: Namespaced>(cluster: &Cluster, object: &K) -> Result<K, ApiError> {
    let params = PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() };
    let created = cluster.api::<K>().create(&params, object).await;
    created.doing(|| format!("create {} {}", K::kind(&()), object.name_any()))
}

/// A request to the API server failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}")]
pub struct ApiError {
    /// What was being done: "read deployment web".
    pub doing: String,
    /// The client's error.
    #[source]
    pub source: Box<kube::Error>,
}

/// Adds what was being done to the client's error.
pub trait Doing<T> {
    /// `doing` reads after "cannot".
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T, ApiError>;
}

impl<T> Doing<T> for Result<T, kube::Error> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T, ApiError> {
        self.map_err(|source| ApiError { doing: doing(), source: Box::new(source) })
    }
}

impl ApiError {
    /// The HTTP status of the answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        match &*self.source {
            kube::Error::Api(status) => Some(status.code),
            _ => None,
        }
    }

    /// The object does not exist.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }

    /// The object exists already, or has changed since it was read.
    pub fn is_conflict(&self) -> bool {
        self.status() == Some(409)
    }

    /// The cluster does not accept this user's credentials (any more), and a login did not change that.
    pub fn is_no_login(&self) -> bool {
        no_login(&self.source)
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let what = error.to_string();
        let kube::Error::Api(status) = &*error.source else {
            if error.is_no_login() {
                return Self::new("DB-CLUSTER-002", Exit::Cluster, what)
                    .why(reason(&error.source))
                    .fix("log in again, or choose another context with --context");
            }
            return Self::new("DB-CLUSTER-001", Exit::Cluster, what)
                .why(reason(&error.source))
                .fix("check that the cluster is up and the context is right: kubectl get --raw /readyz")
                .fix("devbridge doctor");
        };
        let why = status.message.clone();
        match status.code {
            401 => Self::new("DB-CLUSTER-002", Exit::Cluster, what)
                .why(if why.is_empty() {
                    "the cluster does not accept these credentials".into()
                } else {
                    why
                })
                .fix("log in again, or choose another context with --context"),
            403 if why.contains("violates PodSecurity") => {
                Self::new("DB-POLICY-001", Exit::Rights, what).why(why)
            }
            403 => Self::new("DB-RIGHTS-001", Exit::Rights, what)
                .why(why)
                .fix("ask for the built-in role `edit` in this namespace")
                .fix("devbridge doctor"),
            // It can't now, but may later.
            429 | 500.. => Self::new("DB-CLUSTER-003", Exit::Cluster, what).why(why),
            _ => Self::new("DB-CLUSTER-003", Exit::Failure, what).why(why),
        }
    }
}

/// The innermost cause is the one that says something: "connection refused".
fn reason(error: &kube::Error) -> String {
    chain(error).trim_start_matches("ServiceError: ").to_owned()
}
