//! The program that a kubeconfig names to log in (`users[].user.exec`), run once for each set of credentials.
//!
//! The client library runs it three times to make one client, and shows what it printed as bytes; a plugin of a cloud
//! takes a second each time, and one that opens a browser opens three.
//!
//! Protocol: <https://kubernetes.io/docs/reference/config-api/client-authentication.v1/>

use std::io::IsTerminal;
use std::process::{ExitStatus, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use kube::config::{AuthInfo, ExecConfig, ExecInteractiveMode};
use serde::Deserialize;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// Longest answer that is read.
const MAX_ANSWER: u64 = 1 << 20;

/// Why a plugin gave no credentials.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// The kubeconfig names none.
    #[error("the kubeconfig names no command for it")]
    Nameless,
    /// It is not there, or may not be run.
    #[error("cannot run `{command}`{hint}")]
    Start {
        /// Its name.
        command: String,
        /// The kubeconfig's advice how to install it.
        hint: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// It failed; why it has said itself, on stderr.
    #[error("`{command}` failed with {status}")]
    Failed {
        /// Its name.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// It said something else than credentials.
    #[error("`{command}` did not answer with an ExecCredential")]
    Answer {
        /// Its name.
        command: String,
        /// What is wrong with it, where that is known.
        #[source]
        source: Option<serde_saphyr::Error>,
    },
}

#[derive(Deserialize)]
struct ExecCredential {
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    expiration_timestamp: Option<Timestamp>,
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

/// Replaces the plugin in `user` by what it answers; gives when that ends, if it said so. A user without a plugin
/// stays as it is.
///
/// Cancel safe: the plugin is killed.
///
/// # Errors
/// See [`PluginError`].
pub async fn log_in(user: &mut AuthInfo) -> Result<Option<Timestamp>, PluginError> {
    let Some(plugin) = user.exec.take() else { return Ok(None) };
    let Status { expiration_timestamp, token, client_certificate_data, client_key_data } =
        run(&plugin).await?;
    user.token = token.map(Into::into);
    user.client_certificate_data = client_certificate_data.map(|pem| STANDARD.encode(pem));
    user.client_key_data = client_key_data.map(|pem| STANDARD.encode(pem).into());
    Ok(expiration_timestamp)
}

async fn run(plugin: &ExecConfig) -> Result<Status, PluginError> {
    let name = plugin.command.clone().ok_or(PluginError::Nameless)?;
    let start = |source| {
        let hint = plugin.install_hint.as_ref().map(|hint| format!(" ({})", hint.trim())).unwrap_or_default();
        PluginError::Start { command: name.clone(), hint, source }
    };
    let asks = plugin.interactive_mode != Some(ExecInteractiveMode::Never) && std::io::stdin().is_terminal();
    let cluster = plugin.cluster.as_ref().filter(|_| plugin.provide_cluster_info);
    let info = json!({
        "apiVersion": plugin.api_version, "kind": "ExecCredential",
        "spec": { "interactive": asks, "cluster": cluster },
    });
    let pairs = plugin.env.iter().flatten();
    let pairs = pairs.filter_map(|pair| Some((pair.get("name")?, pair.get("value")?)));
    let mut child = Command::new(&name)
        .args(plugin.args.iter().flatten())
        .envs(pairs)
        .env("KUBERNETES_EXEC_INFO", info.to_string())
        .stdin(if asks { Stdio::inherit() } else { Stdio::null() })
        .stdout(Stdio::piped())
        // What it has to say is for the person: a link, a code, what to do.
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .map_err(start)?;
    let mut answer = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_ANSWER).read_to_end(&mut answer).await.map_err(start)?;
    }
    let status = child.wait().await.map_err(start)?;
    if !status.success() {
        return Err(PluginError::Failed { command: name, status });
    }
    // Some write YAML, and kubectl reads that, too.
    let answer = serde_saphyr::from_slice::<ExecCredential>(&answer);
    let command = name.clone();
    let answer = answer.map_err(|error| PluginError::Answer { command, source: Some(error) })?;
    answer
        .status
        .filter(|status| status.token.is_some() || status.client_certificate_data.is_some())
        .ok_or(PluginError::Answer { command: name, source: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(script: &str, more: &str) -> AuthInfo {
        let exec = format!("{{command: sh, args: [-c, {}]{more}}}", serde_json::to_string(script).unwrap());
        let exec: ExecConfig = serde_saphyr::from_str(&exec).unwrap();
        AuthInfo { exec: Some(exec), impersonate: Some("alice".into()), ..AuthInfo::default() }
    }

    #[tokio::test]
    async fn a_plugins_token_takes_its_place_and_ends_when_it_says() {
        let script = r#"echo "{\"status\": {\"token\": \"$WORD\", \"expirationTimestamp\": \"2030-01-01T00:00:00Z\"}}""#;
        let mut user = user(script, ", env: [{name: WORD, value: secret}]");
        let until = log_in(&mut user).await.unwrap();
        assert_eq!(until, Some("2030-01-01T00:00:00Z".parse().unwrap()));
        assert!(user.exec.is_none() && user.impersonate.as_deref() == Some("alice"));
        let config = serde_json::to_value(&user).unwrap();
        assert_eq!(config["token"], "secret");
    }

    #[tokio::test]
    async fn a_plugin_may_give_a_certificate_and_is_told_what_it_may_do() {
        let script = r#"case $KUBERNETES_EXEC_INFO in *'"interactive":false'*) ;; *) exit 3 ;; esac
            printf 'status: {clientCertificateData: cert, clientKeyData: key}'"#;
        let mut user = user(script, ", interactiveMode: Never");
        assert_eq!(log_in(&mut user).await.unwrap(), None);
        assert_eq!(user.client_certificate_data.as_deref(), Some("Y2VydA=="));
        assert_eq!(serde_json::to_value(&user).unwrap()["client-key-data"], "a2V5");
    }

    #[tokio::test]
    async fn a_plugin_that_fails_says_which() {
        let failed = log_in(&mut user("exit 4", "")).await.unwrap_err();
        assert_eq!(failed.to_string(), "`sh` failed with exit status: 4");
        let failed = log_in(&mut user("echo welcome", "")).await.unwrap_err();
        assert_eq!(failed.to_string(), "`sh` did not answer with an ExecCredential");
        let failed = log_in(&mut user("echo '{status: {}}'", "")).await.unwrap_err();
        assert!(matches!(failed, PluginError::Answer { source: None, .. }));
        let exec = ExecConfig { command: Some("/nowhere/login".into()), ..exec("install it, then") };
        let failed = log_in(&mut AuthInfo { exec: Some(exec), ..AuthInfo::default() }).await.unwrap_err();
        assert_eq!(failed.to_string(), "cannot run `/nowhere/login` (install it, then)");
    }

    fn exec(hint: &str) -> ExecConfig {
        serde_saphyr::from_str(&format!("{{installHint: '{hint}'}}")).unwrap()
    }
}
