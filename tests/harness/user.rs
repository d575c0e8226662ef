//! Users of the cluster, with the rights that a test says and no more.

use serde_json::{Value, json};

use crate::{Api, ApiError};

/// What a user may do in the test's namespace, and nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// The built-in role `edit`: what most developers have. Tests use it unless they are about rights.
    Edit,
    /// The built-in role `view`.
    View,
    /// Everything everywhere.
    ClusterAdmin,
}

impl Rights {
    fn name(self) -> &'static str {
        match self {
            Self::Edit => "dev",
            Self::View => "viewer",
            Self::ClusterAdmin => "boss",
        }
    }
}

/// Makes a user and gives a kubeconfig for it, whose current context is `laptop`.
///
/// Users are ServiceAccounts, because every cluster can make those; a token is all that they have.
pub(crate) async fn kubeconfig(
    api: &Api,
    namespace: &str,
    server: &Value,
    rights: Rights,
) -> Result<Value, ApiError> {
    let name = rights.name();
    api.create(
        namespace,
        &json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name } }),
    )
    .await?;
    let (kind, role, binding) = match rights {
        Rights::Edit => ("RoleBinding", "edit", name.to_owned()),
        Rights::View => ("RoleBinding", "view", name.to_owned()),
        Rights::ClusterAdmin => {
            ("ClusterRoleBinding", "cluster-admin", format!("devbridge-test-{namespace}"))
        }
    };
    let object = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
        "metadata": { "name": binding, "labels": { "devbridge-test": namespace } },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
        "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": namespace }],
    });
    match rights {
        Rights::ClusterAdmin => {
            api.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &object).await?
        }
        _ => api.create(namespace, &object).await?,
    };
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": { "expirationSeconds": 7200 },
    });
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
    let token = api.post(&path, &request).await?["status"]["token"].take();
    Ok(json!({
        "apiVersion": "v1", "kind": "Config",
        "clusters": [{ "name": "cluster", "cluster": server }],
        "users": [{ "name": name, "user": { "token": token } }],
        "contexts": [{ "name": "laptop", "context": { "cluster": "cluster", "user": name, "namespace": namespace } }],
        "current-context": "laptop",
    }))
}

/// The same kubeconfig for a server that is reached by another port of 127.0.0.1.
pub(crate) fn through(mut kubeconfig: Value, port: u16) -> Value {
    let cluster = &mut kubeconfig["clusters"][0]["cluster"];
    let server: Option<http::Uri> = cluster["server"].as_str().and_then(|server| server.parse().ok());
    // Certificates are for the server's own name.
    if let Some(host) = server.as_ref().and_then(http::Uri::host)
        && cluster["tls-server-name"].is_null()
    {
        cluster["tls-server-name"] = json!(host.trim_matches(['[', ']']));
    }
    cluster["server"] = json!(format!("https://127.0.0.1:{port}"));
    kubeconfig
}

/// Removes what is not in the namespace.
pub(crate) async fn forget(api: &Api, namespace: &str) {
    let path = format!("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/devbridge-test-{namespace}");
    let _ = api.delete(&path).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_behind_a_relay_is_known_by_its_own_name() {
        let kubeconfig = json!({ "clusters": [{ "cluster": { "server": "https://api.example:6443" } }] });
        let cluster = json!({ "server": "https://127.0.0.1:7", "tls-server-name": "api.example" });
        assert_eq!(through(kubeconfig, 7)["clusters"][0]["cluster"], cluster);
    }
}
