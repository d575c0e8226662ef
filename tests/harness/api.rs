//! The cluster's API in JSON, as it is on the wire.
//!
//! Tests compare objects whole, and a typed client leaves out what it does not know.

use kube::Client;
use serde_json::{Value, json};

/// A client without opinions.
#[derive(Clone)]
pub struct Api {
    client: Client,
}

/// The API server's or the connection's word for what did not work.
#[derive(Debug)]
pub struct ApiError {
    /// The HTTP status, when there was an answer.
    pub code: Option<u16>,
    /// For people.
    pub message: String,
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl Api {
    /// Asks as the user that the client was made for.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// For what JSON cannot do: `exec`.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Reads an object or a list.
    ///
    /// # Errors
    ///
    /// When it is not there or may not be read.
    pub async fn get(&self, path: &str) -> Result<Value, ApiError> {
        self.send(http::Method::GET, path, "application/json", Vec::new()).await
    }

    /// Makes an object; its path is found by its kind.
    ///
    /// # Errors
    ///
    /// When the cluster refuses it.
    pub async fn create(&self, namespace: &str, object: &Value) -> Result<Value, ApiError> {
        let path = collection(namespace, object);
        self.send(http::Method::POST, &path, "application/json", object.to_string().into_bytes()).await
    }

    /// Makes an object below another one: tokens, evictions.
    ///
    /// # Errors
    ///
    /// When the cluster refuses it.
    pub async fn post(&self, path: &str, object: &Value) -> Result<Value, ApiError> {
        self.send(http::Method::POST, path, "application/json", object.to_string().into_bytes()).await
    }

    /// Changes an object by a merge patch.
    ///
    /// # Errors
    ///
    /// When the cluster refuses it.
    pub async fn merge(&self, path: &str, patch: &Value) -> Result<Value, ApiError> {
        let body = patch.to_string().into_bytes();
        self.send(http::Method::PATCH, path, "application/merge-patch+json", body).await
    }

    /// Applies an object on the server's side, with force, as GitOps controllers do.
    ///
    /// # Errors
    ///
    /// When the cluster refuses it.
    pub async fn apply(&self, path: &str, manager: &str, object: &Value) -> Result<Value, ApiError> {
        let path = format!("{path}?fieldManager={manager}&force=true");
        self.send(http::Method::PATCH, &path, "application/apply-patch+yaml", object.to_string().into_bytes())
            .await
    }

    /// Deletes an object, in the background, with its usual grace.
    ///
    /// # Errors
    ///
    /// When it is not there or may not be deleted.
    pub async fn delete(&self, path: &str) -> Result<Value, ApiError> {
        let options = json!({ "propagationPolicy": "Background" });
        self.send(http::Method::DELETE, path, "application/json", options.to_string().into_bytes()).await
    }

    async fn send(
        &self,
        method: http::Method,
        path: &str,
        content: &str,
        body: Vec<u8>,
    ) -> Result<Value, ApiError> {
        let request =
            http::Request::builder().method(&method).uri(path).header("content-type", content).body(body);
        let request = request.expect("a path of the API is a URI");
        self.client.request(request).await.map_err(|error| ApiError {
            code: match &error {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
            message: format!("{method} {path}: {error}"),
        })
    }
}

/// The path of the list that an object belongs to.
fn collection(namespace: &str, object: &Value) -> String {
    let version = object["apiVersion"].as_str().expect("an object has an apiVersion");
    let kind = object["kind"].as_str().expect("an object has a kind").to_lowercase();
    let plural = match kind.as_str() {
        kind if kind.ends_with('y') => format!("{}ies", kind.trim_end_matches('y')),
        kind if kind.ends_with('s') => format!("{kind}es"),
        kind => format!("{kind}s"),
    };
    let root = if version.contains('/') { "apis" } else { "api" };
    if kind == "namespace" {
        format!("/{root}/{version}/{plural}")
    } else {
        format!("/{root}/{version}/namespaces/{namespace}/{plural}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_made_where_their_kind_lives() {
        let of = |version: &str, kind: &str| collection("n", &json!({ "apiVersion": version, "kind": kind }));
        assert_eq!(of("v1", "Service"), "/api/v1/namespaces/n/services");
        assert_eq!(of("v1", "Namespace"), "/api/v1/namespaces");
        assert_eq!(of("apps/v1", "Deployment"), "/apis/apps/v1/namespaces/n/deployments");
        assert_eq!(
            of("networking.k8s.io/v1", "NetworkPolicy"),
            "/apis/networking.k8s.io/v1/namespaces/n/networkpolicies"
        );
        assert_eq!(
            of("networking.k8s.io/v1", "Ingress"),
            "/apis/networking.k8s.io/v1/namespaces/n/ingresses"
        );
    }
}
