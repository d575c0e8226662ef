//! All that is in sync, as one hash that both ends compute from what they have themselves.
//!
//! A Merkle tree: the hash of a folder is that of the names, kinds, modes and hashes in it. After a change only the folders
//! above it are hashed again. Times are not part of it: a program can't tell two trees apart by them that is not told of them.

use std::{collections::BTreeMap, convert::Infallible};

use super::Hash;

/// A folder with all that is in it.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    top: Folder,
}

/// What has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leaf {
    /// A folder with these permission bits. What is in it stays.
    Folder {
        /// Permission bits.
        mode: u32,
    },
    /// A file.
    File {
        /// Permission bits.
        mode: u32,
        /// Of its contents.
        hash: Hash,
    },
    /// A symbolic link.
    Link {
        /// As it is written.
        to: Vec<u8>,
    },
}

#[derive(Debug, Clone, Default)]
struct Folder {
    mode: u32,
    entries: BTreeMap<Vec<u8>, Node>,
    hash: Option<Hash>,
}

#[derive(Debug, Clone)]
enum Node {
    Folder(Folder),
    Other(Leaf),
}

impl Tree {
    /// Puts something in its place; what was there is gone, but a folder keeps what is in it. Folders above that are not there
    /// are made, with mode 0.
    pub fn put(&mut self, path: &[u8], leaf: Leaf) {
        let mut at = &mut self.top;
        at.hash = None;
        let mut names = names(path).peekable();
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                at.put(name, leaf);
                return;
            }
            at = at.folder(name);
        }
        if let Leaf::Folder { mode } = leaf {
            self.top.mode = mode;
        }
    }

    /// Takes something away, with all that is in it; whether it was there.
    pub fn remove(&mut self, path: &[u8]) -> bool {
        let (folder, name) = split(path);
        if name.is_empty() {
            let any = !self.top.entries.is_empty();
            self.top = Folder::default();
            return any;
        }
        let mut at = &mut self.top;
        at.hash = None;
        for name in names(folder) {
            match at.entries.get_mut(name) {
                Some(Node::Folder(below)) => at = below,
                _ => return false,
            }
            at.hash = None;
        }
        at.entries.remove(name).is_some()
    }

    /// What has this name.
    pub fn get(&self, path: &[u8]) -> Option<Leaf> {
        let mut at = &self.top;
        let mut names = names(path).peekable();
        while let Some(name) = names.next() {
            match at.entries.get(name)? {
                Node::Folder(below) => at = below,
                Node::Other(leaf) => return names.peek().is_none().then(|| leaf.clone()),
            }
        }
        Some(Leaf::Folder { mode: at.mode })
    }

    /// The hash of all.
    pub fn root(&mut self) -> Hash {
        self.top.hash()
    }

    /// Every path with what it is, folders before what is in them; not the folder itself.
    pub fn all(&self) -> Vec<(Vec<u8>, Leaf)> {
        let mut found = Vec::new();
        let _: Result<(), Infallible> = self.each(|path, leaf| {
            found.push((path.to_vec(), leaf.clone()));
            Ok(())
        });
        found
    }

    /// As [`Self::all`], one after the other, until `take` fails.
    ///
    /// # Errors
    /// As `take`.
    pub fn each<E>(&self, mut take: impl FnMut(&[u8], &Leaf) -> Result<(), E>) -> Result<(), E> {
        self.top.each(&mut Vec::new(), &mut take)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.top.entries.is_empty()
    }
}

impl Folder {
    fn put(&mut self, name: &[u8], leaf: Leaf) {
        match (self.entries.get_mut(name), leaf) {
            (Some(Node::Folder(there)), Leaf::Folder { mode }) => {
                there.mode = mode;
                there.hash = None;
            }
            (_, Leaf::Folder { mode }) => {
                self.entries.insert(name.to_vec(), Node::Folder(Self { mode, ..Self::default() }));
            }
            (_, leaf) => {
                self.entries.insert(name.to_vec(), Node::Other(leaf));
            }
        }
    }

    fn folder(&mut self, name: &[u8]) -> &mut Self {
        let there = self.entries.entry(name.to_vec()).or_insert_with(|| Node::Folder(Self::default()));
        if let Node::Other(_) = there {
            *there = Node::Folder(Self::default());
        }
        match there {
            Node::Folder(folder) => {
                folder.hash = None;
                folder
            }
            Node::Other(_) => unreachable!("it was made a folder just now"),
        }
    }

    /// Of every entry: one byte for its kind, the length of its name in 4 bytes, the name, its mode in 4 bytes, its hash; of a
    /// link the hash of its target. Numbers are big-endian.
    fn hash(&mut self) -> Hash {
        if let Some(hash) = self.hash {
            return hash;
        }
        let mut hasher = blake3::Hasher::new();
        for (name, node) in &mut self.entries {
            let (kind, mode, hash) = match node {
                Node::Folder(folder) => (0, folder.mode, folder.hash()),
                Node::Other(Leaf::File { mode, hash }) => (1, *mode, *hash),
                Node::Other(Leaf::Link { to }) => (2, 0, *blake3::hash(to).as_bytes()),
                Node::Other(Leaf::Folder { mode }) => (0, *mode, [0; 32]),
            };
            hasher.update(&[kind]);
            // A name is a few hundred bytes at most.
            hasher.update(&u32::try_from(name.len()).unwrap_or(u32::MAX).to_be_bytes());
            hasher.update(name).update(&mode.to_be_bytes()).update(&hash);
        }
        *self.hash.insert(*hasher.finalize().as_bytes())
    }

    fn each<E>(
        &self,
        path: &mut Vec<u8>,
        take: &mut impl FnMut(&[u8], &Leaf) -> Result<(), E>,
    ) -> Result<(), E> {
        for (name, node) in &self.entries {
            let length = path.len();
            if length > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            match node {
                Node::Folder(folder) => {
                    take(path, &Leaf::Folder { mode: folder.mode })?;
                    folder.each(path, take)?;
                }
                Node::Other(leaf) => take(path, leaf)?,
            }
            path.truncate(length);
        }
        Ok(())
    }
}

/// The components of a path.
fn names(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|name| !name.is_empty())
}

/// The folder of a path, and its name there.
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (path.get(..at).unwrap_or_default(), path.get(at + 1..).unwrap_or_default()),
        None => (b"", path),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(hash: u8) -> Leaf {
        Leaf::File { mode: 0o644, hash: [hash; 32] }
    }

    #[test]
    fn trees_with_the_same_contents_have_the_same_hash_and_others_do_not() {
        let mut one = Tree::default();
        one.put(b"a", Leaf::Folder { mode: 0o755 });
        one.put(b"a/b", file(1));
        one.put(b"c", Leaf::Link { to: b"a/b".into() });
        let first = one.root();
        let mut two = Tree::default();
        two.put(b"c", Leaf::Link { to: b"a/b".into() });
        two.put(b"a/b", file(2));
        two.put(b"a", Leaf::Folder { mode: 0o755 });
        assert_ne!(two.root(), first);
        two.put(b"a/b", file(1));
        assert_eq!(two.root(), first);
        two.put(b"a/b", Leaf::File { mode: 0o755, hash: [1; 32] });
        assert_ne!(two.root(), first, "another mode");
    }

    #[test]
    fn a_file_in_the_place_of_a_folder_takes_all_of_it_away() {
        let mut tree = Tree::default();
        tree.put(b"a/b/c", file(1));
        tree.put(b"a", file(2));
        assert_eq!(tree.get(b"a/b/c"), None);
        assert_eq!(tree.get(b"a"), Some(file(2)));
        tree.put(b"a/b", file(3));
        assert_eq!(tree.all().len(), 2);
        assert!(tree.remove(b"a") && !tree.remove(b"a") && tree.is_empty());
    }

    proptest! {
        /// However it came to be: the hash is that of what is there.
        #[test]
        fn the_hash_does_not_depend_on_the_way(steps in prop::collection::vec(("[ab](/[ab]){0,2}", 0u8..4), 1..40)) {
            let mut tree = Tree::default();
            for (path, what) in &steps {
                match what {
                    0 => { tree.remove(path.as_bytes()); }
                    1 => tree.put(path.as_bytes(), Leaf::Folder { mode: 0o755 }),
                    hash => tree.put(path.as_bytes(), file(*hash)),
                }
                // Kept hashes must not outlive a change.
                tree.root();
            }
            let mut fresh = Tree::default();
            for (path, leaf) in tree.all() {
                fresh.put(&path, leaf);
            }
            prop_assert_eq!(fresh.root(), tree.root());
            prop_assert_eq!(fresh.all(), tree.all());
        }
    }
}
