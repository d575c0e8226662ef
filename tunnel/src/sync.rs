//! The sync path: code from a folder on the laptop to a folder in the target's container, and the program that runs it.
//!
//! Two streams of a session. On [`crate::message::Open::Sync`] the laptop sends [`ToPod`]s in packs ([`pack`]), so that
//! ten thousand small files are not ten thousand messages; the agent answers with [`FromPod`]s. On
//! [`crate::message::Open::Process`] it says what is to run ([`ToProcess`]) and hears what became of it ([`FromProcess`]).
//!
//! The laptop leads: it alone knows which files count, so it asks what is there, folder by folder, and never for folders
//! that it ignores. What both ends then hold is compared by one hash ([`tree`]) after every batch.

#[cfg(feature = "tokio")]
pub mod chunks;
#[cfg(feature = "tokio")]
pub mod pack;
#[cfg(feature = "tokio")]
pub mod tree;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Longest path, and longest target of a link (PATH_MAX of linux/limits.h, the zero at its end aside).
pub const MAX_PATH: usize = 4095;
/// Most components of a path: both ends go down into trees, and a thread's stack is not endless.
pub const MAX_DEPTH: usize = 256;
/// Folder in the synced one where unfinished files are; no path of the laptop's begins with it. Names that begin so are left
/// out of comparisons.
pub const STAGING: &str = ".devbridge-sync";
/// Most bytes in one [`ToPod::Data`].
pub const MAX_DATA: usize = 64 << 10;
/// Longest [`FromPod`]; what is longer comes in parts.
pub const MAX_ANSWER: usize = 128 << 10;
/// Longest [`ToProcess`] and [`FromProcess`]: a command line may be as long as the kernel takes one argument.
pub const MAX_PROCESS: usize = 256 << 10;

/// A path below the folder that is synced: components joined by `/`, none of them empty, `.` or `..`; empty for the folder
/// itself. Bytes, because names need not be UTF-8.
pub type Path = Vec<u8>;

/// BLAKE3 of a file's contents, or of a tree.
pub type Hash = [u8; 32];

/// What the laptop asks of the writer of files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToPod {
    /// First, and only once; answered by [`FromPod::Begun`].
    Begin {
        /// Absolute path of the folder in the container; made if it is not there.
        to: Vec<u8>,
    },
    /// What is in a folder? Answered by [`FromPod::Listed`]s.
    List(Path),
    /// What are the contents of a file? Answered by [`FromPod::Hashed`].
    Hash(Path),
    /// Where would a file be cut ([`chunks`])? Answered by [`FromPod::Chunked`]s.
    Chunks(Path),
    /// This is there already, as the laptop has it: it belongs to the tree from now on. Of a file the agent must have told the
    /// hash before.
    Keep(Path),
    /// A folder with these permission bits; one that is there gets them.
    Folder {
        /// Which.
        path: Path,
        /// Permission bits.
        mode: u32,
    },
    /// A symbolic link, in the place of whatever file or link has the name.
    Link {
        /// Which.
        path: Path,
        /// As it is written.
        to: Vec<u8>,
    },
    /// Begins a file; what follows until [`ToPod::End`] is its contents. It gets its name with the commit.
    File {
        /// Which.
        path: Path,
        /// What it will be.
        meta: Meta,
    },
    /// Bytes of the file that was begun, at most [`MAX_DATA`].
    Data(Bytes),
    /// Bytes of the file that was begun, from the file that has its name now.
    Copy {
        /// Where in the old file.
        offset: u64,
        /// How many.
        length: u64,
    },
    /// The file that was begun is complete.
    End {
        /// Of its contents. A file that has another one is not kept: [`FromPod::Failed`].
        hash: Hash,
    },
    /// The file that was begun can't be read any more, or changes all the time: as if it had not been begun.
    Abandon,
    /// Permission bits and time of a file whose contents stay.
    Meta {
        /// Which.
        path: Path,
        /// What it will be; its size is not looked at.
        meta: Meta,
    },
    /// A file, a link, or a folder with all that is in it is removed with the commit, after everything else was put in its
    /// place.
    Remove(Path),
    /// All since the last commit comes into its place: folders, then files and links in their order, removals last. Answered by
    /// [`FromPod::Committed`].
    Commit {
        /// Counts commits of the session.
        generation: u64,
        /// More follows at once that belongs to it: the marker is not written yet.
        more: bool,
    },
    /// Compare what is on the disk with what was committed: files that belong to the tree. Answered by
    /// [`FromPod::Differs`]s and one [`FromPod::Verified`].
    Verify,
    /// Nothing belongs to the tree any more: everything is about to be compared and kept or sent again. What is on the disk
    /// stays.
    Forget,
    /// What are the bytes of a file from here on? Answered by one [`FromPod::Content`], or one [`FromPod::Failed`].
    Read {
        /// Which.
        path: Path,
        /// From which byte on.
        offset: u64,
    },
}

/// Of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Permission bits, at most 0o777.
    pub mode: u32,
    /// Time of its last change, in nanoseconds since 1970.
    pub modified: i64,
    /// In bytes.
    pub size: u64,
}

/// What the writer of files answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromPod {
    /// To [`ToPod::Begin`].
    Begun(Result<Begun, Trouble>),
    /// To [`ToPod::List`]; several for a large folder.
    Listed {
        /// Which.
        folder: Path,
        /// What is in it. Sockets, pipes and devices are left out.
        found: Vec<Found>,
        /// Not the last answer for this folder.
        more: bool,
    },
    /// To [`ToPod::Hash`].
    Hashed {
        /// Which.
        path: Path,
        /// None: it can't be read, or is no file.
        hash: Option<Hash>,
    },
    /// To [`ToPod::Chunks`]; several for a large file.
    Chunked {
        /// Which.
        path: Path,
        /// In their order, without gaps; none of a file that can't be read.
        chunks: Vec<Chunk>,
        /// Not the last answer for this file.
        more: bool,
    },
    /// Something of the batch could not be done; the rest goes on.
    Failed(Trouble),
    /// To [`ToPod::Commit`].
    Committed {
        /// Which.
        generation: u64,
        /// Of all that belongs to the tree now, from the contents as the agent wrote or read them.
        root: Hash,
    },
    /// A path that is not on the disk as it was committed.
    Differs(Path),
    /// Everything was compared.
    Verified {
        /// Files whose contents were read.
        files: u64,
        /// As of the last commit.
        root: Hash,
    },
    /// To [`ToPod::Read`].
    Content {
        /// Which.
        path: Path,
        /// From which byte on.
        offset: u64,
        /// What the file was when the bytes had been read. Pages with another one are of another file, or of one that was
        /// written meanwhile.
        meta: Meta,
        /// [`MAX_DATA`] of them, fewer at the end of the file, none behind it.
        bytes: Bytes,
    },
}

/// The writer can write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The user as which it writes.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// Something could not be done, in the system's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Where; for [`FromPod::Begun`] the absolute path that can't be written.
    pub path: Path,
    /// What failed: `open`, `rename`.
    pub doing: String,
    /// Number of the error (errno(3)); 0: the contents are not what they should be.
    pub errno: i32,
    /// The user as which it was tried.
    pub uid: u32,
    /// Who owns the folder that it happened in, if that is known.
    pub owner: Option<(u32, u32)>,
}

/// Something in a folder of the pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its name in the folder.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Time of its last change, in nanoseconds since 1970.
    pub modified: i64,
}

/// What something in a folder is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A file of so many bytes.
    File(u64),
    /// A symbolic link, as it is written.
    Link(Vec<u8>),
}

/// A piece of a file, cut where its contents say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// In bytes.
    pub length: u32,
    /// Of its bytes.
    pub hash: Hash,
}

/// What the laptop asks of the keeper of the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToProcess {
    /// Runs this from now on, in the place of what runs: that gets SIGTERM, after `grace` SIGKILL. The same again starts it
    /// anew. Answered by [`FromProcess::Started`] or [`FromProcess::NotStarted`].
    Start(Command),
    /// Ends what runs, in the same way. Answered by [`FromProcess::Ended`], unless nothing ran.
    Stop,
}

/// What is to run in the target's container, with its environment, user and working directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The program and its arguments; the program is looked for in the container's PATH.
    pub command: Vec<Vec<u8>>,
    /// Variables beside those of the container.
    pub variables: Vec<(Vec<u8>, Vec<u8>)>,
    /// How long it may take to end, in milliseconds.
    pub grace: u32,
    /// How long it may take to listen before requests are not held for it any more, in milliseconds.
    pub listen: u32,
}

/// What became of the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromProcess {
    /// It runs.
    Started {
        /// Its process id in the container.
        pid: u32,
    },
    /// It could not be started.
    NotStarted {
        /// In the system's words.
        why: String,
    },
    /// It listens on these container ports; requests go there.
    Listens {
        /// Container ports, as the process itself knows them.
        ports: Vec<u16>,
    },
    /// It ended; requests go to originals until the next start.
    Ended {
        /// As a shell reports it: 128 + signal when killed.
        code: i32,
    },
}
