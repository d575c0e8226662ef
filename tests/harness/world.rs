//! What one test has: a namespace, a laptop, and nothing of the other tests'.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::cluster::Breaking;
use crate::exec::{Ended, Exec};
use crate::laptop::give;
use crate::manifest::{self, Echo};
use crate::user::{self, Rights};
use crate::{Api, Cluster, deadline, nodes};

/// The pod from which tests ask.
const CLIENT: &str = "client";

/// A namespace and a laptop. Cheap to clone; removed by the runner when the test has ended, whichever way.
#[derive(Clone)]
pub struct World(Arc<Inner>);

struct Inner {
    cluster: Arc<Cluster>,
    namespace: String,
    folder: tempfile::TempDir,
    client: OnceCell<()>,
    others: Mutex<Vec<World>>,
    /// In a cluster of its own: how many nodes it began with, and the right to break them.
    own: Mutex<Option<(usize, Breaking)>>,
}

impl World {
    pub(crate) async fn new(cluster: Arc<Cluster>, name: &str) -> Self {
        Self::on(cluster, name, None).await
    }

    async fn on(cluster: Arc<Cluster>, name: &str, own: Option<(usize, Breaking)>) -> Self {
        let namespace = format!("{}-{:x}", short(name), unique());
        let folder = tempfile::Builder::new().prefix("dbt-").tempdir().expect("a folder for the laptop");
        let world = Self(Arc::new(Inner {
            cluster,
            namespace,
            folder,
            client: OnceCell::new(),
            others: Mutex::default(),
            own: Mutex::new(own),
        }));
        world.prepare().await;
        world
    }

    async fn prepare(&self) {
        let labels = json!({ "pod-security.kubernetes.io/enforce": "restricted", "devbridge-test": "true" });
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": self.namespace(), "labels": labels },
        });
        self.api().create("", &namespace).await.unwrap_or_else(|error| panic!("namespace: {error}"));
        std::fs::create_dir_all(self.path("run")).expect("a folder for sockets");
        std::fs::set_permissions(self.path("run"), std::fs::Permissions::from_mode(0o700))
            .expect("own folder");
        self.user(Rights::Edit).await;
        for path in [self.folder().to_path_buf(), self.path("run")] {
            give(&path);
        }
        // What the cluster puts into each namespace is there before anything is compared.
        deadline::eventually(deadline::LOOK, "a namespace is furnished", || async {
            self.get("v1", "serviceaccounts/default").await?;
            self.get("v1", "configmaps/kube-root-ca.crt").await
        })
        .await;
    }

    /// Another namespace and laptop, for tests that do the same thing several times side by side.
    pub async fn another(&self, name: &str) -> Self {
        let world = Self::new(Arc::clone(&self.0.cluster), name).await;
        self.0.others.lock().unwrap_or_else(PoisonError::into_inner).push(world.clone());
        world
    }

    /// A namespace and laptop in a cluster of so many nodes that this test has for itself, to break nodes and the API
    /// server. Tests that name the same group use the same cluster, one after the other; it is mended after each.
    pub async fn own_cluster(&self, group: &str, nodes: usize) -> Self {
        let own = self.cluster().own(group, nodes).await;
        let (cluster, breaking) = own.unwrap_or_else(|error| panic!("cluster {group}: {error}"));
        let world = Self::on(cluster, group, Some((nodes, breaking))).await;
        self.0.others.lock().unwrap_or_else(PoisonError::into_inner).push(world.clone());
        world
    }

    /// Whether this test has the cluster for itself.
    pub(crate) fn may_break(&self) -> bool {
        self.0.own.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Removes everything, this world's others included.
    pub(crate) async fn remove(&self) {
        let others = std::mem::take(&mut *self.0.others.lock().unwrap_or_else(PoisonError::into_inner));
        for other in others {
            Box::pin(other.remove()).await;
        }
        let own = self.0.own.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((nodes, _)) = &own
            && let Err(error) = self.cluster().mend(*nodes).await
        {
            eprintln!("cluster of {} is not whole: {error}", self.namespace());
        }
        user::forget(self.api(), self.namespace()).await;
        if let Err(error) = self.api().delete(&format!("/api/v1/namespaces/{}", self.namespace())).await {
            eprintln!("namespace {} is left: {error}", self.namespace());
        }
    }

    /// The namespace's name.
    pub fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// The cluster that all tests share.
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.0.cluster
    }

    /// The API, as the cluster's administrator.
    pub fn api(&self) -> &Api {
        self.0.cluster.api()
    }

    /// The laptop's home folder.
    pub fn folder(&self) -> &Path {
        self.0.folder.path()
    }

    /// A file in the laptop's home folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// Says a figure that is worth knowing, but that no test should fail for.
    pub fn note(&self, text: &str) {
        println!("  {}: {text}", self.namespace());
    }

    // ---- The cluster

    /// An object of the namespace: `get("v1", "services/web")`.
    ///
    /// # Errors
    ///
    /// When it is not there.
    pub async fn get(&self, version: &str, what: &str) -> Result<Value, crate::ApiError> {
        self.api().get(&self.object(version, what)).await
    }

    /// The path of an object of the namespace.
    pub fn object(&self, version: &str, what: &str) -> String {
        let root = if version.contains('/') { "apis" } else { "api" };
        format!("/{root}/{version}/namespaces/{}/{what}", self.namespace())
    }

    /// Makes an object.
    pub async fn create(&self, object: &Value) -> Value {
        let made = self.api().create(self.namespace(), object).await;
        made.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Makes all objects of a file of manifests.
    pub async fn create_all(&self, yaml: &str) {
        let yaml = yaml.replace("devbridge.test/", &format!("{}/", manifest::image_prefix()));
        let objects: Vec<Value> = serde_saphyr::from_multiple(&yaml).expect("manifests are YAML");
        for object in objects {
            self.create(&object).await;
        }
    }

    /// Deploys a service and the pod to ask from, and waits until the one answers the other.
    pub async fn echo(&self, echo: Echo) {
        for object in echo.objects() {
            self.create(&object).await;
        }
        self.rolled_out(echo.name()).await;
        let url = format!("http://{}/", echo.name());
        deadline::eventually(deadline::PODS, "the service answers", || self.try_ask(&url)).await;
    }

    /// Waits until all pods of a Deployment are ready.
    pub async fn rolled_out(&self, deployment: &str) {
        let what = format!("deployment {deployment} is ready");
        deadline::eventually(deadline::PODS, &what, || async {
            let found =
                self.get("apps/v1", &format!("deployments/{deployment}")).await.map_err(|e| e.to_string())?;
            let (spec, status) = (&found["spec"]["replicas"], &found["status"]);
            let ready = status["readyReplicas"] == *spec
                && status["observedGeneration"] == found["metadata"]["generation"];
            if ready { Ok(()) } else { Err(format!("status {status}")) }
        })
        .await;
    }

    /// Runs `tool` inside the cluster, in a pod of its own that is no service.
    pub async fn tool(&self, args: &[&str]) -> Exec {
        self.client().await;
        let command: Vec<&str> = std::iter::once("/tool").chain(args.iter().copied()).collect();
        Exec::start(self.api(), self.namespace(), CLIENT, &command).await
    }

    /// Runs `tool` inside the cluster to its end.
    pub async fn tool_ends(&self, args: &[&str], within: Duration) -> Ended {
        self.tool(args).await.end(within).await
    }

    /// Runs a program in a pod of the namespace.
    pub async fn exec(&self, pod: &str, command: &[&str]) -> Exec {
        Exec::start(self.api(), self.namespace(), pod, command).await
    }

    /// The same to its end, where the pod may be on its way out; what it said.
    ///
    /// # Errors
    ///
    /// The pod is gone, or the program failed.
    pub async fn try_exec(&self, pod: &str, command: &[&str]) -> Result<Vec<Value>, String> {
        let exec = Exec::try_start(self.api(), self.namespace(), pod, command).await?;
        let ended = exec.end(deadline::LOOK).await;
        if ended.success { Ok(ended.lines) } else { Err(format!("{:?}", ended.last())) }
    }

    /// A program that the laptop has.
    pub fn program(&self, name: &str) -> PathBuf {
        self.cluster().programs().join(name)
    }

    async fn client(&self) {
        self.0
            .client
            .get_or_init(|| async {
                let mut pod = manifest::idle_pod(CLIENT);
                if self.may_break() {
                    pod["spec"]["nodeSelector"] = nodes::on(nodes::FIRST);
                }
                self.create(&pod).await;
                deadline::eventually(deadline::PODS, "the client's pod is ready", || async {
                    let pod = self.get("v1", &format!("pods/{CLIENT}")).await.map_err(|e| e.to_string())?;
                    let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
                    let ready = conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True");
                    if ready { Ok(()) } else { Err(format!("{}", pod["status"])) }
                })
                .await;
            })
            .await;
    }

    /// One answer from inside the cluster; its body, parsed where it is JSON.
    pub async fn ask(&self, url: &str) -> Value {
        self.try_ask(url).await.unwrap_or_else(|why| panic!("{url}: {why}"))
    }

    /// The same, where no answer is possible.
    ///
    /// # Errors
    ///
    /// What happened instead of an answer with status 200.
    pub async fn try_ask(&self, url: &str) -> Result<Value, String> {
        let ended = self.tool_ends(&["get", url], deadline::LOOK).await;
        let mut line = ended.last();
        if line["status"] == 200 { Ok(line["body"].take()) } else { Err(line.to_string()) }
    }

    /// Waits until `url` is answered by somebody.
    pub async fn answered_by(&self, url: &str, by: impl Fn(&str) -> bool) -> Value {
        deadline::eventually(deadline::LOOK, "the right one answers", || async {
            let answer = self.try_ask(url).await?;
            if answer["by"].as_str().is_some_and(&by) { Ok(answer) } else { Err(answer.to_string()) }
        })
        .await
    }

    /// Waits until nobody but the laptop answers for a service, a moment after `ready:`: nodes learn of a Service's change by
    /// and by, up to a second later with kube-proxy's defaults, and until then lead to the agent and to originals.
    pub async fn laptop_answers(&self, url: &str) -> Value {
        deadline::eventually(deadline::LOOK, "the laptop alone answers", || async {
            let ended = self.tool_ends(&["get", url, "--times", "12"], deadline::LOOK).await;
            match ended.lines.iter().find(|line| line["status"] != 200 || line["body"]["by"] != "laptop") {
                Some(other) => Err(other.to_string()),
                None => Ok(ended.last()["body"].take()),
            }
        })
        .await
    }

    /// Waits until a page shows what it should.
    pub async fn shows(&self, url: &str, right: impl Fn(&str) -> bool) {
        deadline::eventually(deadline::LOOK, "the page is right", || async {
            let page = self.try_ask(url).await?;
            let text = page.as_str().map_or_else(|| page.to_string(), str::to_owned);
            if right(&text) { Ok(()) } else { Err(text) }
        })
        .await;
    }
}

/// A test's name as the beginning of a namespace's.
fn short(name: &str) -> String {
    let name = name.rsplit("::").next().unwrap_or(name).replace('_', "-");
    let short: String = name.chars().take(40).collect();
    short.trim_matches('-').to_owned()
}

/// Different for each call and each run.
fn unique() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    std::collections::hash_map::RandomState::new().build_hasher().finish() >> 32
}
