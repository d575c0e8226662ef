//! The env path: what the agent's container would have given to the target's process.

use std::{ffi::OsString, io, os::unix::ffi::OsStringExt as _, path::Path};

use tokio::{fs::File, io::AsyncReadExt as _};
use tracing::warn;
use tunnel::message::Env;

use crate::config;

/// Longest `resolv.conf` or `hosts` that is passed on.
const FILE_LIMIT: u64 = 1 << 20;

/// Answers a question for the environment with `variables` minus devbridge's own, and the pod's files below
/// `etc`. A file that can't be read is empty: some images have none.
pub(crate) async fn collect(variables: Vec<(OsString, OsString)>, etc: &Path) -> Env {
    let own = |name: &OsString| config::VARIABLES.iter().any(|variable| name == variable);
    Env {
        variables: variables
            .into_iter()
            .filter(|(name, _)| !own(name))
            .map(|(name, value)| (name.into_vec(), value.into_vec()))
            .collect(),
        resolv_conf: file(&etc.join("resolv.conf")).await,
        hosts: file(&etc.join("hosts")).await,
    }
}

async fn file(path: &Path) -> Vec<u8> {
    match read(path).await {
        Ok(bytes) => bytes,
        Err(error) => {
            warn!(path = %path.display(), %error, "cannot read a file of the pod");
            Vec::new()
        }
    }
}

async fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).await?.take(FILE_LIMIT).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn devbridge_s_own_variables_are_left_out() {
        let variables =
            [("PATH", "/bin"), (config::LISTEN, "80"), ("DEVBRIDGE_OF_SOMEBODY", "kept"), ("EMPTY", "")];
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        let env = collect(variables.into(), Path::new("/nonexistent")).await;
        let names: Vec<_> = env.variables.iter().map(|(name, _)| String::from_utf8_lossy(name)).collect();
        assert_eq!(names, ["PATH", "DEVBRIDGE_OF_SOMEBODY", "EMPTY"]);
        assert!(env.resolv_conf.is_empty() && env.hosts.is_empty());
    }

    #[tokio::test]
    async fn the_pod_s_files_are_passed_on_unchanged() {
        let env = collect(Vec::new(), Path::new("/etc")).await;
        assert_eq!(env.hosts, std::fs::read("/etc/hosts").unwrap_or_default());
    }
}
