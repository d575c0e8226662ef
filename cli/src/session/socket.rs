//! The control socket of a session: how `status` and `leave` in other terminals reach it.
//!
//! One Unix socket (0600) per session in a directory of this user's own. A client sends one line, the session
//! answers with one, or with many where exchanges are asked for. There is no daemon: a session's socket ends with its process, and one whose process was
//! killed is removed by whoever looks next.

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time;
use tunnel::status::Session;
use tunnel::tasks::Tasks;

use super::inspect::Inspector;
use super::inspect::replay::{Outgoing, ReplayError};
use super::inspect::told::{self, Query, Told};
use super::status::Board;
use super::sync::{Sync, Verified};

/// Longest line in either direction.
const MAX_LINE: u64 = 1 << 20;
/// A client that says nothing is not kept.
const REQUEST: Duration = Duration::from_secs(5);
/// Leaving waits for open requests and the process.
const LEAVE: Duration = Duration::from_secs(60);

/// Everything is read again in the pods.
const VERIFY: Duration = Duration::from_secs(600);

/// Connecting, and as long again for the answer.
const REPLAY: Duration = Duration::from_secs(150);
/// Exchanges that wait for a client to read them.
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
    /// To tell of requests; answered by lines of [`Told`].
    Requests(Query),
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
            let session = session.clone();
            // Not ended with the socket: the client that asked to leave waits for the answer.
            clients.spawn(async move {
                let _ = serve(stream, session).await;
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
    /// Who ends it.
    pub leave: mpsc::Sender<LeaveRequest>,
    /// What it keeps in sync.
    pub sync: Option<Arc<Sync>>,
    /// What it has seen.
    pub inspector: Inspector,
}

async fn serve(stream: UnixStream, session: Asked) -> io::Result<()> {
    let Asked { board, leave, sync, inspector } = session;
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
        Ask::Requests(query) => return tell(stream.into_inner(), &inspector, &query).await,
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
async fn tell(stream: UnixStream, inspector: &Inspector, query: &Query) -> io::Result<()> {
    let (mut read, mut write) = stream.into_split();
    let (told_tx, mut told) = mpsc::channel(TOLD);
    let writing = async {
        while let Some(line) = told.recv().await {
            say(&mut write, &line).await?;
        }
        Ok(())
    };
    let telling = async {
        let told = told::tell(inspector, query, &told_tx).await;
        drop(told_tx);
        told
    };
    // A client says nothing more, until it goes.
    let mut nothing = [0; 1];
    tokio::select! {
        done = async { tokio::try_join!(writing, telling) } => done.map(drop),
        _ = read.read(&mut nothing) => Ok(()),
    }
}

/// The status of every running session of this user, and the sockets to reach them.
///
/// # Errors
/// The directory is not this user's own.
pub async fn sessions() -> io::Result<Vec<(Session, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder()?)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "sock") {
            continue;
        }
        match ask(&path, Ask::Status, REQUEST).await {
            Ok(Answer::Status(session)) => found.push((*session, path)),
            // Its process was killed: nobody listens any more.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                let _ = std::fs::remove_file(&path);
            }
            _ => {}
        }
    }
    found.sort_by(|(a, _), (b, _)| a.since.cmp(&b.since));
    Ok(found)
}

/// Has the session behind `socket` leave, and waits until it has.
///
/// # Errors
/// It can't be reached or did not answer; the inner error is what it could not undo.
pub async fn leave(socket: &Path) -> io::Result<Result<(), String>> {
    match ask(socket, Ask::Leave, LEAVE).await? {
        Answer::Left(left) => Ok(left),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Has the session behind `socket` compare its pods with the laptop; none: its code does not run in pods.
///
/// # Errors
/// It can't be reached or did not answer.
pub async fn verify(socket: &Path, repair: bool) -> io::Result<Option<Vec<Verified>>> {
    match ask(socket, Ask::Verify { repair }, VERIFY).await? {
        Answer::Verified(verified) => Ok(verified),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Has the session behind `socket` send a request again; the id of what comes.
///
/// # Errors
/// It can't be reached or did not answer; the inner error is why it could not be sent.
pub async fn replay(socket: &Path, outgoing: Outgoing) -> io::Result<Result<u64, ReplayError>> {
    match ask(socket, Ask::Replay(Box::new(outgoing)), REPLAY).await? {
        Answer::Replayed(replayed) => Ok(replayed),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Exchanges of the session behind `socket`, as it tells of them.
pub struct Requests(BufReader<UnixStream>);

impl Requests {
    /// Asks for them.
    ///
    /// # Errors
    /// It can't be reached.
    pub async fn ask(socket: &Path, query: Query) -> io::Result<Self> {
        let mut stream = UnixStream::connect(socket).await?;
        say(&mut stream, &Ask::Requests(query)).await?;
        Ok(Self(BufReader::new(stream)))
    }

    /// The next line; none: that was all, or the session has ended.
    ///
    /// # Errors
    /// The session ended in the middle of a line, or said something else.
    pub async fn next(&mut self) -> io::Result<Option<Told>> {
        let mut line = String::new();
        match (&mut self.0).take(MAX_LINE).read_line(&mut line).await {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(serde_json::from_str(&line)?)),
            // Its process ended with what was still to be said.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
            Err(error) => Err(error),
        }
    }
}

async fn ask(socket: &Path, ask: Ask, limit: Duration) -> io::Result<Answer> {
    let asking = async {
        let mut stream = UnixStream::connect(socket).await?;
        say(&mut stream, &ask).await?;
        let mut answer = String::new();
        BufReader::new(stream.take(MAX_LINE)).read_line(&mut answer).await?;
        if answer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_str(&answer)?)
    };
    time::timeout(limit, asking).await?
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
