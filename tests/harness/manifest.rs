//! The objects that tests deploy, written as a user would: labels, named ports, probes, a strict security context.

use serde_json::{Value, json};

/// The image of the test's own program; another registry by `DEVBRIDGE_TEST_IMAGES`.
pub(crate) fn tool_image() -> String {
    format!("{}/tool:1", image_prefix())
}

/// Where images are found, without a slash at the end.
pub(crate) fn image_prefix() -> String {
    std::env::var("DEVBRIDGE_TEST_IMAGES").unwrap_or_else(|_| "devbridge.test".to_owned())
}

/// A service that tells who answered: a Deployment and its Service.
///
/// The container listens on 8080, which the Service calls `http` and offers as 80.
#[derive(Debug, Clone)]
pub struct Echo {
    name: String,
    replicas: u32,
    spec: Value,
    env: Vec<Value>,
    raw: bool,
    talks: bool,
    speaks: bool,
    app: Option<Vec<String>>,
}

impl Echo {
    /// One replica.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            replicas: 1,
            spec: json!({}),
            env: Vec::new(),
            raw: false,
            talks: false,
            speaks: false,
            app: None,
        }
    }

    /// From the image `app`, which has a shell and its program in `/app`, on a root filesystem that can be written. Without
    /// words the container runs what the image says.
    #[must_use]
    pub fn app(mut self, command: &[&str]) -> Self {
        self.app = Some(command.iter().map(|word| (*word).to_owned()).collect());
        self
    }

    /// So many pods.
    #[must_use]
    pub fn replicas(mut self, replicas: u32) -> Self {
        self.replicas = replicas;
        self
    }

    /// Two ports more, by number: 9000 for raw bytes, and 9001, where the service speaks first.
    #[must_use]
    pub fn raw(mut self) -> Self {
        self.raw = true;
        self
    }

    /// Two ports more, by number: 9010 for HTTP/2 and gRPC, 9011 for WebSockets.
    #[must_use]
    pub fn speaks(mut self) -> Self {
        self.speaks = true;
        self
    }

    /// It writes a counted line every 200 ms.
    #[must_use]
    pub fn talks(mut self) -> Self {
        self.talks = true;
        self
    }

    /// A variable in the container, as in a pod's manifest.
    #[must_use]
    pub fn env(mut self, variable: Value) -> Self {
        self.env.push(variable);
        self
    }

    /// More of the pod's spec; its keys win.
    #[must_use]
    pub fn spec(mut self, spec: Value) -> Self {
        self.spec = spec;
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The Deployment and the Service.
    pub(crate) fn objects(&self) -> [Value; 2] {
        let labels = json!({ "app": self.name });
        let mut args = vec!["serve", "--port", "8080"];
        let mut ports = vec![json!({ "name": "http", "containerPort": 8080 })];
        let mut service_ports = vec![json!({ "name": "http", "port": 80, "targetPort": "http" })];
        if self.raw {
            args.extend(["--raw-port", "9000", "--greeting-port", "9001"]);
            for (name, port) in [("raw", 9000), ("greeting", 9001)] {
                ports.push(json!({ "name": name, "containerPort": port }));
                service_ports.push(json!({ "name": name, "port": port, "targetPort": port }));
            }
        }
        if self.speaks {
            args.extend(["--http2-port", "9010", "--websocket-port", "9011"]);
            for (name, port) in [("http2", 9010), ("websocket", 9011)] {
                ports.push(json!({ "name": name, "containerPort": port }));
                service_ports.push(json!({ "name": name, "port": port, "targetPort": port }));
            }
        }
        if self.talks {
            args.extend(["--talk-ms", "200"]);
        }
        let mut container = container("app", &args);
        if let Some(command) = &self.app {
            container["image"] = json!(format!("{}/app:1", image_prefix()));
            container["args"] = json!(null);
            container["command"] = if command.is_empty() { json!(null) } else { json!(command) };
            container["securityContext"]["readOnlyRootFilesystem"] = json!(false);
        }
        container["ports"] = json!(ports);
        container["env"] = json!(self.env);
        container["readinessProbe"] =
            json!({ "httpGet": { "path": "/", "port": "http" }, "periodSeconds": 1 });
        let mut spec = pod_spec(container);
        if let (Some(spec), Some(more)) = (spec.as_object_mut(), self.spec.as_object()) {
            spec.extend(more.clone());
        }
        [
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": { "name": self.name, "labels": labels },
                "spec": {
                    "replicas": self.replicas,
                    "selector": { "matchLabels": labels },
                    "template": { "metadata": { "labels": labels }, "spec": spec },
                },
            }),
            json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": { "name": self.name },
                "spec": { "selector": labels, "ports": service_ports },
            }),
        ]
    }
}

/// A pod that does nothing but give a place to run `tool` in.
pub(crate) fn idle_pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "labels": { "app": name } },
        "spec": pod_spec(container("tool", &["sleep"])),
    })
}

fn container(name: &str, args: &[&str]) -> Value {
    json!({
        "name": name,
        "image": tool_image(),
        "imagePullPolicy": "IfNotPresent",
        "args": args,
        "resources": { "requests": { "cpu": "5m", "memory": "8Mi" } },
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        },
    })
}

fn pod_spec(container: Value) -> Value {
    json!({
        "terminationGracePeriodSeconds": 5,
        "securityContext": {
            "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532,
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "containers": [container],
    })
}
