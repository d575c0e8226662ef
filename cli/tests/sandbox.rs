//! The sandbox with real processes in it: what they reach, what they see, and that nothing of them stays.
//!
//! Each test has a sandbox of its own; ports inside are nobody else's, so fixed ones do not clash. The programs inside
//! are small bash scripts, as bash speaks TCP and UDP by itself.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use devbridge::sandbox::{Exit, Plan, Sandbox, SandboxError, check_by};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
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

#[tokio::test]
async fn a_sandbox_starts_and_a_connection_comes_out_of_it() {
    let works = check_by(&executable()).await.expect("a sandbox");
    println!("sandbox started in {:?}", works.start);
    assert!(works.start < Duration::from_secs(2));
}

#[tokio::test]
async fn tcp_comes_out_with_the_address_that_was_meant() {
    for (host, destination) in [("10.1.2.3", "10.1.2.3:80"), ("2001:db8::7", "[2001:db8::7]:80")] {
        let sandbox = script(&format!(
            "exec 3<>/dev/tcp/{host}/80; echo hello >&3; read -r answer <&3; [ $answer = there ]"
        ))
        .await;
        let (mut stream, to) = within(sandbox.tcp.accept()).await.unwrap();
        assert_eq!(to, destination.parse::<SocketAddr>().unwrap());
        let mut hello = [0; 6];
        within(stream.read_exact(&mut hello)).await.unwrap();
        assert_eq!(&hello, b"hello\n");
        stream.write_all(b"there\n").await.unwrap();
        assert_eq!(within(sandbox.process.wait()).await, Exit::Code(0));
    }
}

#[tokio::test]
async fn a_dns_answer_comes_from_the_server_that_was_asked() {
    // A connected UDP socket takes packets of its peer only.
    for server in ["10.96.0.10", "fd00:10:96::a"] {
        let sandbox = script(&format!(
            "exec 3<>/dev/udp/{server}/53; printf query >&3; [ $(timeout 9 head -c 6 <&3) = answer ]"
        ))
        .await;
        let (query, asker) = within(sandbox.dns.recv()).await.unwrap();
        assert_eq!(query, b"query");
        sandbox.dns.reply(asker, b"answer").await.unwrap();
        assert_eq!(within(sandbox.process.wait()).await, Exit::Code(0));
    }
}

#[tokio::test]
async fn other_udp_fails_at_once() {
    for host in ["10.1.2.3", "2001:db8::7"] {
        let started = Instant::now();
        // The first or, by the ICMP error, the second packet is refused.
        let text = format!("exec 3<>/dev/udp/{host}/4242; printf a >&3 && printf b >&3");
        assert_ne!(status_of(&format!("({text}) 2>/dev/null")).await, 0);
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn connections_from_one_port_to_two_addresses_are_kept_apart() {
    let sandbox = case("connect_twice_from_one_port", "").await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        streams.push(within(sandbox.tcp.accept()).await.unwrap());
    }
    for (stream, to) in &mut streams {
        stream.write_all(to.to_string().as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    }
    assert_eq!(within(sandbox.process.wait()).await, Exit::Code(0));
}

/// Not a test of its own: run in the sandbox by the one above.
#[tokio::test]
async fn connect_twice_from_one_port() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    let mut streams = Vec::new();
    for host in ["10.1.2.3:80", "10.1.2.4:80"] {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind("0.0.0.0:5555".parse().unwrap()).unwrap();
        streams.push((host, within(socket.connect(host.parse().unwrap())).await.unwrap()));
    }
    for (host, mut stream) in streams {
        let mut text = String::new();
        within(stream.read_to_string(&mut text)).await.unwrap();
        assert_eq!(text, host);
    }
}

#[tokio::test]
async fn a_connection_that_nobody_serves_any_more_is_refused_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let go = directory.path().join("go");
    let text = format!("until [ -e {} ]; do sleep 0.01; done; exec 3<>/dev/tcp/10.1.2.3/80", go.display());
    let Sandbox { process, tcp, .. } = script(&text).await;
    drop(tcp);
    let started = Instant::now();
    fs::write(go, "").unwrap();
    assert_eq!(within(process.wait()).await, Exit::Code(1));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn the_processs_own_loopback_is_its_own() {
    let outside = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = outside.local_addr().unwrap().port();
    let sandbox = script(&format!("exec 3<>/dev/tcp/127.0.0.1/{port}")).await;
    tokio::select! {
        exit = within(sandbox.process.wait()) => assert_ne!(exit, Exit::Code(0)),
        _ = sandbox.tcp.accept() => panic!("a connection to 127.0.0.1 came out"),
    }
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

async fn server(at: &str) -> Sandbox {
    case("serve", at).await
}

/// Not a test of its own: a server in a sandbox that tells each client its address.
#[tokio::test]
async fn serve() {
    let Ok(at) = std::env::var(INSIDE) else { return };
    let listener = tokio::net::TcpListener::bind(at).await.unwrap();
    loop {
        let (mut stream, peer) = listener.accept().await.unwrap();
        stream.write_all(peer.ip().to_string().as_bytes()).await.unwrap();
    }
}

async fn listens(sandbox: &Sandbox, ports: &[u16]) {
    let mut listening = sandbox.process.listening();
    within(listening.wait_for(|now| now == ports)).await.expect("sandbox runs");
}

#[tokio::test]
async fn dial_reaches_a_server_on_either_loopback_address() {
    for (at, peer) in [("127.0.0.1:8080", "127.0.0.1"), ("[::1]:8080", "::1"), ("0.0.0.0:8080", "127.0.0.1")]
    {
        let sandbox = server(at).await;
        listens(&sandbox, &[8080]).await;
        let mut stream = within(sandbox.dialer.dial(8080)).await.unwrap();
        let mut text = String::new();
        within(stream.read_to_string(&mut text)).await.unwrap();
        assert_eq!(text, peer);
    }
}

#[tokio::test]
async fn dial_is_refused_where_nobody_listens_and_after_the_end() {
    let sandbox = script("exec sleep 60").await;
    let refused = within(sandbox.dialer.dial(8080)).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let Sandbox { process, dialer, .. } = sandbox;
    assert_eq!(within(process.end()).await, Exit::Signal(15));
    let ended = within(dialer.dial(8080)).await.unwrap_err();
    assert_eq!(ended.kind(), std::io::ErrorKind::NotConnected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_dials_at_once_than_sockets_in_stock_all_succeed() {
    let sandbox = server("127.0.0.1:8080").await;
    listens(&sandbox, &[8080]).await;
    let started = Instant::now();
    let mut dials = tokio::task::JoinSet::new();
    for _ in 0..300 {
        let dialer = sandbox.dialer.clone();
        dials.spawn(async move {
            let mut text = String::new();
            dialer.dial(8080).await?.read_to_string(&mut text).await
        });
    }
    let results = within(dials.join_all()).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    println!("300 dials at once: {:?}", started.elapsed());
}

#[tokio::test]
async fn a_privileged_port_may_be_used_as_in_a_pod() {
    let sandbox = server("127.0.0.1:80").await;
    listens(&sandbox, &[80]).await;
}

#[tokio::test]
async fn the_list_of_listening_ports_follows_the_process() {
    let sandbox = server("127.0.0.1:8080").await;
    listens(&sandbox, &[8080]).await;
    sandbox.process.signal(Signal::SIGKILL).await;
    listens(&sandbox, &[]).await;
}

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

#[tokio::test]
async fn with_no_descriptor_free_a_dial_waits_until_there_is_one() {
    let Some(_) = std::env::var_os(FEW) else { return few_descriptors() };
    let sandbox = script("exec sleep 60").await;
    // The stock has taken what there was; a dial takes one of it and gives it back.
    for _ in 0..100 {
        let refused = within(sandbox.dialer.dial(1)).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    }
}

/// Set for the process that may open few descriptors.
const FEW: &str = "SANDBOX_TEST_FEW";

fn few_descriptors() {
    let mut command = Command::new("bash");
    command.args(["-c", "ulimit -n 40; exec \"$@\"", "bash"]).arg(std::env::current_exe().unwrap());
    let case = "with_no_descriptor_free_a_dial_waits_until_there_is_one";
    let output = command.args(["--exact", case]).env(FEW, "1").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

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
        .args(["--exact", "hold_a_sandbox", "--nocapture"])
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
        .args(["--exact", "run_on_a_terminal", "--nocapture"])
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

/// A copy of /etc that may be changed, and an empty /run.
const OWN_ETC: &str = "mount -t tmpfs none /mnt; mkdir /mnt/etc
    cp -r /etc/passwd /etc/group /etc/ld.so.cache /mnt/etc; echo 'hosts: resolve' > /mnt/etc/nsswitch.conf
    mount --rbind /mnt/etc /etc; mount -t tmpfs none /run";

#[test]
fn resolv_conf_that_leads_into_a_hidden_directory_is_replaced_too() {
    let script = "mkdir -p /run/systemd/resolve /run/nscd; touch /run/systemd/resolve/io.systemd.Resolve /run/nscd/socket
        echo nameserver 127.0.0.53 > /run/systemd/resolve/stub-resolv.conf; touch /etc/hosts
        ln -s ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf";
    let cases = ["the_pods_files_are_seen_inside_and_not_outside", "sockets_of_name_services_are_hidden"];
    rearranged(&format!("{OWN_ETC}; {script}"), &cases);
}

#[test]
fn a_dangling_or_missing_resolv_conf_is_made_inside_only() {
    let cases = ["the_pods_files_are_seen_inside_and_not_outside", "other_files_stay"];
    let script = "mkdir -p /run/systemd/other; touch /run/systemd/other/file; ln -s file /run/systemd/link";
    rearranged(
        &format!("{OWN_ETC}; {script}; ln -s /run/systemd/resolve/stub-resolv.conf /etc/resolv.conf"),
        &cases,
    );
    rearranged(&format!("{OWN_ETC}; {script}"), &cases);
}

/// Not tests of their own: run by the two above where there is something to see.
#[tokio::test]
async fn sockets_of_name_services_are_hidden() {
    if std::env::var_os("SANDBOX_TEST_REARRANGED").is_some() {
        let text = "! [ -e /run/nscd/socket ] && ! [ -e /run/systemd/resolve/io.systemd.Resolve ]";
        assert_eq!(status_of(text).await, 0);
    }
}

#[tokio::test]
async fn other_files_stay() {
    if std::env::var_os("SANDBOX_TEST_REARRANGED").is_some() {
        assert_eq!(
            status_of("[ -f /run/systemd/other/file ] && [ -L /run/systemd/link ] && [ -s /etc/passwd ]")
                .await,
            0
        );
    }
}

#[test]
fn where_namespaces_are_refused_the_error_names_the_step_and_the_fix() {
    let refuse = |limit: &str| format!("echo 0 > /proc/sys/user/{limit}");
    rearranged(&refuse("max_user_namespaces"), &["the_limit_of_user_namespaces_is_named"]);
    rearranged(&refuse("max_net_namespaces"), &["the_limit_of_network_namespaces_is_named"]);
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
