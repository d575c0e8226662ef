//! Which way a file goes: the developer's are sent, what `--pull` names is made by the program in the pod and fetched.
//!
//! Said in this one place, because both ends must be asked alike: what is fetched is neither sent nor taken away there, nor
//! listed as a difference.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use tunnel::sync::STAGING;

use super::Entries;
use crate::watch::rules::{NAMES, Rules};
use crate::watch::tree::{Changes, Entry, Kind};

/// Names of files that are being written on the laptop begin so, until they get their own.
pub(super) const UNFINISHED: &str = ".devbridge-pull-";
/// Git runs what is in it.
const GIT: &str = ".git";

/// What one `--pull` names.
#[derive(Debug, Clone)]
pub struct Patterns {
    files: Gitignore,
    ways: Vec<Way>,
}

/// Where something that a pattern names can be.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Way {
    /// Folders that the pattern begins with, by their names.
    named: PathBuf,
    /// How deep the folder is at most that it is in; none: as deep as you like.
    depth: Option<usize>,
}

/// What all of them name.
#[derive(Debug, Clone, Default)]
pub struct Pulls(Arc<[Patterns]>);

impl Patterns {
    /// From patterns as in a `.gitignore`, with commas between them.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut files = GitignoreBuilder::new("");
        let mut ways = Vec::new();
        for pattern in text.split(',').map(str::trim) {
            if pattern.is_empty() {
                return Err("there is an empty pattern".into());
            }
            files.add_line(None, pattern).map_err(|error| error.to_string())?;
            // What is taken back leads nowhere.
            if !pattern.starts_with('!') {
                ways.push(Way::of(pattern));
            }
        }
        let files = files.build().map_err(|error| error.to_string())?;
        match files.num_ignores() {
            0 => Err("it names no file".into()),
            _ => Ok(Self { files, ways }),
        }
    }

    /// As git does it: what is in a folder that matches can't be taken back.
    fn name(&self, path: &Path, is_folder: bool) -> bool {
        let above = path.ancestors().filter(|above| !above.as_os_str().is_empty());
        above.into_iter().any(|at| self.files.matched(at, is_folder || at != path).is_ignore())
    }
}

impl Way {
    fn of(pattern: &str) -> Self {
        let pattern = pattern.trim_end_matches('/');
        // Without a slash before its end it may be anywhere; what is escaped is not worth being understood.
        if !pattern.contains('/') || pattern.contains('\\') {
            return Self { named: PathBuf::new(), depth: None };
        }
        let names: Vec<_> = pattern.trim_start_matches('/').split('/').collect();
        let folders = names.split_last().map_or(&[][..], |(_, folders)| folders);
        let named = folders.iter().take_while(|name| !name.contains(['*', '?', '[', '{'])).collect();
        let endless = names.iter().any(|name| name.contains("**"));
        Self { named, depth: (!endless).then_some(folders.len()) }
    }

    /// Whether a folder is on it.
    fn leads(&self, folder: &Path) -> bool {
        self.depth.is_none_or(|depth| folder.components().count() <= depth)
            && (folder.starts_with(&self.named) || self.named.starts_with(folder))
    }
}

impl Pulls {
    /// All that these name.
    pub fn of(all: Vec<Patterns>) -> Self {
        Self(all.into())
    }

    /// Nothing is pulled.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// It is the pod's: neither sent nor taken away there.
    pub(super) fn name(&self, path: &Path, is_folder: bool) -> bool {
        self.0.iter().any(|patterns| patterns.name(path, is_folder))
    }

    /// Whether a file that the pod has may come to the laptop. What says which files count, and what git runs, is the
    /// developer's, whatever the patterns say.
    pub(super) fn fetch(&self, file: &Path) -> bool {
        let forbidden = NAMES.iter().any(|name| file.file_name().is_some_and(|own| own == *name));
        !forbidden && !is_private(file) && self.name(file, false)
    }

    /// Takes out what is not sent.
    pub(super) fn leave_out(&self, entries: &mut Entries) {
        entries.retain(|path, entry| self.sends(path, entry));
    }

    /// Takes out what is not sent. What became something that is not sent is gone.
    pub(super) fn leave_out_changes(&self, changes: &mut Changes) {
        changes.retain(|path, change| {
            for side in [&mut change.before, &mut change.after] {
                side.take_if(|entry| !self.sends(path, entry));
            }
            change.before.is_some() || change.after.is_some()
        });
    }

    fn sends(&self, path: &Path, entry: &Entry) -> bool {
        !is_unfinished(path) && !self.name(path, entry.kind == Kind::Folder)
    }
}

/// Which paths of the pod count, and where to look for what is pulled.
#[derive(Debug)]
pub(super) struct Scope {
    pulls: Pulls,
    rules: Rules,
}

impl Scope {
    /// As the files of rules in `folder` are now.
    pub(super) fn of(folder: &Path, pulls: &Pulls) -> Self {
        Self { pulls: pulls.clone(), rules: Rules::of(folder) }
    }

    /// Whether something of the pod is to be as on the laptop; a folder: or something in it. `known`: the laptop has it.
    pub(super) fn counts(&mut self, path: &Path, is_folder: bool, known: bool) -> bool {
        if self.pulls.name(path, is_folder) {
            return false;
        }
        known
            || match is_folder {
                true => self.rules.enter(path),
                false => !is_unfinished(path) && !self.rules.decide(path, false).ignored,
            }
    }

    /// Whether something that is pulled can be in a folder of the pod. One that is ignored is looked into only when it
    /// matches, or a pattern leads there by names: nobody wants to look through `node_modules` for each `*.lock`.
    pub(super) fn looks_into(&mut self, folder: &Path) -> bool {
        if is_private(folder) {
            return false;
        }
        if self.pulls.name(folder, true) {
            return true;
        }
        let ways = self.pulls.0.iter().flat_map(|patterns| &patterns.ways);
        let mut ways = ways.filter(|way| way.leads(folder)).peekable();
        let (leads, named) = (ways.peek().is_some(), ways.any(|way| !way.named.as_os_str().is_empty()));
        named || (leads && self.rules.enter(folder))
    }

    /// See [`Pulls::fetch`].
    pub(super) fn fetches(&self, file: &Path) -> bool {
        self.pulls.fetch(file)
    }
}

fn is_unfinished(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(UNFINISHED.as_bytes()))
}

/// Git's, or of either end's own.
fn is_private(path: &Path) -> bool {
    let begins = |name: &std::ffi::OsStr, with: &str| name.as_encoded_bytes().starts_with(with.as_bytes());
    // Some folders are on disks that take names for the same that differ in case.
    path.iter()
        .any(|name| name.eq_ignore_ascii_case(GIT) || begins(name, STAGING) || begins(name, UNFINISHED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::tree::Change;

    fn pulls(all: &[&str]) -> Pulls {
        Pulls::of(all.iter().map(|text| Patterns::parse(text).unwrap()).collect())
    }

    #[test]
    fn patterns_are_those_of_a_gitignore() {
        let pulls = pulls(&["*.lock, /go.sum", "gen/,out/*,!out/mine"]);
        for (path, is) in [
            ("a.lock", true),
            ("sub/a.lock", true),
            ("go.sum", true),
            ("sub/go.sum", false),
            ("sub/gen/deep/a", true),
            ("gen", false),
            ("out/a", true),
            ("out/mine", false),
            ("main.rs", false),
        ] {
            assert_eq!(pulls.name(Path::new(path), false), is, "{path}");
        }
        assert!(pulls.name(Path::new("gen"), true) && !pulls.name(Path::new("out"), true));
        for wrong in ["", "a,", ",a", "!a", "# nothing"] {
            assert!(Patterns::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_git_runs_and_what_says_which_files_count_is_never_fetched() {
        let pulls = pulls(&["*"]);
        for path in [".git/hooks/post-checkout", "sub/.GIT/config", ".gitignore", "a/.devbridgeignore"] {
            assert!(!pulls.fetch(Path::new(path)), "{path}");
        }
        assert!(!pulls.fetch(Path::new(".devbridge-pull-1")) && !pulls.fetch(Path::new(".devbridge-sync/1")));
        assert!(pulls.fetch(Path::new("a/b")));
    }

    #[test]
    fn only_folders_are_looked_into_that_something_can_be_in() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".gitignore"), "node_modules/\nbuild/\ngen/\n").unwrap();
        let looks = |patterns: &[&str], into: &str| {
            Scope::of(folder.path(), &pulls(patterns)).looks_into(Path::new(into))
        };
        for (patterns, into, is) in [
            ("*.lock", "", true),
            ("*.lock", "src/deep", true),
            ("*.lock", "node_modules", false),
            ("*.lock", ".git", false),
            ("/a.lock", "", true),
            ("/a.lock", "src", false),
            // Ignored by git, but a pattern says its name.
            ("gen/", "gen", true),
            ("gen/", "gen/deep/er", true),
            ("build/gen/*.ts", "build", true),
            ("build/gen/*.ts", "build/gen", true),
            ("build/gen/*.ts", "build/gen/sub", false),
            ("build/gen/*.ts", "build/other", false),
            ("build/gen/*.ts", "src", false),
            ("build/**/x", "build/a/b", true),
            ("**/out/x", "src/out", true),
            ("**/out/x", "node_modules", false),
        ] {
            assert_eq!(looks(&[patterns], into), is, "{patterns} {into}");
        }
        assert!(looks(&["/a", "build/x"], "build"));
    }

    #[test]
    fn what_is_pulled_is_not_sent() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("gen")).unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let look = |name: &str| Entry::look(&folder.path().join(name), None, false).unwrap().unwrap();
        let (dir, file) = (look("gen"), look("file"));
        let pulls = pulls(&["gen/", "*.lock"]);
        let mut entries: Entries = ["gen", "src"].map(|path| (path.into(), dir.clone())).into();
        entries.extend(
            ["gen/a", "a.lock", "src/a", ".devbridge-pull-1"].map(|path| (path.into(), file.clone())),
        );
        pulls.leave_out(&mut entries);
        assert_eq!(entries.into_keys().collect::<Vec<_>>(), ["src", "src/a"].map(PathBuf::from));
        // A file that was sent became a folder that is not: it goes.
        let change = |before: Option<&Entry>, after: Option<&Entry>| Change {
            before: before.cloned(),
            after: after.cloned(),
        };
        let mut changes: Changes = [
            ("a.lock", change(None, Some(&file))),
            ("gen", change(Some(&file), Some(&dir))),
            ("src/a", change(Some(&file), None)),
        ]
        .map(|(path, change)| (path.into(), change))
        .into();
        pulls.leave_out_changes(&mut changes);
        let left: Vec<_> =
            changes.iter().map(|(path, c)| (path.to_str().unwrap(), c.after.is_some())).collect();
        assert_eq!(left, [("gen", false), ("src/a", false)]);
    }
}
