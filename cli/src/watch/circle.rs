//! Files that the process itself writes when it starts: a database, a log, a cache. Taken for a save, each start would be
//! followed by the next one, for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A change so soon after a start may be the process's own.
const SOON: Duration = Duration::from_secs(2);
/// After so many starts in a row nobody takes it for a developer any more, who may save often.
const STARTS: u32 = 10;

/// Notices circles.
#[derive(Debug, Default)]
pub struct Circle {
    soon: BTreeMap<PathBuf, u32>,
    out: BTreeSet<PathBuf>,
}

impl Circle {
    /// Whether a change of this file counts.
    pub fn counts(&self, path: &Path) -> bool {
        !self.out.contains(path)
    }

    /// These files changed, so long after the process was started. Those that from now on don't count any more.
    pub fn changed(&mut self, paths: &BTreeSet<PathBuf>, after: Duration) -> Vec<PathBuf> {
        if after > SOON {
            self.soon.clear();
            return Vec::new();
        }
        self.soon.retain(|path, _| paths.contains(path));
        for path in paths {
            *self.soon.entry(path.clone()).or_default() += 1;
        }
        let found: Vec<_> =
            self.soon.iter().filter(|(_, starts)| **starts >= STARTS).map(|(path, _)| path.clone()).collect();
        self.out.extend(found.iter().cloned());
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(names: &[&str]) -> BTreeSet<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn a_file_that_changes_after_every_start_counts_no_more() {
        let mut circle = Circle::default();
        let soon = Duration::from_millis(100);
        for _ in 1..STARTS {
            assert!(circle.changed(&paths(&["data.db", "main.rs"]), soon).is_empty());
        }
        assert_eq!(circle.changed(&paths(&["data.db"]), soon), [Path::new("data.db")]);
        assert!(!circle.counts(Path::new("data.db")) && circle.counts(Path::new("main.rs")));
    }

    #[test]
    fn somebody_who_saves_often_is_no_circle() {
        let mut circle = Circle::default();
        for at in 0..20 {
            let after = if at % 3 == 0 { Duration::from_secs(5) } else { Duration::from_millis(500) };
            assert!(circle.changed(&paths(&["main.rs"]), after).is_empty());
        }
    }
}
