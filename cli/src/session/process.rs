//! The developer's process: in the sandbox, with the pod's environment, names and network.

use std::ffi::OsString;
use std::path::PathBuf;

use tunnel::message::Env;

use super::outbound::{LAPTOP, LAPTOP_NAME};
use crate::error::{Exit, Failure, chain};
use crate::sandbox::{Plan, Sandbox, SandboxError, Terminal};

/// Starts `command`; `env` is the pod's, `all` the whole environment of the process. With `capture` what it writes comes out of
/// the terminal.
///
/// # Errors
/// The system does not allow a sandbox, or the command is not there.
pub async fn start(
    command: Vec<OsString>,
    env: &Env,
    all: Vec<(OsString, OsString)>,
    capture: bool,
) -> Result<(Sandbox, Option<Terminal>), Failure> {
    let cwd = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let plan =
        Plan { command, env: all, cwd, resolv_conf: env.resolv_conf.clone(), hosts: hosts(&env.hosts) };
    if capture {
        let (sandbox, terminal) = Sandbox::start_captured(plan).await.map_err(failure)?;
        return Ok((sandbox, Some(terminal)));
    }
    Ok((Sandbox::start(plan).await.map_err(failure)?, None))
}

/// The pod's hosts, then this laptop's own name, and its name as seen from the sandbox.
fn hosts(pod: &[u8]) -> Vec<u8> {
    let mut hosts = pod.to_vec();
    if !hosts.ends_with(b"\n") {
        hosts.push(b'\n');
    }
    let name = nix::unistd::gethostname().unwrap_or_default();
    if !name.is_empty() {
        hosts.extend_from_slice(format!("127.0.1.1 {}\n", name.to_string_lossy()).as_bytes());
    }
    hosts.extend_from_slice(format!("{LAPTOP} {LAPTOP_NAME}\n").as_bytes());
    hosts
}

fn failure(error: SandboxError) -> Failure {
    let text = chain(&error);
    let (what, why) = text.split_once(": ").map_or((text.as_str(), ""), |(what, why)| (what, why));
    let code = match error {
        SandboxError::Command { .. } | SandboxError::Directory { .. } => "DB-PROCESS-001",
        _ => "DB-SANDBOX-001",
    };
    let mut failure = Failure::new(code, Exit::Failure, what);
    if !why.is_empty() {
        failure = failure.why(why);
    }
    match error.hint() {
        Some(hint) => failure.fix(hint).fix("devbridge doctor"),
        None if code == "DB-PROCESS-001" => failure.fix("check the command after `--`"),
        None => failure.fix("devbridge doctor"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_laptop_has_a_name_in_the_sandbox() {
        let hosts = String::from_utf8(super::hosts(b"127.0.0.1 localhost")).unwrap();
        assert!(hosts.starts_with("127.0.0.1 localhost\n"));
        assert!(hosts.ends_with("192.0.2.2 host.devbridge.internal\n"), "{hosts}");
    }
}
