//! Signals and ends: nothing of a sandbox stays, whoever is killed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use devbridge::sandbox::Exit;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{runs, script, start, until, within};

#[tokio::test]
async fn a_signal_reaches_the_commands_children_too() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    // As `npm run dev`: a shell that waits for its child and passes nothing on.
    let sandbox =
        script(&format!("sleep 60 & echo $! > {0}.new; mv {0}.new {0}; wait", file.display())).await;
    until(|| file.exists()).await;
    let child: i32 = fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    sandbox.process.signal(Signal::SIGTERM).await;
    assert_eq!(within(sandbox.process.wait()).await, Exit::Signal(15));
    until(|| !runs(child)).await;
}

#[tokio::test]
async fn a_signal_that_the_whole_group_got_is_not_passed_on_again() {
    // The script counts; the supervisor stands for the group here, as a group's signal reaches it too.
    let directory = tempfile::tempdir().unwrap();
    let (ready, count) = (directory.path().join("ready"), directory.path().join("count"));
    let text = format!(
        "trap 'echo x >> {}' HUP; trap 'exit 5' TERM; touch {}; while :; do sleep 0.01; done",
        count.display(),
        ready.display()
    );
    // Whoever runs the tests may ignore the signal (nohup), and a shell cannot trap what was ignored before it.
    let sandbox = start(&["env", "--default-signal=HUP", "bash", "-c", &text]).await.expect("a sandbox");
    until(|| ready.exists()).await;
    let command = i32::try_from(sandbox.process.pid()).unwrap();
    let supervisor = parent_of(command);
    for pid in [supervisor, command] {
        kill(Pid::from_raw(pid), Signal::SIGHUP).unwrap();
    }
    until(|| count.exists()).await;
    sandbox.process.pass_on(Signal::SIGHUP).await;
    sandbox.process.pass_on(Signal::SIGTERM).await;
    assert_eq!(within(sandbox.process.wait()).await, Exit::Code(5));
    assert_eq!(fs::read_to_string(count).unwrap(), "x\n");
}

fn parent_of(pid: i32) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(')').unwrap().1.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn dropping_the_process_ends_daemons_too_also_stubborn_ones() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    let daemon = format!(
        "trap \"\" TERM; echo $$ > {0}.new; mv {0}.new {0}; while :; do sleep 0.1; done",
        file.display()
    );
    let sandbox = script(&format!("setsid bash -c '{daemon}' & exit 0")).await;
    assert_eq!(within(sandbox.process.wait()).await, Exit::Code(0));
    until(|| file.exists()).await;
    let daemon: i32 = fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    assert!(runs(daemon));
    drop(sandbox);
    until(|| !runs(daemon)).await;
}

#[tokio::test]
async fn when_the_supervisor_is_killed_nothing_inside_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    let sandbox =
        script(&format!("setsid sleep 60 & echo $! > {0}.new; mv {0}.new {0}; wait", file.display())).await;
    until(|| file.exists()).await;
    let daemon: i32 = fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    let command = i32::try_from(sandbox.process.pid()).unwrap();
    kill(Pid::from_raw(parent_of(command)), Signal::SIGKILL).unwrap();
    assert_eq!(within(sandbox.process.wait()).await, Exit::Lost);
    until(|| !runs(command) && !runs(daemon)).await;
}

/// Set for the process that is to be killed: where it writes what it started.
const HOLD: &str = "SANDBOX_TEST_HOLD";

/// Not a test of its own: run by the next one in a process that it kills.
#[tokio::test]
async fn hold_a_sandbox() {
    let Some(file) = std::env::var_os(HOLD) else { return };
    let text = "sleep 61 & setsid bash -c 'trap \"\" TERM; while :; do sleep 0.1; done' & wait";
    let sandbox = script(text).await;
    let command = i32::try_from(sandbox.process.pid()).unwrap();
    let supervisor = parent_of(command);
    until(|| children_of(command).len() == 2).await;
    let pids: Vec<String> =
        [command, supervisor].into_iter().chain(children_of(command)).map(|pid| pid.to_string()).collect();
    fs::write(Path::new(&file).with_extension("new"), pids.join(" ")).unwrap();
    fs::rename(Path::new(&file).with_extension("new"), file).unwrap();
    std::future::pending().await
}

fn children_of(pid: i32) -> Vec<i32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    list.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

#[tokio::test]
async fn kill_9_of_devbridge_leaves_no_process_and_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pids");
    let before = mounts();
    let mut devbridge = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ending::hold_a_sandbox", "--nocapture"])
        .env(HOLD, &file)
        .env("TMPDIR", directory.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until(|| file.exists()).await;
    let pids = fs::read_to_string(&file).unwrap();
    let pids: Vec<i32> = pids.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    assert_eq!((pids.len(), pids.iter().all(|pid| runs(*pid))), (4, true));
    devbridge.kill().unwrap();
    devbridge.wait().unwrap();
    until(|| pids.iter().all(|pid| !runs(*pid))).await;
    assert_eq!(mounts(), before);
    fs::remove_file(file).unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

/// Mounts of this process that are devbridge's.
fn mounts() -> usize {
    fs::read_to_string("/proc/self/mountinfo")
        .unwrap()
        .lines()
        .filter(|line| line.contains("devbridge"))
        .count()
}
