//! Where a cluster is, and who its user is: the kubeconfig, as kubectl finds it.

use std::path::PathBuf;

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};

use crate::args::ClusterArgs;
use crate::error::{Exit, Failure, chain};

/// Where the configuration came from, to read it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A kubeconfig.
    File {
        /// Of `--kubeconfig`; none: `$KUBECONFIG` (several files are merged), else `~/.kube/config`.
        path: Option<PathBuf>,
        /// Name of the context; stays, whatever becomes the current one of the file.
        context: String,
    },
    /// The service account of the pod that devbridge runs in.
    Pod,
}

impl Source {
    /// Reads `--kubeconfig`, `$KUBECONFIG`, `~/.kube/config` or the pod's own service account, in this order.
    ///
    /// # Errors
    /// A kubeconfig that is missing or invalid, or a context that is not in it.
    pub async fn find(args: &ClusterArgs) -> Result<(Self, Config), Failure> {
        let kubeconfig = match read(args.kubeconfig.as_ref()) {
            Ok(kubeconfig) => kubeconfig,
            // Inside a pod there is no kubeconfig, and none is needed.
            Err(error) => match Config::incluster() {
                Ok(config) if args.kubeconfig.is_none() && args.context.is_none() => {
                    return Ok((Self::Pod, config));
                }
                _ => {
                    return Err(invalid("cannot read the kubeconfig", &error)
                        .fix("name the file with --kubeconfig, or set KUBECONFIG"));
                }
            },
        };
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
            return Err(Failure::new("DB-CONFIG-003", Exit::Config, format!("no context `{context}`"))
                .why(known(&kubeconfig))
                .fix("choose one of them with --context"));
        }
        let config = of_context(kubeconfig, &context)
            .await
            .map_err(|error| invalid("cannot use the kubeconfig", &error))?;
        Ok((Self::File { path: args.kubeconfig.clone(), context }, config))
    }

    /// What is written there now.
    ///
    /// # Errors
    /// The kubeconfig can't be read any more, or does not have the context any more.
    pub async fn config(&self) -> Result<Config, Box<dyn std::error::Error + Send + Sync>> {
        Ok(match self {
            Self::File { path, context } => of_context(read(path.as_ref())?, context).await?,
            Self::Pod => Config::incluster()?,
        })
    }

    /// Name of the kubeconfig context, or `in-cluster`.
    pub fn context(&self) -> &str {
        match self {
            Self::File { context, .. } => context,
            Self::Pod => "in-cluster",
        }
    }
}

fn read(path: Option<&PathBuf>) -> Result<Kubeconfig, KubeconfigError> {
    path.map_or_else(Kubeconfig::read, Kubeconfig::read_from)
}

async fn of_context(kubeconfig: Kubeconfig, context: &str) -> Result<Config, KubeconfigError> {
    let options = KubeConfigOptions { context: Some(context.into()), ..KubeConfigOptions::default() };
    Config::from_custom_kubeconfig(kubeconfig, &options).await
}

pub(super) fn invalid(what: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new("DB-CONFIG-001", Exit::Config, what).why(chain(error)).fix("devbridge doctor")
}

fn known(kubeconfig: &Kubeconfig) -> String {
    let names: Vec<_> = kubeconfig.contexts.iter().map(|context| context.name.as_str()).collect();
    if names.is_empty() { "it has no contexts".into() } else { format!("it has: {}", names.join(", ")) }
}
