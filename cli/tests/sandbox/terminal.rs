//! A process on a terminal.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use devbridge::sandbox::{Exit, Sandbox};
use nix::sys::signal::Signal;

use crate::{executable, plan, until, within};

/// Set for the process that runs on a terminal of its own: the directory where it and its script write.
const TERMINAL: &str = "SANDBOX_TEST_TERMINAL";

/// Not a test of its own: run by the next one on a terminal.
#[tokio::test]
async fn run_on_a_terminal() {
    let Some(directory) = std::env::var_os(TERMINAL) else { return };
    let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt()).unwrap();
    let mut plan = plan(&[
        "bash",
        "-c",
        "trap 'echo x >> count' INT; trap 'exit 5' TERM; touch ready; read -r line; echo $line > line
        while :; do sleep 0.05; done",
    ]);
    plan.cwd = directory.clone().into();
    let sandbox = Sandbox::start_by(&executable(), plan).await.unwrap();
    within(interrupt.recv()).await;
    sandbox.process.pass_on(Signal::SIGINT).await;
    let count = Path::new(&directory).join("count");
    until(|| count.exists()).await;
    sandbox.process.pass_on(Signal::SIGTERM).await;
    assert_eq!(within(sandbox.process.wait()).await, Exit::Code(5));
    fs::write(Path::new(&directory).join("done"), "").unwrap();
}

#[tokio::test]
async fn on_a_terminal_the_process_reads_it_and_ctrl_c_reaches_it_once() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let terminal = nix::pty::openpty(None, None).unwrap();
    let mut session = Command::new("setsid")
        .args(["--ctty", "--wait"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "terminal::run_on_a_terminal", "--nocapture"])
        .env(TERMINAL, directory.path())
        .stdin(Stdio::from(terminal.slave.try_clone().unwrap()))
        .stdout(Stdio::from(terminal.slave.try_clone().unwrap()))
        .spawn()
        .unwrap();
    until(|| at("ready").exists()).await;
    nix::unistd::write(&terminal.master, b"typed\n").unwrap();
    until(|| fs::read_to_string(at("line")).is_ok_and(|line| line == "typed\n")).await;
    nix::unistd::write(&terminal.master, &[3]).unwrap();
    until(|| at("done").exists()).await;
    assert_eq!(fs::read_to_string(at("count")).unwrap(), "x\n");
    session.wait().unwrap();
}
