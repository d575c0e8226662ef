//! Which files count: `.gitignore`, `.dockerignore` and `.devbridgeignore` as their own tools read them, and which line
//! decided.
//!
//! A folder that is ignored is not looked into, so nothing in it costs a watch. From the strongest to the weakest:
//!
//! 1. `.git` itself is never looked into;
//! 2. the files of rules in the path's own folder, then those of the folders above, up to the top of the repository: in each
//!    folder `.devbridgeignore` before `.dockerignore` before `.gitignore`, in each file the last line that matches;
//! 3. `.git/info/exclude`, then the user's own `core.excludesFile`;
//! 4. what editors write beside the files that they save.
//!
//! `.dockerignore` counts in the folder that is followed, as it does in the folder that docker builds, and its patterns begin there.
//! Sources: gitignore(5); <https://docs.docker.com/build/concepts/context/#dockerignore-files>.

mod file;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};

use self::file::{Dialect, File, Say};

/// Files of rules that a folder may have, the strongest first.
pub const NAMES: [&str; 3] = [".devbridgeignore", ".dockerignore", ".gitignore"];

/// Beside a file that is being saved: vim, Emacs, JetBrains.
const EDITORS: &str = "*.sw[a-p]\n*~\n4913\n.#*\n\\#*#\n*___jb_tmp___\n*___jb_old___\n";
/// Of git's own; changes with every command and is nobody's code.
const GIT: &str = ".git";

/// The rules of one folder and all below.
#[derive(Debug)]
pub struct Rules {
    /// The repository's top; without one, the folder itself.
    top: PathBuf,
    /// The folder, from the top.
    folder: PathBuf,
    /// Of each folder from the top on that was asked about, the strongest first.
    folders: HashMap<PathBuf, Vec<File>>,
    /// Of the repository, of the user, and built in.
    common: Vec<File>,
}

/// What becomes of a path, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// It does not count.
    pub ignored: bool,
    /// The line that decided; none: no line is about it.
    pub rule: Option<Rule>,
    /// The folder above it that the line is about, if it is not about the path itself.
    pub folder: Option<PathBuf>,
}

/// A line of a file of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The file; none: built in.
    pub file: Option<PathBuf>,
    /// From 1.
    pub line: usize,
    /// As it is written.
    pub pattern: String,
}

/// A line that is no pattern; it is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The line.
    pub rule: Rule,
    /// What is wrong.
    pub why: String,
}

impl Rules {
    /// The rules for `folder`, which is absolute, and all below it. Reads files of rules as it is asked about paths beside
    /// them; one that can't be read has none.
    pub fn of(folder: &Path) -> Self {
        Self::with(folder, ignore::gitignore::gitconfig_excludes_path().as_deref())
    }

    /// The same with `own` for the user's own file of rules.
    fn with(folder: &Path, own: Option<&Path>) -> Self {
        let repository = folder.ancestors().find(|above| above.join(GIT).exists());
        let top = repository.unwrap_or(folder).to_owned();
        let relative = folder.strip_prefix(&top).unwrap_or(Path::new("")).to_owned();
        let mut common = Vec::new();
        if repository.is_some() {
            // Of a second worktree `.git` is a file; what is excluded there stands elsewhere, and is left to its owner.
            common.extend(File::read(&top.join(".git/info/exclude"), Dialect::Git));
            common.extend(own.and_then(|path| File::read(path, Dialect::Git)));
        }
        common.push(File::parse(None, EDITORS, Dialect::Git));
        Self { top, folder: relative, folders: HashMap::new(), common }
    }

    /// The top of the repository; without one, the folder.
    pub fn top(&self) -> &Path {
        &self.top
    }

    /// Folders above whose files of rules count, too.
    pub fn above(&self) -> Vec<PathBuf> {
        self.folder.ancestors().skip(1).map(|above| self.top.join(above)).collect()
    }

    /// What becomes of `path`, which is relative to the folder.
    pub fn decide(&mut self, path: &Path, is_folder: bool) -> Verdict {
        let parts: Vec<_> = path.components().filter(|part| matches!(part, Component::Normal(_))).collect();
        let mut at = PathBuf::new();
        let mut verdict = Verdict { ignored: false, rule: None, folder: None };
        for (index, part) in parts.iter().enumerate() {
            at.push(part);
            let above = index + 1 < parts.len();
            if part.as_os_str() == GIT {
                let rule = Rule { file: None, line: 0, pattern: GIT.into() };
                return Verdict { ignored: true, rule: Some(rule), folder: above.then_some(at) };
            }
            let said = self.said(&at, above || is_folder);
            verdict = match said {
                Some((Say::Ignore, rule)) => Verdict { ignored: true, rule: Some(rule), folder: None },
                Some((Say::Count, rule)) => Verdict { ignored: false, rule: Some(rule), folder: None },
                None => Verdict { ignored: false, rule: None, folder: None },
            };
            if verdict.ignored && above && !self.may_count_below(&at) {
                return Verdict { folder: Some(at), ..verdict };
            }
        }
        verdict
    }

    /// Whether a folder has to be looked into: it counts, or something below it may.
    pub fn enter(&mut self, folder: &Path) -> bool {
        !self.decide(folder, true).ignored || self.may_count_below(folder)
    }

    /// A file of rules in this folder was written; it is read anew.
    pub fn forget(&mut self, folder: &Path) {
        self.folders.remove(&self.folder.join(folder));
    }

    /// Lines that are no patterns, in the files that were read until now.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let files = self.folders.values().flatten().chain(&self.common);
        files.flat_map(File::mistakes).collect()
    }

    /// The strongest line about this path itself.
    fn said(&mut self, path: &Path, is_folder: bool) -> Option<(Say, Rule)> {
        let full = self.folder.join(path);
        for above in full.ancestors().skip(1) {
            self.read(above);
            let beside = self.folders.get(above)?;
            let from_there = full.strip_prefix(above).unwrap_or(&full);
            if let Some(said) = beside.iter().find_map(|file| file.says(from_there, is_folder)) {
                return Some(said);
            }
        }
        // What editors write beside files are files.
        let common = self.common.iter().filter(|file| !(is_folder && file.is_built_in()));
        common.into_iter().find_map(|file| file.says(&full, is_folder))
    }

    /// Docker's rules may take back for a file what they say of its folder; git's may not.
    fn may_count_below(&mut self, folder: &Path) -> bool {
        let start = self.folder.clone();
        self.read(&start);
        self.folders.get(&start).is_some_and(|files| files.iter().any(|file| file.may_count_below(folder)))
    }

    fn read(&mut self, folder: &Path) {
        if self.folders.contains_key(folder) {
            return;
        }
        let followed = folder == self.folder;
        let files = NAMES.iter().filter_map(|name| {
            let dialect = if *name == ".dockerignore" { Dialect::Docker } else { Dialect::Git };
            let counts = dialect == Dialect::Git || followed;
            counts.then(|| File::read(&self.top.join(folder).join(name), dialect)).flatten()
        });
        let files = files.collect();
        self.folders.insert(folder.to_owned(), files);
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}:{}: {}", file.display(), self.line, self.pattern),
            None => write!(f, "built in: {}", self.pattern),
        }
    }
}
