//! What is saved, once the commands that it is for have run: a build, a generator.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::error::chain;
use crate::output::Output;
use crate::watch::on_change::OnChange;
use crate::watch::tree::{Changes, merge};
use crate::watch::{Batch, Notice, Watch};

/// More files are seldom all code.
const MANY: usize = 50_000;
/// Commands whose output is what they are run for are run so often for one save.
const ROUNDS: usize = 5;

/// A folder that is followed, and what is done first about changes in it.
pub struct Saves {
    /// Follows it.
    pub watch: Watch,
    /// Where it is, without links.
    pub folder: PathBuf,
    /// Commands that run first, in this order.
    pub on_change: Vec<OnChange>,
}

impl Saves {
    /// Waits until the folder has been read: what changes from now on is noticed.
    pub async fn begun(&self, output: &Output) {
        let step = output.step("watch", &format!("reading {}", self.folder.display()));
        loop {
            for notice in self.watch.next().await.notices {
                match notice {
                    Notice::Follows { files, .. } => {
                        step.done(&notice.to_string());
                        if files > MANY {
                            output
                                .note("that is a lot: a line in .devbridgeignore leaves out what is no code");
                        }
                        return;
                    }
                    notice => output.warn(&notice.to_string()),
                }
            }
        }
    }

    /// Waits for changes. Cancel safe.
    pub async fn next(&self, output: &Output) -> Changes {
        taken(self.watch.next().await, output)
    }

    /// Runs the commands for what is pending, and for what they write in turn, which is pending then, too.
    ///
    /// # Errors
    /// A command failed, in words.
    pub async fn commands(&self, pending: &mut Changes, output: &Output) -> Result<(), String> {
        let mut fresh = files(pending);
        for round in 0..=ROUNDS {
            let due = self.on_change.iter().filter(|on| fresh.iter().any(|path| on.is_for(path)));
            let due: Vec<_> = due.collect();
            if due.is_empty() {
                return Ok(());
            }
            if round == ROUNDS {
                let command = due.first().map(|on| on.command.as_str()).unwrap_or_default();
                output.warn(&format!("`{command}` changes the files that it is run for each time; going on"));
                return Ok(());
            }
            for on in due {
                output.say(&format!("running `{}`", on.command));
                let took = on.run(&self.folder).await.map_err(|error| chain(&error))?;
                output.say(&format!("`{}` took {:.1} s", on.command, took.as_secs_f64()));
            }
            let written = taken(self.watch.now().await, output);
            fresh = files(&written);
            merge(pending, written);
        }
        Ok(())
    }
}

/// The changes of a batch; says what else there is to say.
fn taken(batch: Batch, output: &Output) -> Changes {
    for notice in batch.notices {
        output.warn(&notice.to_string());
    }
    batch.changes
}

/// Files whose contents changed.
pub fn files(changes: &Changes) -> BTreeSet<PathBuf> {
    let changed = changes.iter().filter(|(_, change)| change.matters() && change.is_of_a_file());
    changed.map(|(path, _)| path.clone()).collect()
}

/// `src/main.rs and 3 more`.
pub fn names(paths: &BTreeSet<PathBuf>) -> String {
    let first = paths.first().map(|path| Path::display(path).to_string()).unwrap_or_default();
    match paths.len() {
        0 | 1 => first,
        more => format!("{first} and {} more", more - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_changed_files_are_one_line() {
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect();
        assert_eq!(names(&paths(&["a"])), "a");
        assert_eq!(names(&paths(&["c", "a", "b"])), "a and 2 more");
    }
}
