//! What is gone on the laptop goes in the pod; what the program there has made for itself stays, and the folders that it is in.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tunnel::sync;

use super::ask::Ask;
use super::files::{Files, FilesError};
use super::items::Item;
use super::scope::Pulls;
use super::walk::Walk;
use crate::watch::tree::{Changes, Kind};

/// A folder with more below it is not looked through: it stays with all in it that the laptop never had.
const FOLDERS: usize = 2_000;
/// Folders that are asked for at a time.
const AT_A_TIME: usize = 64;

/// What is gone; of a folder only the folder, unless something is in it in the pod that is pulled.
pub(super) async fn removed(
    files: &mut Files,
    pulls: &Pulls,
    changes: &Changes,
) -> Result<Vec<Item>, FilesError> {
    let mut stay = BTreeSet::new();
    let mut unknown: Vec<PathBuf> = Vec::new();
    if !pulls.is_empty() {
        for top in gone(changes, &stay) {
            let before = changes.get(&top).and_then(|change| change.before.as_ref());
            if before.is_none_or(|before| before.kind != Kind::Folder) {
                continue;
            }
            match held(files, pulls, &top).await? {
                Some(held) => stay.extend(held),
                None => unknown.push(top),
            }
        }
        let folders = changes
            .iter()
            .filter(|(_, change)| change.before.as_ref().is_some_and(|before| before.kind == Kind::Folder));
        let below = folders.filter(|(path, _)| unknown.iter().any(|top| path.starts_with(top)));
        stay.extend(below.map(|(path, _)| path.clone()));
        files.spare(&stay);
    }
    Ok(gone(changes, &stay).into_iter().map(Item::Remove).collect())
}

/// What is gone, without what stays and what goes with its folder.
fn gone(changes: &Changes, stay: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let mut gone: Vec<PathBuf> = Vec::new();
    let paths = changes.iter().filter(|(path, change)| change.after.is_none() && !stay.contains(*path));
    for (path, _) in paths {
        if !gone.last().is_some_and(|last| path.starts_with(last)) {
            gone.push(path.clone());
        }
    }
    gone
}

/// Folders from `top` on that have something in them in the pod that is pulled; none: there are too many to tell.
async fn held(
    files: &mut impl Ask,
    pulls: &Pulls,
    top: &Path,
) -> Result<Option<BTreeSet<PathBuf>>, FilesError> {
    let mut held = BTreeSet::new();
    let mut walk = Walk::new(top.to_owned());
    let mut folders = 1;
    loop {
        walk.ask(files, AT_A_TIME).await?;
        // To its end whatever it finds: answers that were not taken would be taken for others.
        let Some(entries) = walk.next(files).await? else {
            return Ok((folders <= FOLDERS).then_some(held));
        };
        for (at, one) in entries {
            let is_folder = one.kind == sync::Kind::Folder;
            if pulls.name(&at, is_folder) {
                let above = at.ancestors().skip(1).take_while(|above| above.starts_with(top));
                held.extend(above.map(Path::to_owned));
            } else if is_folder {
                folders += 1;
                if folders <= FOLDERS {
                    walk.enter(at);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ask::tests::Pod;
    use super::super::scope::Patterns;
    use super::*;
    use crate::watch::tree::{Change, Entry};

    #[tokio::test]
    async fn folders_with_something_of_the_pod_s_in_them_are_found() {
        let mut pod = Pod::new();
        for file in ["src/deep/a.lock", "src/deep/x", "src/other/x", "src/gen/x", "a.lock"] {
            pod.write(file, "");
        }
        let pulls = Pulls::of(vec![Patterns::parse("*.lock,gen/").unwrap()]);
        let mut looked = async |top: &str| held(&mut pod, &pulls, Path::new(top)).await.unwrap();
        assert_eq!(looked("src").await, Some(["src", "src/deep"].map(PathBuf::from).into()));
        assert_eq!(looked("src/other").await, Some(BTreeSet::new()));
        assert_eq!(looked("none").await, Some(BTreeSet::new()));
        for at in 0..=FOLDERS {
            std::fs::create_dir_all(pod.folder.path().join("many").join(at.to_string())).unwrap();
        }
        assert_eq!(held(&mut pod, &pulls, Path::new("many")).await.unwrap(), None);
    }

    #[test]
    fn what_stays_keeps_its_folders_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let entry = Entry::look(folder.path(), None, false).unwrap();
        let change = || Change { before: entry.clone(), after: None };
        let paths = ["gone", "gone/a", "gone.txt", "src", "src/a", "src/old", "src/old/b", "src/sub", "x"];
        let changes: Changes = paths.map(|path| (PathBuf::from(path), change())).into();
        let all = |stay: &[&str]| gone(&changes, &stay.iter().map(PathBuf::from).collect());
        assert_eq!(all(&[]), ["gone", "gone.txt", "src", "x"].map(PathBuf::from));
        let left = ["gone", "gone.txt", "src/a", "src/old", "x"].map(PathBuf::from);
        assert_eq!(all(&["src", "src/sub"]), left);
    }
}
