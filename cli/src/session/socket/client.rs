//! What other terminals do with a session: look, ask, end it.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::time;
use tunnel::status::{News, Session};

use super::{Answer, Ask, MAX_LINE, REQUEST, folder, say};
use crate::session::inspect::replay::{Outgoing, ReplayError};
use crate::session::inspect::told::{Query, Told};
use crate::session::sync::Verified;

/// Looks at a process that is just ending, and the pause between two.
const LOOKS: u32 = 60;
const LOOK: Duration = Duration::from_millis(50);
/// Leaving waits for open requests and the process.
const LEAVE: Duration = Duration::from_secs(60);
/// Everything is read again in the pods.
const VERIFY: Duration = Duration::from_secs(600);
/// Connecting, and as long again for the answer.
const REPLAY: Duration = Duration::from_secs(150);

/// The status of every running session of this user, and the sockets to reach them.
///
/// # Errors
/// The directory is not this user's own.
pub async fn sessions() -> io::Result<Vec<(Session, PathBuf)>> {
    let mut found = Vec::new();
    for path in paths()? {
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

/// The sockets of all sessions of this user, those of dead ones too.
///
/// # Errors
/// The directory is not this user's own.
pub fn paths() -> io::Result<BTreeSet<PathBuf>> {
    let entries = std::fs::read_dir(folder()?)?.map(|entry| entry.map(|entry| entry.path()));
    let is_socket = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "sock");
    entries.filter(|path| path.as_ref().is_ok_and(is_socket)).collect()
}

/// What there is behind a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// A session.
    Session,
    /// A process that was killed; its socket is removed.
    Dead,
    /// The socket is gone, as its session is.
    Nothing,
}

/// Looks behind `socket`. A process that is just ending takes connections and answers none, so that is looked at again, for
/// some seconds.
pub async fn behind(socket: &Path) -> Behind {
    for _ in 0..LOOKS {
        match ask(socket, Ask::Status, REQUEST).await {
            Ok(_) => return Behind::Session,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Behind::Nothing,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => break,
            Err(_) => time::sleep(LOOK).await,
        }
    }
    // Gone meanwhile is fine.
    let _ = std::fs::remove_file(socket);
    Behind::Dead
}

/// Has the session behind `socket` forget all exchanges; ids up to the one that it gives are kept no more.
///
/// # Errors
/// It can't be reached or did not answer.
pub async fn clear(socket: &Path) -> io::Result<u64> {
    match ask(socket, Ask::Clear, REQUEST).await? {
        Answer::Cleared(up_to) => Ok(up_to),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
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
pub struct Requests(Lines);

impl Requests {
    /// Asks for them.
    ///
    /// # Errors
    /// It can't be reached.
    pub async fn ask(socket: &Path, query: Query) -> io::Result<Self> {
        Lines::ask(socket, &Ask::Requests(query)).await.map(Self)
    }

    /// The next line; none: that was all, or the session has ended. Cancel safe.
    ///
    /// # Errors
    /// The session ended in the middle of a line, or said something else.
    pub async fn next(&mut self) -> io::Result<Option<Told>> {
        self.0.next().await
    }
}

/// State and journal of the session behind `socket`, as it tells of them: first the state, then what is kept, then what comes.
pub struct Follow(Lines);

impl Follow {
    /// Asks for them.
    ///
    /// # Errors
    /// It can't be reached.
    pub async fn ask(socket: &Path) -> io::Result<Self> {
        Lines::ask(socket, &Ask::Follow).await.map(Self)
    }

    /// The next line; none: the session has ended, or it is of a devbridge that does not know this question. Cancel safe.
    ///
    /// # Errors
    /// The session ended in the middle of a line, or said something else.
    pub async fn next(&mut self) -> io::Result<Option<News>> {
        self.0.next().await
    }
}

/// An answer of many lines.
struct Lines {
    stream: BufReader<UnixStream>,
    /// What has come of the next one.
    line: Vec<u8>,
}

impl Lines {
    async fn ask(socket: &Path, ask: &Ask) -> io::Result<Self> {
        let mut stream = UnixStream::connect(socket).await?;
        say(&mut stream, ask).await?;
        Ok(Self { stream: BufReader::new(stream), line: Vec::new() })
    }

    async fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let room = MAX_LINE.saturating_sub(self.line.len() as u64);
        match (&mut self.stream).take(room).read_until(b'\n', &mut self.line).await {
            Ok(_) if self.line.is_empty() => Ok(None),
            Ok(_) => {
                let told = serde_json::from_slice(&self.line);
                self.line.clear();
                Ok(Some(told?))
            }
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
