//! What the process sees and is, and its exit status.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;

use devbridge::sandbox::{Exit, Sandbox};
use nix::unistd::geteuid;

use crate::{executable, plan, script, start, status_of, within};

#[tokio::test]
async fn the_pods_files_are_seen_inside_and_not_outside() {
    let before = ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"].map(|path| fs::read(path).ok());
    let inside = "grep -q 10.96.0.10 /etc/resolv.conf && grep -q from-the-pod /etc/hosts || exit 1
        [ ! -e /etc/nsswitch.conf ] || [ \"$(grep ^hosts: /etc/nsswitch.conf)\" = 'hosts: files dns' ] || exit 2
        exec 3<>/dev/tcp/from-the-pod/80";
    let sandbox = script(inside).await;
    let (_stream, to) = within(sandbox.tcp.accept()).await.unwrap();
    assert_eq!(to, "10.1.1.1:80".parse::<SocketAddr>().unwrap());
    assert_eq!(within(sandbox.process.wait()).await, Exit::Code(0));
    let after = ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"].map(|path| fs::read(path).ok());
    assert_eq!(before, after);
}

#[tokio::test]
async fn the_environment_and_the_directory_are_the_plans() {
    assert_eq!(status_of("[ $ONLY = this ] && [ -z \"$HOME$CARGO_MANIFEST_DIR\" ] && [ $PWD = / ]").await, 0);
}

#[tokio::test]
async fn the_process_is_the_caller_without_capabilities() {
    let user = geteuid();
    let text = format!(
        "[ $UID = {user} ] && [ $(grep -c 'Cap[IPEA][a-z]*:.0000000000000000' /proc/self/status) = 4 ]"
    );
    assert_eq!(status_of(&text).await, 0);
}

#[tokio::test]
async fn the_process_inherits_no_descriptor_of_the_sandboxs() {
    // The test's own sockets may be there where whoever started it left them open; ours are of these kinds.
    let text =
        "for fd in /proc/self/fd/*; do [[ $(readlink $fd) != *@(signalfd|memfd|socket)* ]] || echo $fd; done";
    assert_eq!(status_of(&format!("shopt -s extglob; exec < /dev/null; [ -z \"$({text})\" ]")).await, 0);
}

#[tokio::test]
async fn the_exit_status_is_the_shells() {
    assert_eq!(status_of("exit 0").await, 0);
    assert_eq!(status_of("exit 3").await, 3);
    assert_eq!(status_of("kill -TERM $$").await, 143);
}

#[tokio::test]
async fn a_command_that_cannot_run_says_why() {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let plain = directory.path().join("plain");
    fs::write(&plain, "text").unwrap();
    let error = start(&["no-such-command"]).await.unwrap_err();
    assert_eq!((error.exit_code(), error.to_string().as_str()), (Some(127), "cannot run `no-such-command`"));
    let error = start(&[plain.to_str().unwrap()]).await.unwrap_err();
    assert_eq!(error.exit_code(), Some(126));
    let mut plan = plan(&["true"]);
    plan.cwd = "/no/such/directory".into();
    let error = Sandbox::start_by(&executable(), plan).await.unwrap_err();
    assert_eq!(error.to_string(), "`/no/such/directory` is not a directory");
}
