//! The sandbox with real processes in it: what they reach, what they see, and that nothing of them stays.
//!
//! Each test has a sandbox of its own; ports inside are nobody else's, so fixed ones do not clash. The programs inside
//! are small bash scripts, as bash speaks TCP and UDP by itself.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod captured;
mod dial;
mod ending;
mod files;
mod inside;
mod outbound;
mod restart;
mod rights;
mod terminal;

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use devbridge::sandbox::{Plan, Sandbox, SandboxError};
use tokio::time::timeout;

/// Bounds every wait; what is waited for takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Overrides the devbridge executable where the test binary itself was moved.
const EXECUTABLE: &str = "SANDBOX_TEST_EXECUTABLE";

fn executable() -> PathBuf {
    std::env::var_os(EXECUTABLE).map_or_else(|| env!("CARGO_BIN_EXE_devbridge").into(), PathBuf::from)
}

fn plan(command: &[&str]) -> Plan {
    Plan {
        command: command.iter().map(OsString::from).collect(),
        env: vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into()), ("ONLY".into(), "this".into())],
        cwd: "/".into(),
        resolv_conf: b"nameserver 10.96.0.10\nsearch shop.svc.cluster.local\n".to_vec(),
        hosts: b"127.0.0.1 localhost\n10.1.1.1 from-the-pod\n".to_vec(),
    }
}

async fn start(command: &[&str]) -> Result<Sandbox, SandboxError> {
    Sandbox::start_by(&executable(), plan(command)).await
}

/// A sandbox that runs a script.
async fn script(script: &str) -> Sandbox {
    start(&["bash", "-c", script]).await.expect("a sandbox")
}

/// The script's exit status.
async fn status_of(text: &str) -> u8 {
    let sandbox = script(text).await;
    let exit = within(sandbox.process.wait()).await;
    sandbox.process.end().await;
    exit.code()
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("in time")
}

async fn until(mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE, "not reached in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn runs(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// Set for processes in a sandbox that are this file again: what they are to do.
const INSIDE: &str = "SANDBOX_TEST_INSIDE";

/// A sandbox that runs one of the tests of this file.
async fn case(name: &str, what: &str) -> Sandbox {
    let tests = std::env::current_exe().unwrap();
    let mut plan = plan(&[tests.to_str().unwrap(), "--exact", name, "--quiet"]);
    plan.env.push((INSIDE.into(), what.into()));
    Sandbox::start_by(&executable(), plan).await.expect("a sandbox")
}

/// Runs tests of this file in a mount and user namespace of their own, after a script has changed what is there.
fn rearranged(script: &str, cases: &[&str]) {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "bash", "-euc"]);
    command.arg(format!("{script}\nexec \"$@\"")).arg("bash").arg(std::env::current_exe().unwrap());
    let output = command.arg("--exact").args(cases).env("SANDBOX_TEST_REARRANGED", "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains(&format!("{} passed", cases.len())), "{text}");
}
