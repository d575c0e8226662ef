//! Puts what was staged into its place.
//!
//! Folders first, so that files have where to go; then files and links in their order; removals last; and at the very end
//! the permission bits of folders, since one that is read-only could not be filled. What fails is told and left out of the
//! tree, which says what is on the disk.

use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    path::Path as FsPath,
};

use rustix::{
    fs::{AtFlags, FileType, Mode, fstat, mkdirat, unlinkat},
    io::Errno,
};
use tracing::warn;
use tunnel::sync::{
    FromPod, Hash, Meta, Path,
    tree::{Leaf, Tree, split},
};

use super::{
    batch::Item,
    disk::{self, Disk, PERMISSIONS},
    fault::{Doing as _, Fault},
    measured::Measured,
    remove::Removed,
    session::Answers,
    staging::{Staged, Staging},
};

/// Name of the file in the pod's directory that tells the last commit.
const MARKER: &str = "generation";

/// One commit.
pub(super) struct Commit<'a> {
    pub(super) disk: &'a mut Disk,
    pub(super) staging: &'a mut Staging,
    pub(super) tree: &'a mut Tree,
    pub(super) measured: &'a mut Measured,
    pub(super) answers: &'a mut dyn Answers,
    /// Folders whose mode is set at the end.
    pub(super) modes: BTreeMap<Path, Final>,
    /// The folder that was made writable last.
    pub(super) writable: Option<Path>,
}

/// What a folder's mode will be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Final {
    mode: u32,
    /// The laptop wants it so; else it was like this before.
    wanted: bool,
}

impl Commit<'_> {
    pub(super) fn apply(mut self, items: Vec<Item>) {
        self.disk.forget();
        for item in &items {
            if let Item::Folder { path, mode } = item {
                let done = self.folder(path, *mode & PERMISSIONS);
                self.check(path, done);
            }
        }
        for item in &items {
            match item {
                Item::File { path, staged, mode, hash } => {
                    let done = self.file(path, staged, Leaf::File { mode: *mode, hash: *hash });
                    self.measured.forget(path);
                    self.check(path, done);
                }
                Item::Link { path, to } => {
                    let done = self.link(path, to);
                    self.check(path, done);
                }
                Item::Meta { path, meta } => {
                    let done = self.meta(path, *meta);
                    self.check(path, done);
                }
                Item::Folder { .. } | Item::Remove(_) => {}
            }
        }
        self.removals(&items);
        self.modes();
        self.disk.forget();
    }

    fn check(&mut self, path: &[u8], done: Result<(), Fault>) {
        if let Err(fault) = done {
            self.failed(path, fault);
        }
    }

    /// Without anybody who listens the commit goes on: half of one is worth less.
    fn failed(&mut self, path: &[u8], fault: Fault) {
        let trouble = self.disk.trouble(path, fault);
        let _ = self.answers.answer(FromPod::Failed(trouble));
    }

    /// Makes sure that something can be put into the folder of a path.
    fn parent(&mut self, path: &[u8]) -> Result<(), Fault> {
        let folder = split(path).0;
        if self.writable.as_deref() == Some(folder) {
            return Ok(());
        }
        let fd = self.disk.folder(folder)?;
        let stat = fstat(fd).doing("stat")?;
        let mode = disk::permissions(&stat);
        // Where that is not allowed, what follows says so.
        if mode & 0o300 != 0o300 && disk::chmod(fd, &stat, mode | 0o700).is_ok() {
            self.modes.entry(folder.to_vec()).or_insert(Final { mode, wanted: false });
        }
        self.writable = Some(folder.to_vec());
        Ok(())
    }

    fn folder(&mut self, path: &[u8], mode: u32) -> Result<(), Fault> {
        if !path.is_empty() {
            self.parent(path)?;
            let (folder, name) = split(path);
            let folder = self.disk.folder(folder)?;
            let wide = Mode::from_raw_mode(mode | 0o700);
            match mkdirat(folder, name, wide) {
                Err(Errno::EXIST) => {
                    let stat = self.disk.stat(path)?;
                    if disk::kind(&stat) != FileType::Directory {
                        let folder = self.disk.folder(split(path).0)?;
                        unlinkat(folder, name, AtFlags::empty()).doing("unlink")?;
                        self.tree.remove(path);
                        mkdirat(folder, name, wide).doing("mkdir")?;
                    }
                }
                made => made.doing("mkdir")?,
            }
        }
        self.modes.insert(path.to_vec(), Final { mode, wanted: true });
        self.tree.put(path, Leaf::Folder { mode });
        Ok(())
    }

    fn link(&mut self, path: &[u8], to: &[u8]) -> Result<(), Fault> {
        let staged = self.staging.link(to)?;
        self.file(path, &staged, Leaf::Link { to: to.to_vec() })
    }

    fn file(&mut self, path: &[u8], staged: &Staged, leaf: Leaf) -> Result<(), Fault> {
        let placed = self.place(path, staged);
        match placed {
            Ok(()) => self.tree.put(path, leaf),
            Err(_) => self.staging.discard(staged),
        }
        placed
    }

    fn place(&mut self, path: &[u8], staged: &Staged) -> Result<(), Fault> {
        self.parent(path)?;
        let (folder, name) = split(path);
        match self.staging.place(staged, self.disk.folder(folder)?, name) {
            Err(Errno::ISDIR) => {}
            done => return done.doing("rename"),
        }
        self.remove(path, &HashSet::new()).map_err(|(_, fault)| fault)?;
        self.staging.place(staged, self.disk.folder(folder)?, name).doing("rename")
    }

    fn meta(&mut self, path: &[u8], meta: Meta) -> Result<(), Fault> {
        let Some(Leaf::File { hash, .. }) = self.tree.get(path) else {
            return Err(Fault::new("chmod", Errno::NOENT));
        };
        let (file, stat) = self.disk.handle(path)?;
        if disk::kind(&stat) != FileType::RegularFile {
            return Err(Fault::contents("chmod"));
        }
        let mode = meta.mode & PERMISSIONS;
        disk::touch(&file, meta.modified).doing("utimensat")?;
        if disk::permissions(&stat) != mode {
            disk::chmod(&file, &stat, mode).doing("chmod")?;
        }
        self.tree.put(path, Leaf::File { mode, hash });
        Ok(())
    }

    fn removals(&mut self, items: &[Item]) {
        let mut removals = items.iter().filter_map(|item| match item {
            Item::Remove(path) => Some(path),
            _ => None,
        });
        let Some(first) = removals.next() else { return };
        // What was put is kept, and all that it is in.
        let mut kept = HashSet::new();
        for put in items.iter().filter_map(Item::puts) {
            let mut at = put;
            while !at.is_empty() && kept.insert(at) {
                at = split(at).0;
            }
        }
        for path in std::iter::once(first).chain(removals) {
            // It may be that the folder is not there: then there is nothing to remove.
            let _ = self.parent(path);
            if let Err((path, fault)) = self.remove(path, &kept) {
                self.failed(&path, fault);
            }
            self.measured.forget(path);
        }
    }

    /// Removes something, and from the tree what is gone then.
    fn remove(&mut self, path: &[u8], kept: &HashSet<&[u8]>) -> Result<(), (Path, Fault)> {
        let removed = self.disk.remove(path, kept);
        if matches!(removed, Ok(Removed::All)) {
            self.tree.remove(path);
            return Ok(());
        }
        for left in below(self.tree, path) {
            if self.disk.stat(&left).is_err_and(|fault| fault.absent()) {
                self.tree.remove(&left);
            }
        }
        removed.map(|_| ())
    }

    /// Deepest first: a folder that can't be entered any more has nothing in it that is still to be done.
    fn modes(&mut self) {
        for (path, Final { mode, wanted }) in std::mem::take(&mut self.modes).into_iter().rev() {
            match self.mode(&path, mode) {
                // It was removed in the end.
                Err(fault) if fault.absent() && !wanted => {}
                Err(fault) => {
                    self.failed(&path, fault);
                    match self.disk.stat(&path) {
                        Ok(stat) if wanted && disk::kind(&stat) == FileType::Directory => {
                            self.tree.put(&path, Leaf::Folder { mode: disk::permissions(&stat) });
                        }
                        Err(fault) if fault.absent() => {
                            self.tree.remove(&path);
                        }
                        _ => {}
                    }
                }
                Ok(()) => {}
            }
        }
    }

    fn mode(&mut self, path: &[u8], mode: u32) -> Result<(), Fault> {
        let folder = self.disk.folder(path)?;
        let stat = fstat(folder).doing("stat")?;
        if disk::permissions(&stat) == mode {
            return Ok(());
        }
        disk::chmod(folder, &stat, mode).doing("chmod")
    }
}

/// What the tree has at a path and below it.
fn below(tree: &Tree, path: &[u8]) -> Vec<Path> {
    let mut found = Vec::new();
    // Most of what can't be removed is one file.
    if !matches!(tree.get(path), Some(Leaf::Folder { .. })) {
        found.extend(tree.get(path).map(|_| path.to_vec()));
        return found;
    }
    let _ = tree.each(|at, _| {
        let rest = at.strip_prefix(path);
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/")) {
            found.push(at.to_vec());
        }
        Ok::<_, std::convert::Infallible>(())
    });
    found
}

/// Tells other programs of the pod which commit was the last.
pub(super) fn mark(run: &FsPath, generation: u64) {
    let write = || -> io::Result<()> {
        let new = run.join("generation.new");
        fs::write(&new, format!("{generation}\n"))?;
        fs::rename(new, run.join(MARKER))
    };
    if let Err(error) = write() {
        warn!(%error, "programs in the pod are not told of a commit");
    }
}

/// The hash of nothing.
pub(super) fn nothing() -> Hash {
    Tree::default().root()
}
