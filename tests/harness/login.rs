//! A user of the cluster whose login ends, as those of clouds and of single sign-on do: a plugin in the kubeconfig gives
//! a token, and the test says when that is good no more, and when there is a better one.

use std::path::Path;

use serde_json::{Value, json};

use crate::laptop::give;
use crate::{World, deadline};

/// How the laptop's usual user logs in from now on.
pub struct Login {
    world: World,
}

/// What the plugin gives.
pub struct Token {
    world: World,
    text: String,
    /// The Secret that it lives as long as.
    secret: String,
}

impl World {
    /// Has the laptop's usual user log in by a plugin, and gives its first token.
    pub async fn login(&self) -> (Login, Token) {
        let login = Login { world: self.clone() };
        let first = login.again().await;
        let script = format!("echo >> {0}/logins; cat {0}/credential", self.folder().display());
        let plugin = json!({
            "apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", script],
            "interactiveMode": "IfAvailable",
        });
        let path = self.path("kubeconfig-edit");
        let kubeconfig = std::fs::read(&path).expect("the user was made");
        let mut kubeconfig: Value = serde_json::from_slice(&kubeconfig).expect("a kubeconfig as we write it");
        kubeconfig["users"][0]["user"] = json!({ "exec": plugin });
        login.write(&path, &kubeconfig);
        (login, first)
    }
}

impl Login {
    /// The plugin gives a new token, from now on.
    pub async fn again(&self) -> Token {
        let world = &self.world;
        let secret =
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "generateName": "login-" } });
        let secret = world.create(&secret).await;
        let name = secret["metadata"]["name"].as_str().expect("an object has a name").to_owned();
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {
                "expirationSeconds": 7200,
                "boundObjectRef": {
                    "apiVersion": "v1", "kind": "Secret", "name": name, "uid": secret["metadata"]["uid"],
                },
            },
        });
        let path = world.object("v1", "serviceaccounts/dev/token");
        let made = world.api().post(&path, &request).await.unwrap_or_else(|error| panic!("token: {error}"));
        let text = made["status"]["token"].as_str().expect("a token is text").to_owned();
        // As some plugins do, without an end: only the API server knows.
        let credential = json!({
            "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
            "status": { "token": text },
        });
        self.write(&world.path("credential"), &credential);
        Token { world: world.clone(), text, secret: name }
    }

    /// How often the plugin has run.
    pub fn times(&self) -> usize {
        std::fs::read(self.world.path("logins")).map_or(0, |lines| lines.len())
    }

    fn write(&self, path: &Path, content: &Value) {
        // Whole, or not at all: the plugin may run meanwhile.
        let new = self.world.path("new");
        std::fs::write(&new, content.to_string()).expect("a file of the laptop is written");
        give(&new);
        std::fs::rename(&new, path).expect("a file of the laptop is put in its place");
    }
}

impl Token {
    /// Returns when the cluster does not accept the token any more.
    pub async fn ends(self) {
        let world = &self.world;
        let secret = world.object("v1", &format!("secrets/{}", self.secret));
        world.api().delete(&secret).await.unwrap_or_else(|error| panic!("{error}"));
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": { "token": self.text },
        });
        deadline::eventually(deadline::PODS, "the token is refused", || async {
            let path = "/apis/authentication.k8s.io/v1/tokenreviews";
            let reviewed = world.api().post(path, &review).await.map_err(|error| error.to_string())?;
            match reviewed["status"]["authenticated"].as_bool() {
                Some(true) => Err("it is still good".to_owned()),
                _ => Ok(()),
            }
        })
        .await;
    }
}
