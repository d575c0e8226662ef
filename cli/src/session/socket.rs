//! The control socket of a session: how `status` and `leave` in other terminals reach it.
//!
//! One Unix socket (0600) per session in a directory of this user's own. A client sends one line, the session
//! answers with one, or with many where exchanges or news are asked for (`client` is the other end). There is no daemon: a
//! session's socket ends with its process, and one whose process was killed is removed by whoever looks next.

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time;
use tunnel::status::{News, Session};
use tunnel::tasks::Tasks;

mod client;
mod follow;
#[cfg(test)]
mod tests;

pub use client::{Behind, Follow, Requests, behind, clear, leave, paths, replay, sessions, verify};

use super::inspect::Inspector;
use super::inspect::replay::{Outgoing, ReplayError};
use super::inspect::told::{self, Query};
use super::journal::Journal;
use super::status::Board;
use super::sync::{Sync, Verified};

/// Longest line in either direction.
const MAX_LINE: u64 = 1 << 20;
/// A client that says nothing is not kept.
const REQUEST: Duration = Duration::from_secs(5);
/// Exchanges or news that wait for a client to read them.
const TOLD: usize = 16;

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ask {
    /// Its status.
    Status,
    /// To end.
    Leave,
    /// To compare the pods with the laptop.
    Verify {
        /// Send again what differs.
        repair: bool,
    },
    /// To tell of requests; answered by lines of [`told::Told`].
    Requests(Query),
    /// To tell its state and its journal, and go on with that; answered by lines of [`News`].
    Follow,
    /// To forget all requests.
    Clear,
    /// To send a request again.
    Replay(Box<Outgoing>),
}

/// What a session answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// To [`Ask::Status`].
    Status(Box<Session>),
    /// To [`Ask::Leave`], when everything is undone; what is left otherwise.
    Left(Result<(), String>),
    /// To [`Ask::Verify`]; none: its code does not run in pods.
    Verified(Option<Vec<Verified>>),
    /// To [`Ask::Clear`]: exchanges up to this id are kept no more.
    Cleared(u64),
    /// To [`Ask::Replay`]: its id.
    Replayed(Result<u64, ReplayError>),
}

/// Sent to the session by a client that wants it to end; answered when it has.
pub struct LeaveRequest {
    done: oneshot::Sender<Result<(), String>>,
    told: oneshot::Receiver<()>,
}

impl LeaveRequest {
    /// Tells the client what became of it. Returns when the client has the answer, so that this process may end.
    pub async fn answer(self, left: Result<(), String>) {
        if self.done.send(left).is_ok() {
            // Ends either way when the client's task does.
            let _ = time::timeout(REQUEST, self.told).await;
        }
    }
}

/// The socket of one session; removed when dropped.
pub struct Socket {
    path: PathBuf,
    listener: UnixListener,
}

impl Socket {
    /// Makes the socket of session `id`.
    ///
    /// # Errors
    /// The directory is not this user's own, or can't be written.
    pub fn bind(id: &str) -> io::Result<Self> {
        let folder = folder()?;
        let path = folder.join(format!("{id}.sock"));
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { path, listener })
    }

    /// Answers clients until dropped.
    pub async fn run(self, session: Asked) {
        let clients = Tasks::default();
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                // Out of descriptors: the process has other troubles; status can wait.
                time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let (session, over) = (session.clone(), clients.stopping());
            // Not ended with the socket: the client that asked to leave waits for the answer.
            clients.spawn(async move {
                let _ = serve(stream, session, over).await;
            });
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Already gone is fine.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// What clients ask for.
#[derive(Clone)]
pub struct Asked {
    /// Its state.
    pub board: Board,
    /// What it remembers.
    pub journal: Journal,
    /// Who ends it.
    pub leave: mpsc::Sender<LeaveRequest>,
    /// What it keeps in sync.
    pub sync: Option<Arc<Sync>>,
    /// What it has seen.
    pub inspector: Inspector,
}

async fn serve(stream: UnixStream, session: Asked, over: impl Future<Output = ()>) -> io::Result<()> {
    let Asked { board, journal, leave, sync, inspector } = session;
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    time::timeout(REQUEST, (&mut stream).take(MAX_LINE).read_line(&mut line)).await??;
    // Lives until the answer is written.
    let mut telling_until_written: Option<oneshot::Sender<()>> = None;
    let answer = match serde_json::from_str(&line)? {
        Ask::Status => Answer::Status(Box::new(board.read())),
        Ask::Verify { repair } => Answer::Verified(match sync {
            Some(sync) => Some(sync.verify(repair).await),
            None => None,
        }),
        Ask::Requests(query) => {
            let telling = async |to| told::tell(&inspector, &query, &to).await;
            return tell(stream.into_inner(), telling).await;
        }
        Ask::Follow => {
            let telling = async |to: mpsc::Sender<News>| follow::tell(&board, &journal, over, &to).await;
            return tell(stream.into_inner(), telling).await;
        }
        Ask::Clear => Answer::Cleared(inspector.clear()),
        Ask::Replay(outgoing) => Answer::Replayed(inspector.replay(*outgoing).await),
        Ask::Leave => {
            let (done, ended) = oneshot::channel();
            let (telling, told) = oneshot::channel();
            telling_until_written = Some(telling);
            leave.send(LeaveRequest { done, told }).await.map_err(io::Error::other)?;
            Answer::Left(ended.await.map_err(io::Error::other)?)
        }
    };
    let written = say(stream.get_mut(), &answer).await;
    drop(telling_until_written);
    written
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), line: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    stream.write_all(&text).await
}

/// Writes what is told until all is, or the client is gone.
async fn tell<T: Serialize>(
    stream: UnixStream,
    telling: impl AsyncFnOnce(mpsc::Sender<T>) -> io::Result<()>,
) -> io::Result<()> {
    let (mut read, mut write) = stream.into_split();
    let (told_tx, mut told) = mpsc::channel(TOLD);
    let writing = async {
        while let Some(line) = told.recv().await {
            say(&mut write, &line).await?;
        }
        Ok(())
    };
    // A client says nothing more, until it goes.
    let mut nothing = [0; 1];
    tokio::select! {
        done = async { tokio::try_join!(writing, telling(told_tx)) } => done.map(drop),
        _ = read.read(&mut nothing) => Ok(()),
    }
}

/// `$XDG_RUNTIME_DIR/devbridge`, else `/tmp/devbridge-UID`; made if missing, 0700, this user's own.
fn folder() -> io::Result<PathBuf> {
    let uid = nix::unistd::getuid().as_raw();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_dir());
    let path = match runtime {
        Some(runtime) => runtime.join("devbridge"),
        None => std::env::temp_dir().join(format!("devbridge-{uid}")),
    };
    match std::fs::DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let metadata = std::fs::symlink_metadata(&path)?;
    if !metadata.is_dir() || metadata.uid() != uid || metadata.mode() & 0o077 != 0 {
        let text = format!("{} is not a directory of this user alone", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    Ok(path)
}
