//! From kubeconfig and flags to a client, a context's name and a namespace.

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use tokio::time::{self, Duration};

use super::client::{self, Upkeep};
use super::kubeconfig::Source;
use super::names::PROTECTED;
use crate::args::ClusterArgs;
use crate::error::{Exit, Failure};
use crate::output::Output;

/// Longest wait for an answer that is not needed.
const ANSWER: Duration = Duration::from_secs(5);

/// A cluster, and the namespace in it that a command is about.
#[derive(Clone)]
pub struct Cluster {
    /// Talks to the API server.
    pub client: Client,
    /// Of `client`.
    pub upkeep: Upkeep,
    /// Name of the kubeconfig context, or `in-cluster`.
    pub context: String,
    /// From `-n`, else the context's, else `default`.
    pub namespace: String,
}

impl Cluster {
    /// Finds the cluster as kubectl does; see [`Source::find`].
    ///
    /// # Errors
    /// A kubeconfig that is missing or invalid, a context that is not in it, or a login that fails.
    pub async fn connect(args: &ClusterArgs) -> Result<Self, Failure> {
        let (source, config) = Source::find(args).await?;
        let context = source.context().to_owned();
        let namespace = args.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let (client, upkeep) = client::client(source, config).await?;
        Ok(Self { client, upkeep, context, namespace })
    }

    /// Says where the command will act, before it does.
    pub fn announce(&self, output: &Output) {
        output.say(&format!("context: {}, namespace: {}", self.context, self.namespace));
    }

    /// Refuses protected contexts and namespaces, before anything is changed.
    ///
    /// # Errors
    /// The context matches `$DEVBRIDGE_PROTECTED_CONTEXTS` (globs, separated by commas) and `--yes` was not
    /// given, or the namespace is labelled `devbridge.dev/protected`, or does not exist.
    pub async fn check_protected(&self, yes: bool) -> Result<(), Failure> {
        let globs = std::env::var("DEVBRIDGE_PROTECTED_CONTEXTS").unwrap_or_default();
        if let Some(glob) = protecting(&globs, &self.context)
            && !yes
        {
            return Err(Failure::new(
                "DB-PROTECTED-001",
                Exit::Usage,
                format!("context {} is protected", self.context),
            )
            .why(format!("it matches `{glob}` in DEVBRIDGE_PROTECTED_CONTEXTS"))
            .fix("add --yes if you mean this cluster"));
        }
        match Api::<Namespace>::all(self.client.clone()).get_opt(&self.namespace).await {
            Ok(None) => Err(Failure::new(
                "DB-TARGET-005",
                Exit::Target,
                format!("no namespace `{}` in context {}", self.namespace, self.context),
            )
            .fix("name another with -n, or another cluster with --context")),
            Ok(Some(namespace)) if labelled_protected(&namespace) => Err(Failure::new(
                "DB-PROTECTED-002",
                Exit::Rights,
                format!("namespace {} is protected", self.namespace),
            )
            .why(format!("it has the label {PROTECTED}"))
            .fix("work in another namespace; who may change this label decides otherwise")),
            Ok(Some(_)) => Ok(()),
            // Who may not read namespaces may still work in one; the rest of preflight tells.
            Err(kube::Error::Api(status)) if status.code == 403 => Ok(()),
            Err(error) => Err(super::api::ApiError {
                doing: format!("read namespace {}", self.namespace),
                source: Box::new(error),
            }
            .into()),
        }
    }

    /// Whether the namespace is gone or about to go; not when that can't be known.
    pub async fn namespace_gone(&self) -> bool {
        let namespaces = Api::<Namespace>::all(self.client.clone());
        let asked = time::timeout(ANSWER, namespaces.get_metadata_opt(&self.namespace)).await;
        let Ok(Ok(found)) = asked else { return false };
        found.is_none_or(|namespace| namespace.metadata.deletion_timestamp.is_some())
    }

    /// Objects of one kind in the command's namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }
}

fn labelled_protected(namespace: &Namespace) -> bool {
    let label = namespace.metadata.labels.as_ref().and_then(|labels| labels.get(PROTECTED));
    label.is_some_and(|value| value != "false")
}

/// The first of the comma-separated `globs` that matches `context`.
fn protecting<'a>(globs: &'a str, context: &str) -> Option<&'a str> {
    globs
        .split(',')
        .map(str::trim)
        .find(|glob| !glob.is_empty() && wildmatch::WildMatch::new(glob).matches(context))
}

#[cfg(test)]
mod tests {
    use super::protecting;

    #[test]
    fn protected_contexts_are_globs() {
        assert_eq!(protecting("*prod*, staging-?", "eu-prod-1"), Some("*prod*"));
        assert_eq!(protecting("*prod*, staging-?", "staging-2"), Some("staging-?"));
        assert_eq!(protecting("*prod*", "kind-dev"), None);
        assert_eq!(protecting("", "kind-dev"), None);
    }
}
