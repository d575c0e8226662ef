//! One file of rules.

use std::io::Read;
use std::path::{Path, PathBuf};

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder, Glob};

use super::{Mistake, Rule};

/// Longest file that is read; more is not written by people.
const LONGEST: u64 = 1 << 20;

/// How lines are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// A pattern without a slash matches at any depth, and nothing in an ignored folder can count.
    Git,
    /// Patterns begin at the top, match all below, and later lines may take that back.
    Docker,
}

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Say {
    Ignore,
    Count,
}

/// A file of rules, read.
#[derive(Debug)]
pub(super) struct File {
    dialect: Dialect,
    path: Option<PathBuf>,
    patterns: Gitignore,
    lines: Vec<Line>,
    mistakes: Vec<Mistake>,
}

#[derive(Debug)]
struct Line {
    number: usize,
    written: String,
    /// As git would write it.
    pattern: String,
}

impl File {
    /// The file at `path`, if there is one that can be read.
    pub(super) fn read(path: &Path, dialect: Dialect) -> Option<Self> {
        let mut bytes = Vec::new();
        std::fs::File::open(path).ok()?.take(LONGEST).read_to_end(&mut bytes).ok()?;
        Some(Self::parse(Some(path.to_owned()), &String::from_utf8_lossy(&bytes), dialect))
    }

    pub(super) fn parse(path: Option<PathBuf>, text: &str, dialect: Dialect) -> Self {
        let mut builder = GitignoreBuilder::new("");
        let (mut lines, mut mistakes) = (Vec::new(), Vec::new());
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, written) in (1..).zip(text.lines()) {
            let pattern = match dialect {
                Dialect::Git => written.to_owned(),
                Dialect::Docker => as_git(written),
            };
            if let Err(error) = builder.add_line(path.clone(), &pattern) {
                let rule = Rule { file: path.clone(), line: number, pattern: written.to_owned() };
                mistakes.push(Mistake { rule, why: error.to_string() });
                continue;
            }
            lines.push(Line { number, written: written.trim().to_owned(), pattern });
        }
        // What can't be built as a whole was tried line by line above.
        let patterns = builder.build().unwrap_or_else(|_| Gitignore::empty());
        Self { dialect, path, patterns, lines, mistakes }
    }

    /// Nobody wrote it.
    pub(super) fn is_built_in(&self) -> bool {
        self.path.is_none()
    }

    /// The last line about `path`, which is relative to this file's folder.
    pub(super) fn says(&self, path: &Path, is_folder: bool) -> Option<(Say, Rule)> {
        let matched = match self.dialect {
            Dialect::Git => self.patterns.matched(path, is_folder),
            Dialect::Docker => self.patterns.matched_path_or_any_parents(path, is_folder),
        };
        match matched {
            Match::None => None,
            Match::Ignore(glob) => Some((Say::Ignore, self.rule(glob))),
            Match::Whitelist(glob) => Some((Say::Count, self.rule(glob))),
        }
    }

    /// Whether a line may let something below this folder count although it says that the folder does not.
    pub(super) fn may_count_below(&self, folder: &Path) -> bool {
        let takes_back = |line: &Line| {
            let Some(pattern) = line.pattern.strip_prefix('!') else { return false };
            let mut parts = pattern.trim_start_matches('/').split('/');
            for own in folder.components() {
                match parts.next() {
                    None => return false,
                    Some(part) if part.contains(['*', '?', '[']) => return true,
                    Some(part) if own.as_os_str() == part => {}
                    Some(_) => return false,
                }
            }
            true
        };
        self.dialect == Dialect::Docker && self.lines.iter().any(takes_back)
    }

    pub(super) fn mistakes(&self) -> impl Iterator<Item = Mistake> {
        self.mistakes.iter().cloned()
    }

    /// The matcher does not tell lines apart that are the same; the last of them decides.
    fn rule(&self, glob: &Glob) -> Rule {
        let line = self.lines.iter().rfind(|line| line.pattern.trim_end() == glob.original());
        Rule {
            file: self.path.clone(),
            line: line.map_or(0, |line| line.number),
            pattern: line.map_or_else(|| glob.original().to_owned(), |line| line.written.clone()),
        }
    }
}

/// A line of docker's as git would write it: anchored, and without the slash that says nothing there.
fn as_git(line: &str) -> String {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return String::new();
    }
    let (not, pattern) = line.strip_prefix('!').map_or(("", line), |rest| ("!", rest.trim_start()));
    let pattern = pattern.trim_start_matches("./").trim_matches('/');
    if pattern.is_empty() { String::new() } else { format!("{not}/{pattern}") }
}
