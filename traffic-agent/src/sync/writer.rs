//! Carries out what the laptop says, in its order.

use std::{collections::BTreeMap, path::PathBuf};

use rustix::{
    fs::{Mode, OFlags, fstat, open},
    io::Errno,
    process::{getegid, geteuid},
};
use tunnel::sync::{Begun, FromPod, Hash, MAX_DATA, MAX_PATH, ToPod, Trouble, tree::Tree};

use super::{
    batch::{Batch, Item},
    commit::{self, Commit},
    disk::{self, Disk},
    fault::{Doing as _, Ended, Fault},
    incoming::{Incoming, Receiving},
    measured::Measured,
    path::{check, check_below, check_target},
    session::Answers,
    staging::Staging,
};

/// What is read of a file at a time.
const BUFFER: usize = 128 << 10;

/// Writes into one folder.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) disk: Disk,
    pub(super) tree: Tree,
    pub(super) measured: Measured,
    pub(super) buffer: Vec<u8>,
    /// Of the tree, at the last commit.
    pub(super) root: Hash,
    staging: Staging,
    batch: Batch,
    incoming: Incoming,
    run: PathBuf,
}

impl Writer {
    /// Makes the folder, unless it is there, and finds out whether it can be written. Without such a folder the laptop is to
    /// be told [`Trouble`].
    pub(super) fn begin(to: &[u8], run: PathBuf, waits: impl Fn() -> bool) -> Result<(Self, Begun), Trouble> {
        let staging = prepare(to, waits).map_err(|fault| disk::trouble(to, fault, owner(to)));
        let (disk, staging) = staging?;
        let begun = Begun { uid: geteuid().as_raw(), gid: getegid().as_raw() };
        let writer = Self {
            disk,
            tree: Tree::default(),
            measured: Measured::default(),
            buffer: vec![0; BUFFER],
            root: commit::nothing(),
            staging,
            batch: Batch::default(),
            incoming: Incoming::None,
            run,
        };
        Ok((writer, begun))
    }

    /// Other processes may have changed the folder since.
    pub(super) fn wakes(&mut self) {
        self.disk.forget();
    }

    /// Does one thing.
    pub(super) fn take(&mut self, one: ToPod, out: &mut dyn Answers) -> Result<(), Ended> {
        match one {
            ToPod::Begin { .. } => Err(Ended::Violation("a second beginning")),
            ToPod::List(folder) => {
                check(&folder)?;
                self.list(folder, out)
            }
            ToPod::Hash(path) => {
                check(&path)?;
                self.hash(path, out)
            }
            ToPod::Chunks(path) => {
                check(&path)?;
                self.chunks(path, out)
            }
            ToPod::Keep(path) => {
                check(&path)?;
                match self.keep(&path) {
                    Ok(()) => Ok(()),
                    Err(fault) => self.failed(&path, fault, out),
                }
            }
            ToPod::Folder { path, mode } => {
                check(&path)?;
                self.batch.push(Item::Folder { path, mode })
            }
            ToPod::Link { path, to } => {
                check_below(&path)?;
                check_target(&to)?;
                self.batch.push(Item::Link { path, to })
            }
            ToPod::Meta { path, meta } => {
                check_below(&path)?;
                self.batch.push(Item::Meta { path, meta })
            }
            ToPod::Remove(path) => {
                check_below(&path)?;
                self.batch.push(Item::Remove(path))
            }
            ToPod::File { .. } | ToPod::Data(_) | ToPod::Copy { .. } | ToPod::End { .. } | ToPod::Abandon => {
                self.file(one, out)
            }
            ToPod::Commit { generation, more } => self.commit(generation, more, out),
            ToPod::Verify => self.verify(out),
            ToPod::Forget => {
                self.tree = Tree::default();
                Ok(())
            }
            ToPod::Read { path, offset } => {
                check_below(&path)?;
                self.read(path, offset, out)
            }
        }
    }

    /// What makes up a file.
    fn file(&mut self, one: ToPod, out: &mut dyn Answers) -> Result<(), Ended> {
        let before = std::mem::replace(&mut self.incoming, Incoming::None);
        match (one, before) {
            (ToPod::File { path, meta }, Incoming::None) => {
                check_below(&path)?;
                match Receiving::begin(path, meta, &mut self.staging) {
                    Ok(receiving) => self.incoming = Incoming::Open(Box::new(receiving)),
                    Err((path, fault)) => {
                        self.incoming = Incoming::Failed;
                        self.failed(&path, fault, out)?;
                    }
                }
            }
            (ToPod::File { .. }, _) => return Err(Ended::Violation("a file within a file")),
            (_, Incoming::None) => return Err(Ended::Violation("contents of no file")),
            (ToPod::Data(data), _) if data.len() > MAX_DATA => {
                return Err(Ended::Violation("too many bytes at once"));
            }
            (ToPod::End { .. } | ToPod::Abandon, Incoming::Failed) => {}
            (_, Incoming::Failed) => self.incoming = Incoming::Failed,
            (ToPod::Abandon, Incoming::Open(receiving)) => drop(receiving.discard(&self.staging)),
            (ToPod::End { hash }, Incoming::Open(receiving)) => match receiving.end(hash, &self.staging) {
                Ok(item) => self.batch.push(item)?,
                Err((path, fault)) => self.failed(&path, fault, out)?,
            },
            (one, Incoming::Open(mut receiving)) => {
                let done = match one {
                    ToPod::Data(data) => receiving.data(&data),
                    ToPod::Copy { offset, length } => {
                        let range = (offset, length);
                        receiving.copy(&mut self.disk, range, &mut self.buffer, || !out.gone())
                    }
                    _ => Ok(()),
                };
                if let Err(fault) = done {
                    let path = receiving.discard(&self.staging);
                    self.incoming = Incoming::Failed;
                    self.failed(&path, fault, out)?;
                } else {
                    self.incoming = Incoming::Open(receiving);
                }
            }
        }
        Ok(())
    }

    fn commit(&mut self, generation: u64, more: bool, out: &mut dyn Answers) -> Result<(), Ended> {
        if !matches!(self.incoming, Incoming::None) {
            return Err(Ended::Violation("a commit within a file"));
        }
        let items = self.batch.take();
        let commit = Commit {
            disk: &mut self.disk,
            staging: &mut self.staging,
            tree: &mut self.tree,
            measured: &mut self.measured,
            answers: out,
            modes: BTreeMap::new(),
            writable: None,
        };
        commit.apply(items);
        self.root = self.tree.root();
        if !more {
            commit::mark(&self.run, generation);
        }
        out.answer(FromPod::Committed { generation, root: self.root })
    }

    fn failed(&mut self, path: &[u8], fault: Fault, out: &mut dyn Answers) -> Result<(), Ended> {
        out.answer(FromPod::Failed(self.disk.trouble(path, fault)))
    }
}

/// Opens the folder and all that is needed to write in it.
fn prepare(to: &[u8], waits: impl Fn() -> bool) -> Result<(Disk, Staging), Fault> {
    if to.first() != Some(&b'/') {
        return Err(Fault::new("open", Errno::INVAL));
    }
    if to.len() > MAX_PATH {
        return Err(Fault::new("open", Errno::NAMETOOLONG));
    }
    // The path itself is the developer's word, links in it are followed; below it none is.
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = match open(to, flags, Mode::empty()) {
        Err(Errno::NOENT) => {
            std::fs::create_dir_all(fs_path(to)).doing("mkdir")?;
            open(to, flags, Mode::empty())
        }
        opened => opened,
    };
    let top = top.doing("open")?;
    let mut staging = Staging::open(top.try_clone().doing("open")?, waits)?;
    staging.probe()?;
    Ok((Disk::new(top), staging))
}

/// Who owns the folder, or the nearest above that is there.
fn owner(to: &[u8]) -> Option<(u32, u32)> {
    if to.first() != Some(&b'/') {
        return None;
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = fs_path(to).ancestors().find_map(|path| open(path, flags, Mode::empty()).ok())?;
    fstat(folder).ok().map(|stat| (stat.st_uid, stat.st_gid))
}

fn fs_path(path: &[u8]) -> &std::path::Path {
    use std::os::unix::ffi::OsStrExt as _;
    std::path::Path::new(std::ffi::OsStr::from_bytes(path))
}
