//! A command on the laptop, with all it says.

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{self, Instant};

/// A running command. Dropped while it runs, it and all it started are killed.
pub struct Process {
    child: Child,
    pid: i32,
    said: Arc<Said>,
    what: String,
    _listening: JoinSet<()>,
}

#[derive(Default)]
struct Said {
    lines: Mutex<Vec<Line>>,
    more: Notify,
}

struct Line {
    after: Duration,
    stream: &'static str,
    text: String,
}

impl Said {
    fn matching(&self, from: usize, wanted: impl Fn(&Line) -> bool) -> Option<(usize, String)> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines
            .iter()
            .enumerate()
            .skip(from)
            .find(|(_, line)| wanted(line))
            .map(|(at, line)| (at, line.text.clone()))
    }
}

impl Process {
    /// Starts a command in a process group of its own, as a terminal does.
    pub(crate) fn start(mut command: Command, what: String) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {what}: {error}"));
        let pid = child
            .id()
            .and_then(|pid| pid.try_into().ok())
            .expect("a process that was just started has an id");
        let said = Arc::new(Said::default());
        let started = Instant::now();
        let stdout = child.stdout.take().expect("piped above");
        let stderr = child.stderr.take().expect("piped above");
        let mut listening = JoinSet::new();
        listening.spawn(listen(stdout, "out", started, Arc::clone(&said)));
        listening.spawn(listen(stderr, "err", started, Arc::clone(&said)));
        Self { child, pid, said, what, _listening: listening }
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Waits for a line that begins with `prefix`, also one said before; gives it.
    pub async fn line(&mut self, prefix: &str, within: Duration) -> String {
        self.line_from(0, prefix, within).await.1
    }

    /// How many lines were said: a place for [`Self::line_after`].
    pub fn lines(&self) -> usize {
        self.said.lines.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Waits for a line that begins with `prefix` and was said after place `from`.
    pub async fn line_after(&mut self, from: usize, prefix: &str, within: Duration) -> String {
        self.line_from(from, prefix, within).await.1
    }

    async fn line_from(&mut self, from: usize, prefix: &str, within: Duration) -> (usize, String) {
        let end = Instant::now() + within;
        loop {
            let more = self.said.more.notified();
            if let Some(found) = self.said.matching(from, |line| line.text.starts_with(prefix)) {
                return found;
            }
            tokio::select! {
                () = more => {}
                () = time::sleep_until(end) => panic!("no line `{prefix}…` within {within:?} from {self:?}"),
                code = self.child.wait() => {
                    // What it said last may still be in the pipe.
                    time::sleep(Duration::from_millis(200)).await;
                    match self.said.matching(from, |line| line.text.starts_with(prefix)) {
                        Some(found) => return found,
                        None => panic!("it ended ({code:?}) without a line `{prefix}…`: {self:?}"),
                    }
                }
            }
        }
    }

    /// Whether a line contains this text, until now.
    pub fn has_said(&self, text: &str) -> bool {
        self.said.matching(0, |line| line.text.contains(text)).is_some()
    }

    /// The names of the steps it has begun, in order.
    pub fn steps(&self) -> Vec<String> {
        let lines = self.said.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let names = lines.iter().filter_map(|line| line.text.strip_prefix("step: ")?.split(':').next());
        names.map(str::to_owned).collect()
    }

    /// All lines of its standard output.
    pub fn stdout(&self) -> String {
        self.stream("out")
    }

    /// All lines of its standard error.
    pub fn stderr(&self) -> String {
        self.stream("err")
    }

    fn stream(&self, stream: &str) -> String {
        let lines = self.said.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().filter(|line| line.stream == stream).map(|line| format!("{}\n", line.text)).collect()
    }

    /// Signals the command alone, as `kill` does.
    pub fn signal(&self, signal: Signal) {
        let _ = kill(Pid::from_raw(self.pid), signal);
    }

    /// Signals all of its group, as the keys of a terminal do.
    pub fn signal_group(&self, signal: Signal) {
        let _ = killpg(Pid::from_raw(self.pid), signal);
    }

    /// Waits for its end; gives the exit code as a shell reports it.
    pub async fn exit(&mut self, within: Duration) -> i32 {
        use std::os::unix::process::ExitStatusExt as _;
        let status = time::timeout(within, self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("not ended within {within:?}: {self:?}"));
        let status = status.unwrap_or_else(|error| panic!("{}: {error}", self.what));
        // Its last lines may still be in the pipes.
        time::sleep(Duration::from_millis(50)).await;
        status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
    }
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` (pid {}):", self.what, self.pid)?;
        for line in self.said.lines.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            write!(f, "\n  {:8.3} {} {}", line.after.as_secs_f64(), line.stream, line.text)?;
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{self:?}");
        }
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal_group(Signal::SIGKILL);
        }
    }
}

async fn listen(stream: impl AsyncRead + Unpin, name: &'static str, started: Instant, said: Arc<Said>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(text)) = lines.next_line().await {
        let line = Line { after: started.elapsed(), stream: name, text };
        said.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        said.more.notify_waiters();
    }
}
