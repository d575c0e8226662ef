//! From kubeconfig and flags to a client, a context's name and a namespace.

use k8s_openapi::api::core::v1::Namespace;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use tokio::time::{self, Duration};

use super::names::PROTECTED;
use crate::args::ClusterArgs;
use crate::error::{Exit, Failure, chain};
use crate::output::Output;

/// Longest wait for an answer that is not needed.
const ANSWER: Duration = Duration::from_secs(5);

/// A cluster, and the namespace in it that a command is about.
#[derive(Clone)]
pub struct Cluster {
    /// Talks to the API server.
    pub client: Client,
    /// Name of the kubeconfig context, or `in-cluster`.
    pub context: String,
    /// From `-n`, else the context's, else `default`.
    pub namespace: String,
}

impl Cluster {
    /// Reads the kubeconfig as kubectl does: `--kubeconfig`, `$KUBECONFIG` (several files are merged),
    /// `~/.kube/config`, the pod's own service account.
    ///
    /// # Errors
    /// A kubeconfig that is missing or invalid, or a context that is not in it.
    pub async fn connect(args: &ClusterArgs) -> Result<Self, Failure> {
        let invalid = |what: &str, error: &dyn std::error::Error| {
            Failure::new("DB-CONFIG-001", Exit::Config, what).why(chain(error)).fix("devbridge doctor")
        };
        let kubeconfig = match &args.kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        };
        let options = KubeConfigOptions { context: args.context.clone(), ..KubeConfigOptions::default() };
        let (config, context) = match kubeconfig {
            Ok(kubeconfig) => {
                let context = args.context.clone().or_else(|| kubeconfig.current_context.clone());
                let Some(context) = context.filter(|context| !context.is_empty()) else {
                    return Err(Failure::new(
                        "DB-CONFIG-002",
                        Exit::Config,
                        "the kubeconfig names no current context",
                    )
                    .why(known(&kubeconfig))
                    .fix("choose one with --context"));
                };
                if !kubeconfig.contexts.iter().any(|known| known.name == context) {
                    return Err(Failure::new(
                        "DB-CONFIG-003",
                        Exit::Config,
                        format!("no context `{context}`"),
                    )
                    .why(known(&kubeconfig))
                    .fix("choose one of them with --context"));
                }
                let config = Config::from_custom_kubeconfig(kubeconfig, &options)
                    .await
                    .map_err(|error| invalid("cannot use the kubeconfig", &error))?;
                (config, context)
            }
            // Inside a pod there is no kubeconfig, and none is needed.
            Err(error) => match Config::incluster() {
                Ok(config) if args.kubeconfig.is_none() && args.context.is_none() => {
                    (config, "in-cluster".into())
                }
                _ => {
                    return Err(invalid("cannot read the kubeconfig", &error)
                        .fix("name the file with --kubeconfig, or set KUBECONFIG"));
                }
            },
        };
        let namespace = args.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(|error| invalid("cannot make a client", &error))?;
        Ok(Self { client, context, namespace })
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

fn known(kubeconfig: &Kubeconfig) -> String {
    let names: Vec<_> = kubeconfig.contexts.iter().map(|context| context.name.as_str()).collect();
    if names.is_empty() { "it has no contexts".into() } else { format!("it has: {}", names.join(", ")) }
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
