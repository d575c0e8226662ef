//! The machines of a cluster that a test has for itself, and its API server: stopped, frozen, started.
//!
//! The first node has the control plane, DNS and the pod that tests ask from; it stays. See [`World::own_cluster`].

use serde_json::{Value, json};

use crate::{World, deadline};

/// The node of the control plane.
pub(crate) const FIRST: &str = "node0";

/// A node beside the first.
#[derive(Clone)]
pub struct Node {
    world: World,
    name: String,
}

/// The API server.
#[derive(Clone)]
pub struct ApiServer(World);

/// What a pods' spec must say to run on these nodes, one on each as far as that goes, for [`crate::Echo::spec`].
pub fn spread(nodes: &[&str], app: &str) -> Value {
    let one_of = json!([{ "key": "kubernetes.io/hostname", "operator": "In", "values": nodes }]);
    json!({
        "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{ "matchExpressions": one_of }],
        } } },
        "topologySpreadConstraints": [{
            "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": { "matchLabels": { "app": app } },
        }],
    })
}

/// A pod's `nodeSelector` that is met by one node.
pub(crate) fn on(node: &str) -> Value {
    json!({ "kubernetes.io/hostname": node })
}

impl World {
    /// The node of this name: `node1` and so on, up to how many [`Self::own_cluster`] was asked for.
    pub fn node(&self, name: &str) -> Node {
        assert!(
            self.may_break() && name != FIRST,
            "only nodes of an own cluster can be broken, and not the first"
        );
        Node { world: self.clone(), name: name.to_owned() }
    }

    /// Adds a node, with the images of the first; it is ready.
    pub async fn add_node(&self) -> Node {
        let name = self.break_(&["node", "add"]).await;
        self.node(name.trim())
    }

    /// The API server, to stop it.
    pub fn api_server(&self) -> ApiServer {
        ApiServer(self.clone())
    }

    /// On which node each pod of an app runs: pod and node, sorted.
    pub async fn places(&self, app: &str) -> Vec<(String, String)> {
        let pods = self.get("v1", &format!("pods?labelSelector=app%3D{app}")).await;
        let pods = pods.unwrap_or_else(|error| panic!("{error}"));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let pods = pods["items"].as_array().into_iter().flatten();
        let mut places: Vec<_> =
            pods.map(|pod| (text(&pod["metadata"]["name"]), text(&pod["spec"]["nodeName"]))).collect();
        places.sort();
        places
    }

    async fn break_(&self, command: &[&str]) -> String {
        assert!(self.may_break(), "{command:?}: only in an own cluster");
        let done = self.cluster().command(command).await;
        done.unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Node {
    /// What Kubernetes calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a pod's spec must say to run here, for [`crate::Echo::spec`].
    pub fn spec(&self) -> Value {
        json!({ "nodeSelector": on(&self.name) })
    }

    /// Power loss: all its processes are dead, and connections to it meet silence.
    pub async fn stop(&self) {
        self.node("stop").await;
    }

    /// The machine hangs: nothing in it runs, and connections to it meet silence.
    pub async fn freeze(&self) {
        self.node("freeze").await;
    }

    /// Back from either. A node that was stopped is ready then; one that was frozen goes on at once.
    pub async fn start(&self) {
        self.node("start").await;
    }

    /// Stops it for ever and deletes the Node.
    pub async fn remove(self) {
        self.node("remove").await;
    }

    /// Lets no new pods come here, or lets them again.
    pub async fn cordon(&self, cordoned: bool) {
        let patch = json!({ "spec": { "unschedulable": cordoned } });
        let path = format!("/api/v1/nodes/{}", self.name);
        self.world.api().merge(&path, &patch).await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Waits until Kubernetes calls it ready, or not: that takes 50 s of silence.
    pub async fn is_ready(&self, ready: bool) {
        let wanted = if ready { "True" } else { "Unknown" };
        let path = format!("/api/v1/nodes/{}", self.name);
        deadline::eventually(deadline::NODE, &format!("{} is ready: {wanted}", self.name), || async {
            let node = self.world.api().get(&path).await.map_err(|error| error.to_string())?;
            let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let found = conditions.iter().find(|condition| condition["type"] == "Ready").cloned();
            let found = found.unwrap_or_default();
            if found["status"] == wanted { Ok(()) } else { Err(found.to_string()) }
        })
        .await;
    }

    async fn node(&self, action: &str) {
        self.world.break_(&["node", action, &self.name]).await;
    }
}

impl ApiServer {
    /// Killed, and not started again: connections are reset, new ones too.
    pub async fn stop(&self) {
        self.0.break_(&["api", "stop"]).await;
    }

    /// Accepts connections and says nothing.
    pub async fn freeze(&self) {
        self.0.break_(&["api", "freeze"]).await;
    }

    /// Back from either; it is ready.
    pub async fn start(&self) {
        self.0.break_(&["api", "start"]).await;
    }
}
