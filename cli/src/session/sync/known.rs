//! What a session remembers of files that it has pulled: which are its own, and what was said about them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use tunnel::sync::Hash;

/// Files of one session.
pub(super) const FILES: usize = 10_000;

/// What was pulled in this session, from whichever pod.
#[derive(Debug, Default)]
pub(super) struct Pulled {
    pub(super) files: HashMap<PathBuf, Known>,
    /// That there are too many files, or folders, was said.
    pub(super) said_files: bool,
    pub(super) said_folders: bool,
}

/// One of them.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Of what the last pull wrote in its place.
    pub(super) ours: Option<Hash>,
    /// What is wrong with it, as it was said last.
    pub(super) said: Option<String>,
}

impl Pulled {
    /// Whether one more file may come.
    pub(super) fn admits(&mut self, file: &Path) -> bool {
        let known = self.files.contains_key(file);
        if !known && self.files.len() < FILES {
            self.files.insert(file.to_owned(), Known::default());
            return true;
        }
        known
    }

    /// Whether this is to be said: it is wrong, and was not said last.
    pub(super) fn is_news(&mut self, file: &Path, wrong: String) -> bool {
        let Some(known) = self.files.get_mut(file) else { return false };
        let news = known.said.as_ref() != Some(&wrong);
        known.said = Some(wrong);
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_files_and_no_more() {
        let mut pulled = Pulled::default();
        for at in 0..FILES {
            assert!(pulled.admits(Path::new(&at.to_string())));
        }
        assert!(!pulled.admits(Path::new("more")) && pulled.admits(Path::new("7")));
    }

    #[test]
    fn the_same_trouble_is_said_once() {
        let mut pulled = Pulled::default();
        let file = Path::new("a");
        assert!(pulled.admits(file) && pulled.is_news(file, "x".into()));
        assert!(!pulled.is_news(file, "x".into()) && pulled.is_news(file, "y".into()));
    }
}
