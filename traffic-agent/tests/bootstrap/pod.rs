//! The bootstrap in a stand-in for a pod: its volumes, its ports, and what can be asked of the stand-in for the agent.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::fd::{AsRawFd as _, OwnedFd},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        mpsc::{self, Receiver},
    },
    thread,
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder};
use nix::{
    sys::{
        signal::{Signal, kill},
        socket::{
            AddressFamily, SockFlag, SockType, SockaddrIn6, SockaddrLike as _, bind, getsockname, setsockopt,
            socket, sockopt::ReuseAddr,
        },
    },
    unistd::Pid,
};
use tempfile::TempDir;

/// Bounds what cannot be late unless something is wrong.
const DEADLINE: Duration = Duration::from_secs(20);

/// The volumes of a pod, with the stand-in as the agent.
pub(crate) struct Pod(TempDir);

impl Pod {
    pub(crate) fn new() -> Self {
        let pod = Self(tempfile::tempdir().unwrap());
        fs::create_dir(pod.run()).unwrap();
        fs::create_dir(pod.parts()).unwrap();
        pod.pack(&fs::read(&programs().stub).unwrap());
        pod
    }

    pub(crate) fn run(&self) -> PathBuf {
        self.0.path().join("run")
    }

    pub(crate) fn parts(&self) -> PathBuf {
        self.0.path().join("parts")
    }

    /// Compresses a program into three parts.
    pub(crate) fn pack(&self, program: &[u8]) {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(program).unwrap();
        let packed = encoder.finish().unwrap();
        for (number, part) in packed.chunks(packed.len().div_ceil(3)).enumerate() {
            fs::write(self.parts().join(format!("part-{number:02}")), part).unwrap();
        }
    }

    pub(crate) fn start(&self, ports: &[&Port], args: &[&str]) -> Container {
        let mut env = Command::new("env");
        // A shell's background jobs ignore it, and so would all that they start.
        env.arg("--default-signal=INT");
        self.start_by(env, ports, args)
    }

    /// Starts the bootstrap through another command.
    pub(crate) fn start_by(&self, mut command: Command, ports: &[&Port], args: &[&str]) -> Container {
        let ports: Vec<String> = ports.iter().map(|port| port.number.to_string()).collect();
        command.arg(&programs().bootstrap).arg("--ports").arg(ports.join(","));
        self.start_as(command, args)
    }

    /// Starts a bootstrap whose own flags are given.
    pub(crate) fn start_as(&self, mut command: Command, args: &[&str]) -> Container {
        command.arg("--parts").arg(self.parts()).arg("--run").arg(self.run()).arg("--").args(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = lines(child.stdout.take().unwrap());
        let stderr = lines(child.stderr.take().unwrap());
        Container { child, stdout, stderr }
    }
}

/// A running bootstrap. Dies when dropped, and its agent with it.
pub(crate) struct Container {
    pub(crate) child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

/// What a started stand-in says about itself.
pub(crate) struct Up {
    pub(crate) pid: Pid,
    pub(crate) listen: String,
    pub(crate) args: String,
}

impl Container {
    /// Waits for the next start of the agent.
    pub(crate) fn up(&mut self) -> Up {
        let line = self.stdout.recv_timeout(DEADLINE).expect("the agent comes up");
        let fields = line.strip_prefix("up pid=").unwrap();
        let (pid, fields) = fields.split_once(" listen=").unwrap();
        let (listen, args) = fields.split_once(" args=").unwrap();
        Up { pid: Pid::from_raw(pid.parse().unwrap()), listen: listen.to_owned(), args: args.to_owned() }
    }

    /// The next line on standard error.
    pub(crate) fn said(&mut self) -> String {
        self.stderr.recv_timeout(DEADLINE).expect("a line on standard error")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Waits for the end; the exit status, or -1 for a signal.
    pub(crate) fn end(&mut self) -> i32 {
        let mut status = None;
        wait_until("the bootstrap ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.and_then(|status| status.code()).unwrap_or(-1)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody else gets meanwhile: it is bound here too, but not listened on.
pub(crate) struct Port {
    pub(crate) number: u16,
    pub(crate) socket: OwnedFd,
}

impl Port {
    pub(crate) fn reserve() -> Self {
        let socket = socket(AddressFamily::Inet6, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
        setsockopt(&socket, ReuseAddr, &true).unwrap();
        let any: SockaddrIn6 = "[::]:0".parse::<std::net::SocketAddrV6>().unwrap().into();
        bind(socket.as_raw_fd(), &any).unwrap();
        let bound: SockaddrIn6 = getsockname(socket.as_raw_fd()).unwrap();
        assert!(bound.len() > 0);
        Self { number: bound.port(), socket }
    }
}

pub(crate) fn ask(port: &Port, command: &str) -> String {
    receive(&send(port, command))
}

pub(crate) fn send(port: &Port, command: &str) -> TcpStream {
    let mut connection = TcpStream::connect(("127.0.0.1", port.number)).unwrap();
    connection.set_read_timeout(Some(DEADLINE)).unwrap();
    writeln!(connection, "{command}").unwrap();
    connection
}

pub(crate) fn receive(connection: &TcpStream) -> String {
    let mut answer = String::new();
    BufReader::new(connection).read_line(&mut answer).unwrap();
    answer.trim_end().to_owned()
}

/// The state of a process as in `/proc`, none when it is gone.
pub(crate) fn state(pid: Pid) -> Option<char> {
    let mut stat = String::new();
    File::open(format!("/proc/{pid}/stat")).ok()?.read_to_string(&mut stat).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Whether a process has ended with all its threads. That it is a zombie says so of the first one only: another may still
/// take a connection, and break it off.
pub(crate) fn dead(pid: Pid) -> bool {
    let threads = || fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    state(pid).is_none_or(|state| state == 'Z' && threads() <= 1)
}

pub(crate) fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let started = Instant::now();
    while !reached() {
        assert!(started.elapsed() < DEADLINE, "not reached: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn lines(from: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (line_tx, line_rx) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if line_tx.send(line).is_err() {
                break;
            }
        }
    });
    line_rx
}

pub(crate) struct Programs {
    pub(crate) bootstrap: PathBuf,
    pub(crate) stub: PathBuf,
}

/// Builds both once for all tests here: the bootstrap is no member of the workspace.
pub(crate) fn programs() -> &'static Programs {
    static PROGRAMS: OnceLock<Programs> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        // Where packaging builds it too, so that the work is done once.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bootstrap");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--release", "--bins", "--examples", "--manifest-path"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("bootstrap/Cargo.toml"))
            .env("CARGO_TARGET_DIR", &target)
            .status()
            .unwrap();
        assert!(built.success());
        let release = target.join("release");
        Programs { bootstrap: release.join("bootstrap"), stub: release.join("examples/stub") }
    })
}
