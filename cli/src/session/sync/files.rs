//! The conversation with the writer of files in one pod.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{self, Instant};
use tunnel::message::Open;
use tunnel::sync::pack::{MAX_PACK, Pack, Packer};
use tunnel::sync::tree::{Leaf, Tree};
use tunnel::sync::{FromPod, Hash, MAX_ANSWER, ToPod, Trouble};
use tunnel::tasks::Tasks;
use tunnel::{Connection, Flow, Priority, SendHalf, StreamError};

use super::compare::MOST;
use super::items::{self, Item, Pieces, Produced, produce};
use crate::watch::tree::{Entry, Kind};

/// Answers that wait to be looked at.
const ANSWERS: usize = 1024;
/// What was read and waits to be sent: up to 64 KiB each.
const PRODUCED: usize = 32;
/// Troubles of one batch that are remembered.
const TROUBLES: usize = 16;
/// A writer that answers nothing for so long is taken for lost; the way to it may be away for as long as a session resumes.
const ANSWER: Duration = Duration::from_secs(90);

/// The writer of one pod.
pub(super) struct Files {
    send: SendHalf,
    answers: mpsc::Receiver<FromPod>,
    packer: Packer,
    /// What it has, as it was sent.
    tree: Tree,
    /// Folders that the laptop has no more, and that stay there.
    spared: BTreeSet<PathBuf>,
    /// Bytes a second, and when the next may go.
    limit: Option<(u64, Instant)>,
    /// A batch was not written as it should be: everything is compared before the next one.
    doubtful: bool,
    sent: u64,
    _hearing: Tasks,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// What could not be done.
    pub(super) troubles: Vec<Trouble>,
    /// Both ends have the same.
    pub(super) same: bool,
    /// Bytes that travelled.
    pub(super) bytes: u64,
    /// Files that were sent.
    pub(super) files: usize,
}

impl Written {
    /// Notes what the pod says of a batch; a root: something was committed.
    fn note(&mut self, answer: FromPod) -> Result<Option<Hash>, FilesError> {
        match answer {
            FromPod::Committed { root, .. } => return Ok(Some(root)),
            FromPod::Failed(trouble) => {
                // One disk that is full is said once.
                if self.troubles.len() < TROUBLES {
                    self.troubles.push(trouble);
                }
            }
            _ => return Err(FilesError::Unexpected),
        }
        Ok(None)
    }
}

/// The conversation is over.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilesError {
    /// The way to the pod is gone, or the agent is.
    #[error("the connection to the agent ended")]
    Lost(#[from] StreamError),
    /// It ended the stream.
    #[error("the agent ended the stream")]
    Ended,
    /// Nothing came.
    #[error("the agent did not answer within {} s", ANSWER.as_secs())]
    Silent,
    /// It answered something else.
    #[error("the agent gave an answer that does not fit")]
    Unexpected,
    /// It has more than can be compared.
    #[error("the folder in the container has more than {MOST} files and folders that count")]
    TooMany,
    /// It can't write there.
    #[error("the folder in the container can't be written")]
    Refused(Trouble),
}

impl Files {
    /// Begins to write into the folder `to` of the container.
    pub(super) async fn open(
        connection: &Connection,
        to: &Path,
        limit: Option<u64>,
    ) -> Result<Self, FilesError> {
        let opened = connection.open(&Open::Sync, Priority::Bulk).await;
        let Flow { send, mut recv } = opened.map_err(|_| FilesError::Ended)?;
        let (answers_tx, answers) = mpsc::channel(ANSWERS);
        let hearing = Tasks::default();
        hearing.spawn_until_stopped(async move {
            while let Ok(Some(answer)) = recv.message::<FromPod>(MAX_ANSWER).await {
                if answers_tx.send(answer).await.is_err() {
                    return;
                }
            }
        });
        let mut files = Self {
            send,
            answers,
            packer: Packer::default(),
            tree: Tree::default(),
            spared: BTreeSet::new(),
            limit: limit.map(|limit| (limit, Instant::now())),
            doubtful: false,
            sent: 0,
            _hearing: hearing,
        };
        files.tell(&ToPod::Begin { to: items::wire(to) }).await?;
        match files.answer().await? {
            FromPod::Begun(Ok(_)) => Ok(files),
            FromPod::Begun(Err(trouble)) => Err(FilesError::Refused(trouble)),
            _ => Err(FilesError::Unexpected),
        }
    }

    /// Whether everything has to be compared before the next batch.
    pub(super) fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// Both ends forget what it has: everything is compared again.
    pub(super) async fn forget(&mut self) -> Result<(), FilesError> {
        self.tree = Tree::default();
        self.spared.clear();
        self.tell(&ToPod::Forget).await
    }

    /// These folders are gone here and stay there.
    pub(super) fn spare(&mut self, folders: &BTreeSet<PathBuf>) {
        self.spared.extend(folders.iter().cloned());
    }

    /// Adds one message; it may wait for others.
    pub(super) async fn tell(&mut self, message: &ToPod) -> Result<(), FilesError> {
        let full = self.packer.push(message).map_err(StreamError::Decode)?;
        match full {
            Some(pack) => self.send(pack).await,
            None => Ok(()),
        }
    }

    /// The next answer, after all that was told has been sent.
    pub(super) async fn answer(&mut self) -> Result<FromPod, FilesError> {
        if let Some(pack) = self.packer.take() {
            self.send(pack).await?;
        }
        let answer = time::timeout(ANSWER, self.answers.recv()).await.map_err(|_| FilesError::Silent)?;
        answer.ok_or(FilesError::Ended)
    }

    async fn send(&mut self, pack: Pack) -> Result<(), FilesError> {
        let length = pack.len() as u64;
        self.sent += length;
        if let Some((limit, next)) = &mut self.limit {
            time::sleep_until(*next).await;
            *next = Instant::now() + Duration::from_secs_f64(length as f64 / (*limit).max(1) as f64);
        }
        Ok(self.send.message(&pack, MAX_PACK).await?)
    }

    /// Resolves when the conversation is over. An answer to nothing is dropped. Cancel safe.
    pub(super) async fn over(&mut self) {
        while self.answers.recv().await.is_some() {}
    }

    /// Sends a batch of what is in `folder` and waits until it is in its place.
    pub(super) async fn write(
        &mut self,
        folder: &Path,
        batch: Vec<Item>,
        generation: u64,
    ) -> Result<Written, FilesError> {
        let mut known = BTreeMap::new();
        for item in &batch {
            if let Item::File { path, replaces } = item
                && let Some(pieces) = self.pieces(folder, path, *replaces).await?
            {
                known.insert(path.clone(), Arc::new(pieces));
            }
        }
        let before = self.sent;
        let mut written = Written::default();
        let (produced_tx, mut produced) = mpsc::channel::<Produced>(PRODUCED);
        let folder = folder.to_owned();
        // Not joined: it ends as soon as nobody takes what it reads.
        tokio::task::spawn_blocking(move || produce(&folder, &batch, &known, generation, &produced_tx));
        let (mut told, mut committed) = (1, 0);
        while let Some(Produced { message, becomes }) = produced.recv().await {
            while let Ok(answer) = self.answers.try_recv() {
                committed += usize::from(written.note(answer)?.is_some());
            }
            written.files += usize::from(matches!(message, ToPod::End { .. }));
            told += usize::from(matches!(message, ToPod::Commit { .. }));
            self.tell(&message).await?;
            match becomes {
                Some((path, Some(leaf))) => self.tree.put(&path, leaf),
                Some((path, None)) => drop(self.tree.remove(&path)),
                None => {}
            }
        }
        self.tell(&ToPod::Commit { generation, more: false }).await?;
        let mut root = None;
        while committed < told {
            let answer = self.answer().await?;
            if let Some(now) = written.note(answer)? {
                committed += 1;
                root = Some(now);
            }
        }
        written.same = root == Some(self.tree.root());
        written.bytes = self.sent - before;
        self.doubtful = !written.same || !written.troubles.is_empty();
        Ok(written)
    }

    /// What the pod has of a large file, if sending a part of it is worth the question.
    async fn pieces(
        &mut self,
        folder: &Path,
        file: &Path,
        replaces: bool,
    ) -> Result<Option<Pieces>, FilesError> {
        let large = folder
            .join(file)
            .symlink_metadata()
            .is_ok_and(|found| found.is_file() && found.len() >= tunnel::sync::chunks::LARGE);
        let wire = items::wire(file);
        let there = replaces || matches!(self.tree.get(&wire), Some(Leaf::File { .. }));
        if !large || !there {
            return Ok(None);
        }
        self.tell(&ToPod::Chunks(wire)).await?;
        let (mut pieces, mut at) = (Pieces::new(), 0);
        loop {
            match self.answer().await? {
                FromPod::Chunked { chunks, more, .. } => {
                    for chunk in chunks {
                        let length = u64::from(chunk.length);
                        pieces.insert(chunk.hash, (at, length));
                        at += length;
                    }
                    if !more {
                        return Ok(Some(pieces).filter(|pieces| !pieces.is_empty()));
                    }
                }
                FromPod::Failed(_) => {}
                _ => return Err(FilesError::Unexpected),
            }
        }
    }

    /// What it has at a path, as it was sent.
    pub(super) fn has(&self, file: &Path) -> Option<Leaf> {
        self.tree.get(&items::wire(file))
    }
}

/// What a changed path means for a pod that had what was there before.
pub(super) fn item(files: &Files, file: &Path, entry: &Entry) -> Item {
    if let (Kind::File { hash: Some(hash), size }, Some(Leaf::File { hash: has, .. })) =
        (&entry.kind, files.has(file))
        && hash.as_bytes() == &has
    {
        let (mode, modified) = (items::permissions(entry.mode), items::nanoseconds(entry.modified));
        return Item::Meta(file.to_owned(), tunnel::sync::Meta { mode, modified, size: *size }, has);
    }
    Item::of(file, entry)
}
