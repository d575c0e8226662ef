//! The writer of files without a tunnel: packs go in, answers come out, and the folder is a real one.

mod commits;
mod hostile;
mod model;
mod queries;
mod writes;

use std::{
    fs,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::PathBuf,
};

use tempfile::TempDir;
use tunnel::sync::{FromPod, Hash, Meta, ToPod, Trouble, tree::Tree};

use super::{
    fault::Ended,
    session::{Answers, Session},
};

/// Answers, as they came.
#[derive(Default)]
struct Told {
    all: Vec<FromPod>,
    /// The laptop leaves after so many more.
    leaves: Option<usize>,
}

impl Answers for Told {
    fn answer(&mut self, answer: FromPod) -> Result<(), Ended> {
        match &mut self.leaves {
            Some(0) => return Err(Ended::Gone),
            Some(left) => *left -= 1,
            None => {}
        }
        self.all.push(answer);
        Ok(())
    }

    fn gone(&self) -> bool {
        self.leaves == Some(0)
    }
}

/// A folder in the pod, and its writer.
struct Pod {
    dir: TempDir,
    session: Option<Session<Told>>,
}

impl Pod {
    fn new() -> Self {
        let mut pod = Self { dir: tempfile::tempdir().unwrap(), session: None };
        fs::set_permissions(pod.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(pod.dir.path().join("run")).unwrap();
        pod.begin();
        pod
    }

    /// A laptop comes, once the one before has left.
    fn begin(&mut self) {
        drop(self.session.take());
        let to = self.path("to").as_os_str().as_bytes().to_vec();
        self.session = Some(Session::new(self.path("run"), Told::default()));
        let told = self.ask(vec![ToPod::Begin { to }]);
        assert!(matches!(*told, [FromPod::Begun(Ok(_))]), "{told:?}");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A path in the folder.
    fn to(&self, name: &str) -> PathBuf {
        self.path("to").join(name)
    }

    fn try_ask(&mut self, all: Vec<ToPod>) -> Result<Vec<FromPod>, Ended> {
        let session = self.session.as_mut().unwrap();
        session.pack(all)?;
        Ok(std::mem::take(&mut session.answers().all))
    }

    fn ask(&mut self, all: Vec<ToPod>) -> Vec<FromPod> {
        self.try_ask(all).unwrap()
    }

    /// Does it, and commits; gives what failed and the root.
    fn commit(&mut self, mut all: Vec<ToPod>) -> (Vec<Trouble>, Hash) {
        all.push(ToPod::Commit { generation: 1, more: true });
        let mut told = self.ask(all);
        let Some(FromPod::Committed { generation: 1, root }) = told.pop() else {
            panic!("not committed: {told:?}")
        };
        let troubles = told.into_iter().map(|answer| match answer {
            FromPod::Failed(trouble) => trouble,
            other => panic!("{other:?}"),
        });
        (troubles.collect(), root)
    }

    /// As [`Self::commit`]; everything must work.
    fn put(&mut self, all: Vec<ToPod>) -> Hash {
        let (troubles, root) = self.commit(all);
        assert_eq!(troubles, []);
        root
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.to(name)).unwrap()
    }

    fn mode(&self, name: &str) -> u32 {
        fs::symlink_metadata(self.to(name)).unwrap().permissions().mode() & 0o7777
    }

    /// Names in the folder of staged files.
    fn staged(&self) -> usize {
        fs::read_dir(self.to(".devbridge-sync")).unwrap().count()
    }
}

fn hash(bytes: impl AsRef<[u8]>) -> Hash {
    *blake3::hash(bytes.as_ref()).as_bytes()
}

fn meta(mode: u32, bytes: &[u8]) -> Meta {
    Meta { mode, modified: 1_000_000_000_000_000_007, size: bytes.len() as u64 }
}

/// Sends a file.
fn file(path: &str, mode: u32, bytes: impl AsRef<[u8]>) -> Vec<ToPod> {
    let bytes = bytes.as_ref();
    let mut all = vec![ToPod::File { path: path.into(), meta: meta(mode, bytes) }];
    all.extend(bytes.chunks(60_000).map(|part| ToPod::Data(part.to_vec().into())));
    all.push(ToPod::End { hash: hash(bytes) });
    all
}

fn folder(path: &str, mode: u32) -> ToPod {
    ToPod::Folder { path: path.into(), mode }
}

fn link(path: &str, to: &str) -> ToPod {
    ToPod::Link { path: path.into(), to: to.into() }
}

fn remove(path: &str) -> ToPod {
    ToPod::Remove(path.into())
}

/// The hash of a tree with these in it.
fn root(leaves: &[(&str, tunnel::sync::tree::Leaf)]) -> Hash {
    let mut tree = Tree::default();
    leaves.iter().for_each(|(path, leaf)| tree.put(path.as_bytes(), leaf.clone()));
    tree.root()
}

/// Does something as a user who may do nothing special; as root alone, others are such a user already. For this thread.
fn as_nobody<T>(act: impl FnOnce() -> T) -> T {
    use nix::unistd::{Uid, geteuid, setfsuid};
    let own = geteuid();
    if own.is_root() {
        setfsuid(Uid::from_raw(65534));
    }
    let done = act();
    setfsuid(own);
    done
}
