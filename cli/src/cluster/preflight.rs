//! What would fail, told before anything is made: the user's rights, and a server-side dry run of every object,
//! the agent's Pod included, which asks Pod Security, quotas and admission webhooks.

use futures::future::try_join_all;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::api::{Api, PostParams};

use super::Cluster;
use super::api::{ApiError, Doing, Namespaced};
use super::names::MANAGER;
use super::objects::Objects;
use crate::error::{Exit, Failure};

/// Verb, API group, resource, subresource.
pub type Right = (&'static str, &'static str, &'static str, &'static str);

/// What a swap needs; all of it is in the built-in role `edit`.
pub const RIGHTS: &[Right] = &[
    ("list", "apps", "deployments", ""),
    ("create", "apps", "deployments", ""),
    ("delete", "apps", "deployments", ""),
    ("list", "", "services", ""),
    ("create", "", "services", ""),
    ("patch", "", "services", ""),
    ("delete", "", "services", ""),
    ("create", "", "secrets", ""),
    ("delete", "", "secrets", ""),
    ("get", "", "configmaps", ""),
    ("create", "", "configmaps", ""),
    ("patch", "", "configmaps", ""),
    ("get", "coordination.k8s.io", "leases", ""),
    ("create", "coordination.k8s.io", "leases", ""),
    ("patch", "coordination.k8s.io", "leases", ""),
    ("delete", "coordination.k8s.io", "leases", ""),
    ("list", "discovery.k8s.io", "endpointslices", ""),
    ("watch", "", "pods", ""),
    ("create", "", "pods", "portforward"),
];

/// The rights in [`RIGHTS`] that the user lacks, as `create pods/portforward`.
///
/// # Errors
/// The API server can't be reached.
pub async fn missing_rights(cluster: &Cluster) -> Result<Vec<String>, ApiError> {
    lacking(cluster, RIGHTS).await
}

/// The `rights` that the user lacks, as `create pods/portforward`.
///
/// # Errors
/// The API server can't be reached.
pub async fn lacking(cluster: &Cluster, rights: &[Right]) -> Result<Vec<String>, ApiError> {
    let reviews = rights.iter().map(async |right| {
        let allowed = allowed(cluster, *right).await?;
        Ok::<_, ApiError>((right, allowed))
    });
    let reviews = try_join_all(reviews).await?;
    let missing = reviews.into_iter().filter(|(_, allowed)| !allowed);
    Ok(missing
        .map(|((verb, _, resource, sub), _)| {
            let slash = if sub.is_empty() { "" } else { "/" };
            format!("{verb} {resource}{slash}{sub}")
        })
        .collect())
}

async fn allowed(cluster: &Cluster, (verb, group, resource, sub): Right) -> Result<bool, ApiError> {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                namespace: Some(cluster.namespace.clone()),
                verb: some(verb),
                group: some(group),
                resource: some(resource),
                subresource: some(sub),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let api = Api::<SelfSubjectAccessReview>::all(cluster.client.clone());
    let review =
        api.create(&PostParams::default(), &review).await.doing(|| "ask for access reviews".into())?;
    Ok(review.status.is_some_and(|status| status.allowed))
}

/// Asks for everything and makes nothing.
///
/// # Errors
/// What would have failed, with the API server's own words.
pub async fn check(cluster: &Cluster, objects: &Objects, parts: &[ConfigMap]) -> Result<(), Failure> {
    let template = objects.deployment.spec.template.clone();
    let pod = Pod {
        metadata: ObjectMeta {
            name: Some(format!("{}-preflight", objects.deployment.name_any())),
            ..template.metadata.unwrap_or_default()
        },
        spec: template.spec,
        ..Pod::default()
    };
    let rights = async {
        let missing = missing_rights(cluster).await?;
        if missing.is_empty() {
            return Ok(());
        }
        Err(Failure::new(
            "DB-RIGHTS-002",
            Exit::Rights,
            format!("you lack rights in namespace {}", cluster.namespace),
        )
        .why(format!("not allowed: {}", missing.join(", ")))
        .fix("ask for the built-in role `edit` in this namespace"))
    };
    let dry = async {
        tokio::try_join!(
            dry_run(cluster, &objects.secret),
            dry_run(cluster, &objects.origin),
            dry_run(cluster, &objects.agents),
            dry_run(cluster, &objects.deployment),
            dry_run(cluster, &pod),
            try_join_all(parts.iter().take(1).map(|part| dry_run(cluster, part))),
        )?;
        Ok::<_, Failure>(())
    };
    // Missing rights first: they explain what the dry run would only repeat.
    let (rights, dry) = tokio::join!(rights, dry);
    rights.and(dry)
}

/// Asks for one object and makes nothing.
///
/// # Errors
/// What would have failed.
pub async fn dry_run<K: Namespaced>(cluster: &Cluster, object: &K) -> Result<(), ApiError> {
    let params = PostParams { dry_run: true, field_manager: Some(MANAGER.into()) };
    let (kind, name) = (K::kind(&()).into_owned(), object.name_any());
    match cluster.api::<K>().create(&params, object).await.doing(|| format!("create {kind} {name} (dry run)"))
    {
        // Left by a session that died: replaced when its turn comes.
        Err(error) if error.is_conflict() => Ok(()),
        answer => answer.map(drop),
    }
}
