//! The command is started anew in the same sandbox.

use std::fs;
use std::time::{Duration, Instant};

use devbridge::sandbox::Exit;

use crate::{runs, script, start, until, within};

/// More than a shell needs to end.
const GRACE: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_restart_ends_all_that_ran_and_the_next_one_has_the_same_port_and_environment() {
    let directory = tempfile::tempdir().unwrap();
    let child = directory.path().join("child");
    let seen = directory.path().join("seen");
    // A child that a shell leaves behind when it is asked to end.
    let text = format!(
        "sleep 600 & echo $! > {}; echo \"$ONLY $$\" >> {}; exec 3<>/dev/udp/127.0.0.1/9; wait",
        child.display(),
        seen.display()
    );
    let sandbox = script(&text).await;
    let starter = sandbox.process.starter();
    let first = sandbox.process.pid();
    until(|| seen.exists() && !fs::read_to_string(&child).unwrap().is_empty()).await;
    let left: i32 = fs::read_to_string(&child).unwrap().trim().parse().unwrap();
    let second = within(starter.restart(GRACE)).await.expect("it is started again");
    assert_ne!(first, second);
    assert_eq!(sandbox.process.pid(), second);
    assert_eq!(sandbox.process.exit(), None);
    assert!(!runs(left) && !runs(i32::try_from(first).unwrap()));
    until(|| fs::read_to_string(&seen).unwrap().lines().count() == 2).await;
    let seen = fs::read_to_string(&seen).unwrap();
    assert_eq!(seen.lines().collect::<Vec<_>>(), [format!("this {first}"), format!("this {second}")]);
    sandbox.process.end().await;
}

#[tokio::test]
async fn what_ignores_the_request_to_end_is_killed_after_the_grace() {
    let directory = tempfile::tempdir().unwrap();
    let ready = directory.path().join("ready");
    let text = format!("trap '' TERM; touch {}; while :; do sleep 0.01; done", ready.display());
    let sandbox = script(&text).await;
    until(|| ready.exists()).await;
    let started = Instant::now();
    let grace = Duration::from_millis(300);
    within(sandbox.process.starter().restart(grace)).await.expect("it is started again");
    assert!(started.elapsed() >= grace);
    sandbox.process.end().await;
}

#[tokio::test]
async fn a_command_that_has_ended_is_started_again_and_one_that_is_gone_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program");
    fs::write(&program, "#!/bin/sh\nexit 3\n").unwrap();
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let sandbox = start(&[program.to_str().unwrap()]).await.unwrap();
    let starter = sandbox.process.starter();
    assert_eq!(within(starter.ended()).await, Exit::Code(3));
    within(starter.restart(GRACE)).await.expect("it is started again");
    assert_eq!(within(starter.ended()).await, Exit::Code(3));
    fs::remove_file(&program).unwrap();
    let not = within(starter.restart(GRACE)).await.unwrap_err();
    assert_eq!((not, not.code()), (Exit::NotStarted(2), 127));
    sandbox.process.end().await;
    assert_eq!(within(starter.restart(GRACE)).await, Err(Exit::Lost));
}
