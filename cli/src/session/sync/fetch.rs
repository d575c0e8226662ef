//! A file of the pod's on its way to the laptop, page by page.

use std::path::PathBuf;

use tunnel::sync::{Found, FromPod, MAX_DATA, Meta, Trouble};

use super::beside::Contents;
use super::files::FilesError;
use super::items::wire;

/// A file that is being fetched.
#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) path: PathBuf,
    pub(super) contents: Contents,
    /// It was another one after all: it is fetched in the next round.
    pub(super) spoiled: bool,
    pub(super) trouble: Option<Trouble>,
}

impl Fetch {
    pub(super) fn new(path: PathBuf, found: &Found, size: u64) -> Self {
        let meta = Meta { mode: found.mode, modified: found.modified, size };
        Self { path, contents: Contents { meta, bytes: Vec::new() }, spoiled: false, trouble: None }
    }

    /// How many bytes come from here on.
    pub(super) fn page(&self, offset: u64) -> u64 {
        self.contents.meta.size.saturating_sub(offset).min(MAX_DATA as u64)
    }

    /// Takes the answer to the question for what begins at `offset`.
    pub(super) fn take(&mut self, offset: u64, answer: FromPod) -> Result<(), FilesError> {
        match answer {
            FromPod::Content { path, offset: at, meta, bytes }
                if path == wire(&self.path) && at == offset =>
            {
                let known = &self.contents.meta;
                let same = (meta.size, meta.modified) == (known.size, known.modified);
                self.spoiled |= !same || bytes.len() as u64 != self.page(offset);
                if !self.spoiled {
                    self.contents.meta.mode = meta.mode;
                    self.contents.bytes.extend_from_slice(&bytes);
                }
            }
            FromPod::Failed(trouble) if trouble.path == wire(&self.path) => {
                self.spoiled = true;
                self.trouble = Some(trouble);
            }
            _ => return Err(FilesError::Unexpected),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tunnel::sync::Kind;

    use super::*;

    fn fetch(size: u64) -> Fetch {
        let found = Found { name: b"a".into(), kind: Kind::File(size), mode: 0o600, modified: 7 };
        Fetch::new("gen/a".into(), &found, size)
    }

    fn content(offset: u64, size: u64, length: usize) -> FromPod {
        let meta = Meta { mode: 0o640, modified: 7, size };
        FromPod::Content { path: b"gen/a".into(), offset, meta, bytes: vec![1; length].into() }
    }

    #[test]
    fn a_file_comes_in_pages_that_fit() {
        let size = MAX_DATA as u64 + 5;
        let mut whole = fetch(size);
        whole.take(0, content(0, size, MAX_DATA)).unwrap();
        whole.take(MAX_DATA as u64, content(MAX_DATA as u64, size, 5)).unwrap();
        assert!(!whole.spoiled && whole.contents.bytes.len() as u64 == size);
        assert_eq!(whole.contents.meta.mode, 0o640);
        let mut empty = fetch(0);
        empty.take(0, content(0, 0, 0)).unwrap();
        assert!(!empty.spoiled);
        // Shorter or longer than it was, another time, more bytes than were asked for.
        for (offset, size, length) in [(0, 4, 4), (0, 6, 5), (0, 5, 4), (0, 5, 6)] {
            let mut other = fetch(5);
            other.take(0, content(offset, size, length)).unwrap();
            assert!(other.spoiled && other.contents.bytes.is_empty(), "{size} {length}");
        }
    }

    #[test]
    fn an_answer_to_something_else_ends_the_conversation() {
        assert!(fetch(5).take(0, content(1, 5, 4)).is_err());
        assert!(fetch(5).take(0, FromPod::Differs(b"gen/a".into())).is_err());
        let mut one = fetch(5);
        one.path = "gen/b".into();
        assert!(one.take(0, content(0, 5, 5)).is_err());
    }
}
