//! Who may make sandboxes, and what is said where the system refuses.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use devbridge::sandbox::check_by;
use nix::unistd::geteuid;

use crate::{EXECUTABLE, executable, rearranged};

#[test]
fn where_namespaces_are_refused_the_error_names_the_step_and_the_fix() {
    let refuse = |limit: &str| format!("echo 0 > /proc/sys/user/{limit}");
    rearranged(&refuse("max_user_namespaces"), &["rights::the_limit_of_user_namespaces_is_named"]);
    rearranged(&refuse("max_net_namespaces"), &["rights::the_limit_of_network_namespaces_is_named"]);
}

#[tokio::test]
async fn the_limit_of_user_namespaces_is_named() {
    if std::env::var_os("SANDBOX_TEST_REARRANGED").is_some() {
        let error = check_by(&executable()).await.unwrap_err();
        assert_eq!(error.to_string(), "the system does not let the sandbox make a user namespace");
        assert!(error.hint().unwrap().contains("sysctl -w user.max_user_namespaces"));
    }
}

#[tokio::test]
async fn the_limit_of_network_namespaces_is_named() {
    if std::env::var_os("SANDBOX_TEST_REARRANGED").is_some() {
        let error = check_by(&executable()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the system does not let the sandbox make network and mount namespaces"
        );
        assert!(error.hint().unwrap().contains("user.max_net_namespaces"));
    }
}

#[tokio::test]
async fn an_ordinary_user_can_do_all_this() {
    if !geteuid().is_root() || std::env::var_os(EXECUTABLE).is_some() {
        return;
    }
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let (tests, devbridge) = (directory.path().join("tests"), directory.path().join("devbridge"));
    fs::copy(std::env::current_exe().unwrap(), &tests).unwrap();
    fs::copy(executable(), &devbridge).unwrap();
    let cases = [
        "comes",
        "loopback",
        "inside_and_not_outside",
        "capabilities",
        "refused",
        "shells",
        "privileged",
        "daemons",
    ];
    let mut command = Command::new("setpriv");
    command.args(["--reuid=61234", "--regid=61234", "--clear-groups"]).arg(&tests).args(cases);
    let output = command.env(EXECUTABLE, &devbridge).env("HOME", "/tmp").current_dir("/").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    println!("{text}");
}

#[test]
fn a_stranger_who_calls_the_hidden_command_gets_nowhere() {
    for descriptor in ["0", "-1", "999"] {
        let mut child = Command::new(executable())
            .args(["__sandbox", descriptor])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut text = String::new();
        child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        assert!(!child.wait().unwrap().success());
        assert!(!text.contains("panicked"), "{text}");
    }
}
