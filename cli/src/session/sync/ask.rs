//! Questions to a pod and their answers, whoever answers.

use tunnel::sync::{FromPod, ToPod};

use super::files::{Files, FilesError};

/// Who answers in the order of the questions.
pub(super) trait Ask: Send {
    /// Asks; it may wait for others.
    fn tell(&mut self, question: &ToPod) -> impl Future<Output = Result<(), FilesError>> + Send;
    /// The next answer.
    fn answer(&mut self) -> impl Future<Output = Result<FromPod, FilesError>> + Send;
}

impl Ask for Files {
    async fn tell(&mut self, question: &ToPod) -> Result<(), FilesError> {
        Self::tell(self, question).await
    }

    async fn answer(&mut self) -> Result<FromPod, FilesError> {
        Self::answer(self).await
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::VecDeque;
    use std::io::Read;
    use std::path::Path;

    use tunnel::sync::{Found, Kind, MAX_DATA, Meta, Trouble};

    use super::super::items;
    use super::*;

    /// A pod's folder that answers as the agent does.
    pub(in super::super) struct Pod {
        pub(in super::super) folder: tempfile::TempDir,
        pub(in super::super) asked: Vec<ToPod>,
        answers: VecDeque<FromPod>,
    }

    impl Pod {
        pub(in super::super) fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            Self { folder, asked: Vec::new(), answers: VecDeque::new() }
        }

        pub(in super::super) fn write(&self, file: &str, bytes: impl AsRef<[u8]>) {
            let path = self.folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }

        /// Something that the agent does not say.
        pub(in super::super) fn says(&mut self, answer: FromPod) {
            self.answers.push_back(answer);
        }

        fn list(&mut self, folder: &[u8]) {
            let names = std::fs::read_dir(self.folder.path().join(items::path(folder)));
            for entry in names.into_iter().flatten().flatten() {
                let found = found(&entry.path());
                self.answers.push_back(FromPod::Listed {
                    folder: folder.into(),
                    found: vec![found],
                    more: true,
                });
            }
            self.answers.push_back(FromPod::Listed { folder: folder.into(), found: vec![], more: false });
        }

        fn read(&self, path: &[u8], offset: u64) -> FromPod {
            let Some((mut file, meta)) = items::open(&self.folder.path().join(items::path(path))) else {
                let (path, doing) = (path.to_vec(), "open".to_owned());
                return FromPod::Failed(Trouble { path, doing, errno: 13, uid: 0, owner: None });
            };
            let mut bytes = Vec::new();
            std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(offset)).unwrap();
            file.take(MAX_DATA as u64).read_to_end(&mut bytes).unwrap();
            FromPod::Content { path: path.into(), offset, meta, bytes: bytes.into() }
        }
    }

    fn found(path: &Path) -> Found {
        let name = items::wire(Path::new(path.file_name().unwrap()));
        let (kind, meta) = match items::open(path) {
            Some((_, meta)) => (Kind::File(meta.size), meta),
            None if path.is_symlink() => (Kind::Link(items::wire(&path.read_link().unwrap())), NONE),
            None => (Kind::Folder, NONE),
        };
        Found { name, kind, mode: meta.mode, modified: meta.modified }
    }

    const NONE: Meta = Meta { mode: 0o755, modified: 0, size: 0 };

    impl Ask for Pod {
        async fn tell(&mut self, question: &ToPod) -> Result<(), FilesError> {
            self.asked.push(question.clone());
            match question {
                ToPod::List(folder) => self.list(folder),
                ToPod::Read { path, offset } => self.answers.push_back(self.read(path, *offset)),
                other => panic!("{other:?}"),
            }
            Ok(())
        }

        async fn answer(&mut self) -> Result<FromPod, FilesError> {
            self.answers.pop_front().ok_or(FilesError::Ended)
        }
    }
}
