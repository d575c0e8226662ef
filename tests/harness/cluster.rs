//! The cluster that all tests of a run share: one of our own, or one that is there already.
//!
//! `DEVBRIDGE_TEST_CONTEXT` names a context of the kubeconfig to use instead; the images must be there then.
//!
//! Tests that break nodes or the API server would break them for all others. Such a group of tests gets a cluster of its
//! own, started when the first of them asks for it; its tests run one after the other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::Api;
use crate::faults::Rows;
use crate::run::aside;
use crate::snapshot::Lists;

/// A cluster that answers, and the binaries that tests run on the laptop.
pub struct Cluster {
    api: Api,
    /// The `cluster` part of a kubeconfig, nothing in it but values.
    server: Value,
    lists: Lists,
    instance: Option<Instance>,
    /// Programs where every user can run them.
    programs: Arc<tempfile::TempDir>,
    /// What faults did, of all clusters of the run.
    rows: Arc<Rows>,
    /// The clusters that groups of tests have for themselves.
    own: Mutex<BTreeMap<String, Arc<Self>>>,
    /// Their instances, written down before anything of them exists.
    begun: StdMutex<Vec<Instance>>,
    /// Held by the one test that may break this cluster.
    breaking: Arc<Mutex<()>>,
}

/// The right to break a cluster, until it is dropped.
pub(crate) type Breaking = OwnedMutexGuard<()>;

/// A cluster that this run has started and takes down.
#[derive(Clone)]
struct Instance {
    name: String,
}

/// A step towards a cluster did not work; the text is for people.
pub(crate) type Failed = String;

impl Cluster {
    /// Starts a cluster, or connects to the one that the environment names.
    pub(crate) async fn start() -> Result<Self, Failed> {
        // Both are in the tree; the first wins, as in the product.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let programs = gather_programs().map_err(|error| format!("programs for the laptop: {error}"))?;
        let programs = Arc::new(programs);
        let (kubeconfig, context, instance) = match std::env::var("DEVBRIDGE_TEST_CONTEXT") {
            Ok(context) => (Kubeconfig::read().map_err(|e| e.to_string())?, Some(context), None),
            Err(_) => {
                let instance = Instance { name: format!("test-{}", std::process::id()) };
                match instance.up(1).await {
                    Ok(path) => {
                        (Kubeconfig::read_from(path).map_err(|e| e.to_string())?, None, Some(instance))
                    }
                    Err(error) => {
                        instance.down().await;
                        return Err(error);
                    }
                }
            }
        };
        match connect(kubeconfig, context).await {
            Ok(connected) => Ok(Self::new(connected, instance, programs, Arc::default())),
            Err(error) => {
                if let Some(instance) = instance {
                    instance.down().await;
                }
                Err(error)
            }
        }
    }

    fn new(
        (api, server, lists): Connected,
        instance: Option<Instance>,
        programs: Arc<tempfile::TempDir>,
        rows: Arc<Rows>,
    ) -> Self {
        let own = Mutex::default();
        Self {
            api,
            server,
            lists,
            instance,
            programs,
            rows,
            own,
            begun: StdMutex::default(),
            breaking: Arc::default(),
        }
    }

    /// The cluster of a group of tests, with at least so many nodes that all run, and the right to break it. Waits for the
    /// test that has it now. Started if it is not there.
    pub(crate) async fn own(&self, group: &str, nodes: usize) -> Result<(Arc<Self>, Breaking), Failed> {
        let cluster = {
            let mut own = self.own.lock().await;
            match own.get(group) {
                Some(cluster) => Arc::clone(cluster),
                None => {
                    let cluster = Arc::new(self.start_own(group, nodes).await?);
                    own.insert(group.to_owned(), Arc::clone(&cluster));
                    cluster
                }
            }
        };
        let breaking = aside(Arc::clone(&cluster.breaking).lock_owned()).await;
        cluster.mend(nodes).await?;
        Ok((cluster, breaking))
    }

    async fn start_own(&self, group: &str, nodes: usize) -> Result<Self, Failed> {
        let instance = Instance { name: format!("test-{}-{group}", std::process::id()) };
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).push(instance.clone());
        let kubeconfig = Kubeconfig::read_from(instance.up(nodes).await?).map_err(|e| e.to_string())?;
        let connected = connect(kubeconfig, None).await?;
        Ok(Self::new(connected, Some(instance), Arc::clone(&self.programs), Arc::clone(&self.rows)))
    }

    /// Starts all that was stopped or frozen, and adds what is missing of so many nodes.
    pub(crate) async fn mend(&self, nodes: usize) -> Result<(), Failed> {
        self.command(&["up", "--mend", "--nodes", &nodes.to_string()]).await.map(|_| ())
    }

    /// A command of `tests/cluster` on this cluster; gives what it printed.
    pub(crate) async fn command(&self, args: &[&str]) -> Result<String, Failed> {
        let instance = self.instance.as_ref().ok_or("this run has not started the cluster")?;
        instance.cluster(args).await
    }

    /// Takes down all clusters that this run has started.
    pub(crate) async fn stop(&self) {
        let begun = std::mem::take(&mut *self.begun.lock().unwrap_or_else(PoisonError::into_inner));
        for instance in begun.iter().chain(&self.instance) {
            instance.down().await;
        }
    }

    /// As its administrator.
    pub fn api(&self) -> &Api {
        &self.api
    }

    pub(crate) fn server(&self) -> &Value {
        &self.server
    }

    /// What faults did in this run.
    pub(crate) fn rows(&self) -> &Rows {
        &self.rows
    }

    pub(crate) fn lists(&self) -> &Lists {
        &self.lists
    }

    /// The folder of `devbridge`, `tool` and `shop-catalog`.
    pub(crate) fn programs(&self) -> &Path {
        self.programs.path()
    }
}

/// A cluster that answers: its API, the `cluster` part of a kubeconfig, what can be listed there.
type Connected = (Api, Value, Lists);

async fn connect(kubeconfig: Kubeconfig, context: Option<String>) -> Result<Connected, Failed> {
    let server = server_of(&kubeconfig, context.as_deref())?;
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    let config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|e| e.to_string())?;
    let api = Api::new(kube::Client::try_from(config).map_err(|e| e.to_string())?);
    let lists =
        Lists::discover(&api).await.map_err(|error| format!("the cluster does not answer: {error}"))?;
    Ok((api, server, lists))
}

/// What other users need to reach the same server: files are read, so that it does not matter who may read them.
fn server_of(kubeconfig: &Kubeconfig, context: Option<&str>) -> Result<Value, Failed> {
    let kubeconfig = serde_json::to_value(kubeconfig).map_err(|e| e.to_string())?;
    let find = |list: &str, name: &Value| {
        let list = kubeconfig[list].as_array();
        list.into_iter().flatten().find(|entry| entry["name"] == *name).cloned().unwrap_or_default()
    };
    let context = context.map_or_else(|| kubeconfig["current-context"].clone(), |name| json!(name));
    let mut server = find("clusters", &find("contexts", &context)["context"]["cluster"])["cluster"].take();
    let Some(map) = server.as_object_mut() else { return Err(format!("no cluster for context {context}")) };
    if let Some(Value::String(file)) = map.remove("certificate-authority") {
        let pem = std::fs::read(&file).map_err(|error| format!("{file}: {error}"))?;
        map.insert("certificate-authority-data".to_owned(), json!(BASE64.encode(&pem)));
    }
    map.retain(|_, value| !value.is_null());
    Ok(server)
}

impl Instance {
    /// Gives the path of its kubeconfig.
    async fn up(&self, nodes: usize) -> Result<PathBuf, Failed> {
        println!("starting cluster {}", self.name);
        self.cluster(&["up", "--nodes", &nodes.to_string()]).await?;
        for image in images()? {
            self.cluster(&["load", &image.to_string_lossy()]).await?;
        }
        Ok(PathBuf::from(self.cluster(&["kubeconfig"]).await?.trim()))
    }

    async fn down(&self) {
        if let Err(error) = self.cluster(&["down"]).await {
            eprintln!("cluster {} is still there: {error}", self.name);
        }
    }

    async fn cluster(&self, args: &[&str]) -> Result<String, Failed> {
        let mut command = Command::new(root().join("tests/cluster/bin/cluster"));
        // Not in our process group: Ctrl-C is for us, and we take the cluster down.
        command.args(["--name", &self.name]).args(args).process_group(0).kill_on_drop(false);
        let output = command.output().await.map_err(|error| format!("tests/cluster/bin/cluster: {error}"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("cluster {}: {}: {said}", args.join(" "), output.status))
        }
    }
}

/// The image files that `tests/images.sh` has written.
fn images() -> Result<Vec<PathBuf>, Failed> {
    let folder = root().join("target/images");
    let entries =
        std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}; run tests/images.sh", folder.display()))?;
    let images: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "tar"))
        .collect();
    if images.is_empty() {
        Err(format!("no images in {}; run tests/images.sh", folder.display()))
    } else {
        Ok(images)
    }
}

/// Copies programs to where an unprivileged user of the laptop can run them.
fn gather_programs() -> std::io::Result<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::Builder::new().prefix("devbridge-test-").tempdir()?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    let devbridge = std::env::var_os("DEVBRIDGE_BIN").map(PathBuf::from);
    let built = root().join("target/images/bin");
    let programs = [
        ("devbridge", devbridge.unwrap_or_else(|| root().join("target/dist/devbridge"))),
        ("tool", built.join("tool")),
        ("shop-catalog", built.join("shop-catalog")),
    ];
    for (name, path) in programs {
        let copied = std::fs::copy(&path, folder.path().join(name));
        copied.map_err(|error| std::io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        std::fs::set_permissions(folder.path().join(name), std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(folder)
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_users_get_the_server_of_the_named_context() {
        let kubeconfig = Kubeconfig::from_yaml(
            "{current-context: a, clusters: [{name: x, cluster: {server: 'https://x'}}, {name: y, cluster: {server: 'https://y'}}],
              contexts: [{name: a, context: {cluster: x, user: u}}, {name: b, context: {cluster: y, user: u}}]}",
        );
        let kubeconfig = kubeconfig.unwrap();
        assert_eq!(server_of(&kubeconfig, None).unwrap()["server"], "https://x");
        assert_eq!(server_of(&kubeconfig, Some("b")).unwrap(), json!({ "server": "https://y" }));
    }
}
