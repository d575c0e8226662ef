//! What containers write: of several pods in the order of time, and on and on as pods come and go.

mod seen;

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::io::{AsyncBufRead, AsyncBufReadExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, LogParams};
use tokio::sync::{mpsc, watch as flag};
use tokio::time;
use tunnel::tasks::Tasks;

use super::api::{ApiError, Doing};
use super::watch::{self, Selection};
use super::{Cluster, pods};
use seen::Known;
pub use seen::Seen;

/// Longest line that is kept whole; the rest of a longer one is a line of its own.
const LONGEST: usize = 256 << 10;
/// Lines that wait to be printed, of one container and of all.
const QUEUE: usize = 256;
/// Pause before a stream that ended is asked for again.
const AGAIN: Duration = Duration::from_millis(500);

/// Which lines.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The container; none: the one that people mean.
    pub container: Option<String>,
    /// So many of the newest lines of each container; none: all.
    pub tail: Option<i64>,
    /// Not older than this.
    pub since: Option<Duration>,
    /// Of the container's run before this one.
    pub previous: bool,
    /// Whose.
    pub whose: Whose,
}

/// Whose lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Whose {
    /// The target's own, and those of code that runs in its place.
    #[default]
    Target,
    /// The target's own alone.
    Originals,
    /// Those of code that runs in its place.
    Code,
    /// devbridge's agents'.
    Agents,
}

/// What an agent's and its bootstrap's own lines begin with, where other code writes to the same log.
const OWN: [&str; 2] = ["devbridge ", "bootstrap: "];

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Who wrote it.
    pub pod: String,
    /// In which container.
    pub container: String,
    /// When, as the kubelet says.
    pub time: Option<Timestamp>,
    /// Without its end.
    pub text: String,
}

/// A container whose lines are wanted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Source {
    pod: String,
    uid: String,
    container: String,
    /// An agent writes there, and the code that it runs.
    both: bool,
}

impl Wanted {
    /// The containers of `pods` whose lines are wanted and can be there.
    fn sources(&self, pods: &[Pod]) -> Vec<Source> {
        let wanted = |pod: &&Pod| match (self.whose, pods::is_agent(pod)) {
            (Whose::Target, agent) => !agent || pods::runs_code(pod),
            (Whose::Originals, agent) => !agent,
            (Whose::Code, _) => pods::runs_code(pod),
            (Whose::Agents, agent) => agent,
        };
        let sources = pods.iter().filter(wanted).filter_map(|pod| {
            let container = pods::container(pod, self.container.as_deref()).ok()?;
            has_run(pod, &container).then(|| Source {
                pod: pod.name_any(),
                uid: pod.uid().unwrap_or_default(),
                container,
                both: pods::runs_code(pod),
            })
        });
        sources.collect()
    }

    /// Whether a line of `source` is wanted.
    fn takes(&self, source: &Source, line: &Line) -> bool {
        let own = OWN.iter().any(|own| line.text.starts_with(own));
        !source.both || own == (self.whose == Whose::Agents)
    }

    fn params(&self, source: &Source) -> LogParams {
        LogParams {
            container: Some(source.container.clone()),
            previous: self.previous,
            since_seconds: self.since.map(|since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX).max(1)),
            tail_lines: self.tail,
            timestamps: true,
            ..LogParams::default()
        }
    }
}

/// The lines that there are, in the order of time; `print` answers whether anybody still reads. What is known at the end
/// is where [`follow`] goes on.
///
/// # Errors
/// The API server refuses, also for one container only.
pub async fn past(
    cluster: &Cluster,
    found: &[Pod],
    wanted: &Wanted,
    mut print: impl FnMut(&Line) -> bool,
) -> Result<Seen, ApiError> {
    let mut seen = Seen::default();
    let mut streams = Vec::new();
    for source in wanted.sources(found) {
        let doing = || format!("read the log of pod {}, container {}", source.pod, source.container);
        let stream =
            cluster.api::<Pod>().log_stream(&source.pod, &wanted.params(&source)).await.doing(doing)?;
        seen.of(&source);
        let mut stream = Stream::new(source, Box::pin(stream));
        stream.next().await;
        streams.push(stream);
    }
    // The oldest of the heads, again and again.
    while let Some(oldest) = streams
        .iter_mut()
        .filter(|stream| stream.head.is_some())
        .min_by_key(|stream| stream.head.as_ref().and_then(|line| line.time))
    {
        let Some(line) = oldest.head.take() else { break };
        seen.of(&oldest.source).add(&line);
        if wanted.takes(&oldest.source, &line) && !print(&line) {
            break;
        }
        oldest.next().await;
    }
    Ok(seen)
}

/// Lines that are not in `seen`, for ever, of all pods that come; each once, also when a connection was lost meanwhile or
/// this is called again. Ends when `print` says so.
///
/// # Errors
/// The API server refuses to tell of the pods.
pub async fn follow(
    cluster: &Cluster,
    selection: &Selection,
    wanted: &Wanted,
    seen: &mut Seen,
    mut print: impl FnMut(&Line) -> bool,
) -> Result<(), ApiError> {
    // container --lines--> here
    let (lines_tx, mut lines) = mpsc::channel(QUEUE);
    // watch --containers that are there--> their readers
    let (there_tx, there) = flag::channel(Vec::new());
    let tasks = Tasks::default();
    let mut read_already = BTreeSet::new();
    let api = cluster.api::<Pod>();
    let before = seen.clone();
    let watching = watch::follow(&api, selection, |pods| {
        let sources = wanted.sources(pods);
        for source in sources.iter().filter(|source| !read_already.contains(*source)) {
            let reader = Reader {
                pods: api.clone(),
                source: Arc::new(source.clone()),
                params: LogParams { follow: true, timestamps: true, ..wanted.params(source) },
                known: before.get(source).cloned(),
                wanted: wanted.clone(),
                there: there.clone(),
                lines: lines_tx.clone(),
            };
            tasks.spawn_until_stopped(reader.run());
        }
        read_already = sources.iter().cloned().collect();
        there_tx.send_replace(sources);
        None::<()>
    });
    tokio::pin!(watching);
    loop {
        tokio::select! {
            ended = &mut watching => return ended.doing(|| "follow the pods".into()),
            line = lines.recv() => {
                // One sender is here.
                let Some((source, line)) = line else { return Ok(()) };
                seen.of(&source).add(&line);
                if !print(&line) {
                    return Ok(());
                }
            }
        }
    }
}

/// Reads one container's log to its end, and again as long as its pod is there.
struct Reader {
    pods: Api<Pod>,
    source: Arc<Source>,
    params: LogParams,
    /// None: nobody has looked there before.
    known: Option<Known>,
    wanted: Wanted,
    there: flag::Receiver<Vec<Source>>,
    lines: mpsc::Sender<(Arc<Source>, Line)>,
}

impl Reader {
    async fn run(mut self) {
        // Of a container that is new all is wanted, and of another one what comes after what is known.
        if self.known.is_none() {
            (self.params.tail_lines, self.params.since_seconds) = (None, None);
        }
        let mut known = self.known.take().unwrap_or_default();
        loop {
            if let Some(from) = known.complete_from() {
                (self.params.tail_lines, self.params.since_seconds) = (None, None);
                self.params.since_time = Some(from);
            }
            if let Ok(stream) = self.pods.log_stream(&self.source.pod, &self.params).await {
                let mut stream = Stream::new(Source::clone(&self.source), Box::pin(stream));
                while let Some(line) = stream.next().await.take() {
                    // Only a log that is asked for again has them.
                    if self.params.since_time.is_some() && known.is_before(&line) {
                        continue;
                    }
                    let wanted = known.add(&line) && self.wanted.takes(&self.source, &line);
                    if wanted && self.lines.send((Arc::clone(&self.source), line)).await.is_err() {
                        return;
                    }
                }
            }
            if !self.there.borrow().contains(&self.source) {
                return;
            }
            time::sleep(AGAIN).await;
        }
    }
}

/// One container's lines.
struct Stream {
    source: Source,
    bytes: Pin<Box<dyn AsyncBufRead + Send>>,
    head: Option<Line>,
}

impl Stream {
    fn new(source: Source, bytes: Pin<Box<dyn AsyncBufRead + Send>>) -> Self {
        Self { source, bytes, head: None }
    }

    /// Reads the next line; none: the stream has ended, or broken.
    async fn next(&mut self) -> &mut Option<Line> {
        self.head = line(&mut self.bytes).await.map(|bytes| self.parse(&bytes));
        &mut self.head
    }

    /// `2026-01-02T03:04:05.678Z text`
    fn parse(&self, bytes: &[u8]) -> Line {
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_end_matches(['\n', '\r']);
        let (time, text) = match text.split_once(' ') {
            Some((stamp, rest)) if stamp.parse::<Timestamp>().is_ok() => (stamp.parse().ok(), rest),
            // Of an empty line only the time is left.
            _ => text.parse().map_or((None, text), |time| (Some(time), "")),
        };
        let Source { pod, container, .. } = self.source.clone();
        Line { pod, container, time, text: text.to_owned() }
    }
}

/// One line with its end, or so much of it as is kept.
async fn line(bytes: &mut Pin<Box<dyn AsyncBufRead + Send>>) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    loop {
        let read = bytes.fill_buf().await.ok()?;
        if read.is_empty() {
            return (!line.is_empty()).then_some(line);
        }
        let end = read.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let take = end.unwrap_or(read.len()).min(LONGEST.saturating_sub(line.len()));
        line.extend_from_slice(read.get(..take).unwrap_or_default());
        bytes.consume_unpin(take);
        if line.ends_with(b"\n") || line.len() >= LONGEST {
            return Some(line);
        }
    }
}

/// Whether a container has ever run: before, it has no log.
fn has_run(pod: &Pod, container: &str) -> bool {
    let status = pod.status.as_ref();
    let all = status.into_iter().flat_map(|status| {
        let (usual, init) = (&status.container_statuses, &status.init_container_statuses);
        [usual, init, &status.ephemeral_container_statuses].into_iter().flatten().flatten()
    });
    let mut own = all.filter(|status| status.name == container);
    own.any(|status| {
        let state = status.state.as_ref();
        status.restart_count > 0
            || state.is_some_and(|state| state.running.is_some() || state.terminated.is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(text: &'static str) -> Vec<(Option<i64>, String)> {
        let source = Source { pod: "web-1".into(), uid: "u".into(), container: "app".into(), both: false };
        let mut stream = Stream::new(source, Box::pin(futures::io::Cursor::new(text.as_bytes())));
        let mut lines = Vec::new();
        while let Some(line) = stream.next().await.take() {
            lines.push((line.time.map(Timestamp::as_second), line.text));
        }
        lines
    }

    #[tokio::test]
    async fn lines_are_told_from_their_times() {
        let text =
            "1970-01-01T00:00:07.5Z two words\n1970-01-01T00:00:08Z \n1970-01-01T00:00:09Z\nno time\nlast";
        let expected =
            [(Some(7), "two words"), (Some(8), ""), (Some(9), ""), (None, "no time"), (None, "last")];
        assert_eq!(lines(text).await, expected.map(|(time, text)| (time, text.to_owned())));
    }

    #[test]
    fn what_an_agent_says_itself_is_told_from_what_the_code_says() {
        let source = |both| Source { pod: "p".into(), uid: "u".into(), container: "c".into(), both };
        let line =
            |text: &str| Line { pod: "p".into(), container: "c".into(), time: None, text: text.into() };
        let takes =
            |whose, both, text| Wanted { whose, ..Wanted::default() }.takes(&source(both), &line(text));
        assert!(takes(Whose::Target, true, "listening") && takes(Whose::Agents, true, "devbridge INFO x"));
        assert!(!takes(Whose::Target, true, "bootstrap: x") && !takes(Whose::Agents, true, "listening"));
        assert!(takes(Whose::Target, false, "devbridge is great"), "an original's own words");
    }

    #[tokio::test]
    async fn a_line_without_end_is_cut() {
        let long: &'static str = "x".repeat(LONGEST + 10).leak();
        let found: Vec<_> = lines(long).await.iter().map(|(_, text)| text.len()).collect();
        assert_eq!(found, [LONGEST, 10]);
    }
}
