//! Folders of a pod, one after the other.
//!
//! Several are asked for at a time, because each answer takes a round trip. What comes must be an answer to that, and names
//! must be names: a pod can say anything.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;

use tunnel::sync::{Found, FromPod, ToPod};

use super::ask::Ask;
use super::beside::below;
use super::files::FilesError;
use super::items::{path, wire};

/// Which folders are still to be looked into.
#[derive(Debug)]
pub(super) struct Walk {
    folders: VecDeque<PathBuf>,
    /// Of these, the last answer has not come.
    asked: BTreeSet<PathBuf>,
}

/// Some of what is in a folder, with the paths.
pub(super) type Entries = Vec<(PathBuf, Found)>;

impl Walk {
    /// Begins with `folder`.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folders: [folder].into(), asked: BTreeSet::new() }
    }

    /// Goes into `folder`, too.
    pub(super) fn enter(&mut self, folder: PathBuf) {
        self.folders.push_back(folder);
    }

    /// Whether there is nothing more to look into.
    pub(super) fn is_over(&self) -> bool {
        self.folders.is_empty() && self.asked.is_empty()
    }

    /// Asks for folders until `most` are under way.
    ///
    /// # Errors
    /// The way to the pod is gone.
    pub(super) async fn ask(&mut self, files: &mut impl Ask, most: usize) -> Result<(), FilesError> {
        while self.asked.len() < most
            && let Some(next) = self.folders.pop_front()
        {
            files.tell(&ToPod::List(wire(&next))).await?;
            self.asked.insert(next);
        }
        Ok(())
    }

    /// What is in one of the folders that were asked for, or a part of it; `None`: all has come. Of a folder that can't be
    /// read nothing comes. Without what is no name, or a path that is too long or too deep to be synced.
    ///
    /// # Errors
    /// The way to the pod is gone, or it tells something else.
    pub(super) async fn next(&mut self, files: &mut impl Ask) -> Result<Option<Entries>, FilesError> {
        while !self.asked.is_empty() {
            let (folder, found, more) = match files.answer().await? {
                FromPod::Listed { folder, found, more } => (path(&folder), found, more),
                // An answer without entries follows.
                FromPod::Failed(_) => continue,
                _ => return Err(FilesError::Unexpected),
            };
            if !(if more { self.asked.contains(&folder) } else { self.asked.remove(&folder) }) {
                return Err(FilesError::Unexpected);
            }
            let entries = found.into_iter().filter_map(|one| Some((below(&folder, &one.name)?, one)));
            return Ok(Some(entries.collect()));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use tunnel::sync::Kind;

    use super::super::ask::tests::Pod;
    use super::*;

    async fn all(pod: &mut Pod, most: usize) -> Result<BTreeSet<PathBuf>, FilesError> {
        let (mut walk, mut all) = (Walk::new(PathBuf::new()), BTreeSet::new());
        while !walk.is_over() {
            walk.ask(pod, most).await?;
            for (at, found) in walk.next(pod).await?.unwrap_or_default() {
                if found.kind == Kind::Folder {
                    walk.enter(at.clone());
                }
                all.insert(at);
            }
        }
        Ok(all)
    }

    #[tokio::test]
    async fn everything_is_found_however_many_are_asked_for_at_a_time() {
        let mut pod = Pod::new();
        for file in ["a", "b/c", "b/d/e", "f/g/h/i"] {
            pod.write(file, "");
        }
        let expected = ["a", "b", "b/c", "b/d", "b/d/e", "f", "f/g", "f/g/h", "f/g/h/i"];
        for most in [1, 2, 100] {
            assert_eq!(all(&mut pod, most).await.unwrap(), expected.map(PathBuf::from).into());
        }
    }

    #[tokio::test]
    async fn an_answer_that_nobody_asked_for_ends_it_and_what_is_no_name_is_passed_over() {
        let folder = |name: &str| Found { name: name.into(), kind: Kind::Folder, mode: 0o777, modified: 1 };
        let mut pod = Pod::new();
        let found = ["..", "../x", "a/b", "", "/etc", "fine"].map(folder).into();
        pod.says(FromPod::Listed { folder: Vec::new(), found, more: true });
        assert_eq!(all(&mut pod, 8).await.unwrap(), ["fine"].map(PathBuf::from).into());
        for more in [true, false] {
            let mut pod = Pod::new();
            pod.says(FromPod::Listed { folder: b"else".into(), found: Vec::new(), more });
            assert!(matches!(all(&mut pod, 8).await, Err(FilesError::Unexpected)));
        }
        let mut pod = Pod::new();
        pod.says(FromPod::Hashed { path: Vec::new(), hash: None });
        assert!(matches!(all(&mut pod, 8).await, Err(FilesError::Unexpected)));
    }
}
