//! Real children that want a port on which the agent listens already.

use std::{
    net::{TcpListener, UdpSocket},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::AsyncReadExt as _,
    time::{self, Instant},
};
use tunnel::sync::Command;

use super::{Process, binds, kernel, listening::Listening, running::Running, spawn};

/// Bounds what cannot be late unless something is wrong.
const DEADLINE: Duration = Duration::from_secs(20);

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("no {what} in {DEADLINE:?}"))
}

async fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    within(what, async {
        while !is() {
            time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// The program of `examples/listens.rs`, which `cargo test` builds, unless it is asked for less than everything.
fn listens() -> String {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join("examples/listens");
    assert!(program.exists(), "not built: cargo build -p devbridge-traffic-agent --example listens");
    program.into_os_string().into_string().unwrap()
}

fn command(words: &[&str], grace: u64) -> Command {
    Command {
        command: words.iter().map(|word| word.as_bytes().to_vec()).collect(),
        variables: vec![(b"LISTENS".to_vec(), listens().into_bytes())],
        grace: u32::try_from(grace).unwrap(),
        listen: 0,
    }
}

/// A line for the shell, in which `$LISTENS` is the program.
fn shell(line: &str, grace: u64) -> Command {
    command(&["sh", "-c", line], grace)
}

const LONG: u64 = 15_000;

/// A listener such as the agent holds, and what runs the process beside it.
struct Pod {
    _held: TcpListener,
    port: u16,
    process: Process,
}

impl Pod {
    fn new() -> Self {
        // Both families, as the bootstrap does it.
        Self::at("[::]:0")
    }

    fn at(address: &str) -> Self {
        let held = TcpListener::bind(address).unwrap();
        let port = held.local_addr().unwrap().port();
        Self { _held: held, port, process: Process::new(vec![port]) }
    }

    async fn start(&self, command: Command) -> Result<Running, String> {
        let place = self.process.place.clone().acquire_owned().await.unwrap();
        within("start", Running::start(&self.process, command, place.into())).await
    }

    /// Starts the program for `addresses`, in which PORT is the port; waits until it listens there.
    async fn serve(&self, addresses: &[&str]) -> Running {
        let listens = listens();
        let addresses: Vec<_> =
            addresses.iter().map(|address| address.replace("PORT", &self.port.to_string())).collect();
        let words: Vec<_> = [&listens].into_iter().chain(&addresses).map(String::as_str).collect();
        let mut listening = Listening::new(&self.process.ports);
        let running = self.start(command(&words, LONG)).await.unwrap();
        within("listener", listening.next(&self.process.ports)).await;
        assert!(listening.ports().contains(&self.port));
        running
    }

    /// Who listens.
    async fn ask(&self) -> u32 {
        let mut said = String::new();
        let mut stream = within("connection", async {
            loop {
                match self.process.dial(self.port).await {
                    Ok(stream) => return stream,
                    Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused),
                }
                time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        within("greeting", stream.read_to_string(&mut said)).await.unwrap();
        said.strip_prefix("hello ").unwrap().trim_end().parse().unwrap()
    }

    async fn refuses(&self) {
        let error = self.process.dial(self.port).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    }
}

/// Whether it runs; what is dead and waits for its parent does not.
fn runs(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" Z")))
}

#[tokio::test]
async fn a_process_listens_on_a_port_that_the_agent_has_and_so_does_the_next() {
    for addresses in
        [&["0.0.0.0:PORT"][..], &["[::]:PORT"], &["127.0.0.1:PORT", "[::1]:PORT"], &["[::1]:PORT"]]
    {
        let pod = Pod::new();
        pod.refuses().await;
        let first = pod.serve(addresses).await;
        assert_eq!(pod.ask().await, first.pid, "{addresses:?}");
        assert_eq!(within("end", first.end()).await, 128 + 15);
        pod.refuses().await;
        let second = pod.serve(addresses).await;
        assert_eq!(pod.ask().await, second.pid, "{addresses:?}");
        within("end", second.end()).await;
    }
}

#[tokio::test]
async fn the_port_is_there_again_also_when_the_process_closed_its_connections_first() {
    let pod = Pod::new();
    // The program ends every connection itself, so its side of them lingers.
    let first = pod.serve(&["0.0.0.0:PORT"]).await;
    let before = pod.process.ports.substitute(pod.port).unwrap();
    for _ in 0..3 {
        assert_eq!(pod.ask().await, first.pid);
    }
    within("end", first.end()).await;
    let second = pod.serve(&["0.0.0.0:PORT"]).await;
    assert_ne!(pod.process.ports.substitute(pod.port).unwrap(), before);
    assert_eq!(pod.ask().await, second.pid);
    within("end", second.end()).await;
}

#[tokio::test]
async fn descendants_get_the_port_too() {
    let pod = Pod::new();
    let line = format!("(\"$LISTENS\" 0.0.0.0:{} & wait) & wait", pod.port);
    let running = pod.start(shell(&line, LONG)).await.unwrap();
    let listener = pod.ask().await;
    assert_ne!(listener, running.pid);
    within("end", running.end()).await;
    assert!(!runs(listener));
}

#[tokio::test]
async fn other_ports_and_datagrams_are_left_alone() {
    let (pod, datagrams) = loop {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        let address = format!("0.0.0.0:{}", socket.local_addr().unwrap().port());
        if TcpListener::bind(&address).is_ok() {
            break (Pod::at(&address), address);
        }
    };
    let other = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let running = pod.serve(&["0.0.0.0:PORT", &other.to_string(), &format!("udp/{datagrams}")]).await;
    let mut said = String::new();
    let mut direct = within("connection", async {
        loop {
            if let Ok(stream) = tokio::net::TcpStream::connect(other).await {
                return stream;
            }
            time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    within("greeting", direct.read_to_string(&mut said)).await.unwrap();
    let hello = format!("hello {}\n", running.pid);
    assert_eq!(said, hello);
    let asker = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    asker.connect(("127.0.0.1", pod.port)).await.unwrap();
    let mut bytes = [0; 64];
    let length = within("datagram", async {
        loop {
            // Refused until it is bound.
            let _ = asker.send(b"?").await;
            if let Ok(Ok(length)) = time::timeout(Duration::from_millis(50), asker.recv(&mut bytes)).await {
                return length;
            }
        }
    })
    .await;
    assert_eq!(bytes[..length], *hello.as_bytes());
    within("end", running.end()).await;
}

#[tokio::test]
async fn a_second_bind_fails_as_it_would_without_devbridge() {
    let pod = Pod::new();
    let address = format!("0.0.0.0:{}", pod.port);
    let mut running = pod.start(command(&[&listens(), &address, &address], LONG)).await.unwrap();
    assert_eq!(within("end", running.ended()).await, nix::libc::EADDRINUSE);
}

#[tokio::test]
async fn what_ignores_sigterm_is_killed_after_its_grace() {
    let pod = Pod::new();
    let line = format!("trap '' TERM; exec \"$LISTENS\" 0.0.0.0:{}", pod.port);
    let running = pod.start(shell(&line, 300)).await.unwrap();
    let pid = pod.ask().await;
    assert_eq!(pid, running.pid);
    let asked = Instant::now();
    assert_eq!(within("end", running.end()).await, 128 + 9);
    assert!(asked.elapsed() >= Duration::from_millis(300) && !runs(pid));
}

#[tokio::test]
async fn what_a_process_leaves_in_its_group_is_killed() {
    let (pod, folder) = (Pod::new(), tempfile::tempdir().unwrap());
    let go = folder.path().join("go");
    let line = format!(
        "\"$LISTENS\" 0.0.0.0:{} & while [ ! -e {} ]; do sleep 0.02; done; exit 7",
        pod.port,
        go.display()
    );
    let mut running = pod.start(shell(&line, LONG)).await.unwrap();
    let left = pod.ask().await;
    std::fs::write(go, "").unwrap();
    assert_eq!(within("end", running.ended()).await, 7);
    assert!(!runs(left));
    pod.refuses().await;
}

#[tokio::test]
async fn all_of_a_group_has_the_grace() {
    let (pod, folder) = (Pod::new(), tempfile::tempdir().unwrap());
    let (ready, done) = (folder.path().join("ready"), folder.path().join("done"));
    let line = format!(
        "(trap 'sleep 0.2; touch {}; exit' TERM; touch {}; while :; do sleep 0.02; done) & sleep 1000",
        done.display(),
        ready.display()
    );
    let running = pod.start(shell(&line, LONG)).await.unwrap();
    eventually("trap", || ready.exists()).await;
    within("end", running.end()).await;
    assert!(done.exists());
}

#[tokio::test]
async fn what_cannot_be_started_is_named() {
    let pod = Pod::new();
    let why = pod.start(command(&["/nonexistent/web"], 0)).await.unwrap_err();
    assert_eq!(why, "/nonexistent/web: No such file or directory (os error 2)");
    assert_eq!(pod.start(command(&[], 0)).await.unwrap_err(), "there is no command");
    let folder = tempfile::tempdir().unwrap();
    let path = PathBuf::from(folder.path()).into_os_string().into_string().unwrap();
    let why = pod.start(command(&[&path], 0)).await.unwrap_err();
    assert!(why.contains("Permission denied"), "{why}");
    // The place is free again.
    within("end", pod.serve(&["0.0.0.0:PORT"]).await.end()).await;
}

#[tokio::test]
async fn a_process_begins_with_no_signal_blocked_or_ignored_and_without_input() {
    let (pod, folder) = (Pod::new(), tempfile::tempdir().unwrap());
    let seen = folder.path().join("seen");
    let line = format!(
        "grep -E '^(SigBlk|SigIgn|NoNewPrivs):' /proc/self/status > {0} && readlink /proc/self/fd/0 >> {0}",
        seen.display()
    );
    let mut running = pod.start(shell(&line, LONG)).await.unwrap();
    assert_eq!(within("end", running.ended()).await, 0);
    let seen = std::fs::read_to_string(seen).unwrap();
    let seen: Vec<_> = seen.split_whitespace().collect();
    let expected =
        ["SigBlk:", "0000000000000000", "SigIgn:", "0000000000000000", "NoNewPrivs:", "1", "/dev/null"];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_process_that_nobody_wants_any_more_is_ended() {
    let pod = Pod::new();
    let running = pod.serve(&["0.0.0.0:PORT"]).await;
    let pid = running.pid;
    drop(running);
    within("end", pod.process.keepers.finished()).await;
    assert!(!runs(pid));
    pod.refuses().await;
}

#[tokio::test]
async fn a_target_without_ports_runs_without_a_filter() {
    let process = Process::new(Vec::new());
    let place = process.place.clone().acquire_owned().await.unwrap();
    // What the container's runtime installed is there in any case.
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let own = status.lines().find(|line| line.starts_with("Seccomp_filters:")).unwrap();
    let looks = shell(&format!("grep -qx '{own}' /proc/self/status"), 0);
    let mut running = within("start", Running::start(&process, looks, place.into())).await.unwrap();
    assert_eq!(within("end", running.ended()).await, 0);
}

#[test]
fn a_filter_below_another_one_is_refused_with_the_reason() {
    let mut command = std::process::Command::new("true");
    let (_outer, tell_outer) = std::os::unix::net::UnixStream::pair().unwrap();
    let (hear, tell) = std::os::unix::net::UnixStream::pair().unwrap();
    kernel::prepare(&mut command, tell_outer, true);
    kernel::prepare(&mut command, tell, true);
    let error = command.spawn().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(nix::libc::EBUSY));
    assert!(matches!(kernel::receive(&hear), Ok((Some(kernel::Step::Filter), None))));
}

#[tokio::test]
async fn binds_are_answered_until_the_last_process_has_ended() {
    let pod = Pod::new();
    let mut command = std::process::Command::new("sleep");
    command.arg("1000");
    let (hear, tell) = std::os::unix::net::UnixStream::pair().unwrap();
    let (_stop, closed) = std::io::pipe().map(|(stop, closed)| (closed, stop)).unwrap();
    let start = pod.process.ports.begin().unwrap();
    let ports = pod.process.ports.clone();
    let (tell_pid, pids) = std::sync::mpsc::channel();
    // The child dies with the thread that made it.
    let answers = tokio::task::spawn_blocking(move || {
        kernel::prepare(&mut command, tell, true);
        let mut child = command.spawn().unwrap();
        let (step, listener) = kernel::receive(&hear).unwrap();
        assert_eq!(step, Some(kernel::Step::Done));
        tell_pid.send(child.id()).unwrap();
        let waits = std::thread::spawn(move || child.wait().unwrap());
        binds::serve(&listener.unwrap(), std::os::fd::AsFd::as_fd(&closed), &ports, start);
        waits.join().unwrap()
    });
    let pid = i32::try_from(pids.recv().unwrap()).unwrap();
    assert!(!answers.is_finished());
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    within("end of the answers", answers).await.unwrap();
}

#[tokio::test]
async fn a_child_that_nobody_waits_for_any_more_is_killed() {
    let pod = Pod::new();
    let start = pod.process.ports.begin().unwrap();
    let wanted = shell("sleep 1000 & sleep 1000", LONG);
    let child = within("start", spawn::spawn(&wanted, pod.process.ports.clone(), start)).await.unwrap();
    let pid = child.pid.as_raw().unsigned_abs();
    assert!(runs(pid));
    drop(child);
    eventually("end", || !runs(pid)).await;
}
