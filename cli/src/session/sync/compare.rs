//! What a pod lacks: its folder beside the laptop's, by names first, by contents where sizes are the same.
//!
//! The laptop asks folder by folder, because it alone knows which ones count: what is ignored is never looked at in the pod,
//! and stays as it is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use tunnel::sync::tree::Leaf;
use tunnel::sync::{self, Found, FromPod, Hash, Meta, STAGING, ToPod};

use super::Entries;
use super::files::{Files, FilesError};
use super::items::{self, Item, nanoseconds, path, permissions, wire};
use super::scope::{Pulls, Scope};
use super::walk::Walk;
use crate::watch::tree::{Entry, Kind};

/// Folders that are asked for at a time: an answer may be some thousand names.
const FOLDERS: usize = 64;
/// Files and folders of a pod that are compared: a million fit into some hundred MiB.
pub(super) const MOST: usize = 1 << 20;
/// Contents that are asked for at a time.
const HASHES: usize = 2048;

/// What the pod has, as far as it counts.
#[derive(Debug, Default)]
struct There {
    found: BTreeMap<PathBuf, Found>,
    /// Folders with something in them, or deeper, that does not count.
    stay: BTreeSet<PathBuf>,
}

/// What has to be done to a pod so that it has `local`, which lies in `folder`; with `keep`, without taking away what only the
/// pod has.
pub(super) async fn compare(
    files: &mut Files,
    folder: &Path,
    pulls: &Pulls,
    local: &Entries,
    keep: bool,
) -> Result<Vec<Item>, FilesError> {
    let there = list(files, Scope::of(folder, pulls), local, keep).await?;
    let hashes = hashes(files, local, &there).await?;
    let mut batch = Vec::new();
    for (path, entry) in local {
        lacks(folder, path, entry, there.found.get(path), hashes.get(path), &mut batch);
    }
    if !keep {
        batch.extend(extra(local, &there));
    }
    Ok(batch)
}

async fn list(files: &mut Files, mut scope: Scope, local: &Entries, keep: bool) -> Result<There, FilesError> {
    let mut there = There::default();
    let mut walk = Walk::new(PathBuf::new());
    loop {
        walk.ask(files, FOLDERS).await?;
        let Some(entries) = walk.next(files).await? else { return Ok(there) };
        for (at, one) in entries {
            // Left by an agent that was killed.
            if one.name.starts_with(STAGING.as_bytes()) {
                continue;
            }
            let is_folder = one.kind == sync::Kind::Folder;
            let known = local.contains_key(&at);
            let counts = scope.counts(&at, is_folder, known);
            if !counts {
                there.stay.extend(at.ancestors().skip(1).map(Path::to_owned));
            }
            if !counts || (keep && !known) {
                continue;
            }
            if there.found.len() == MOST {
                return Err(FilesError::TooMany);
            }
            if is_folder {
                walk.enter(at.clone());
            }
            there.found.insert(at, one);
        }
    }
}

/// Of files that have the same size on both sides.
async fn hashes(
    files: &mut Files,
    local: &Entries,
    there: &There,
) -> Result<BTreeMap<PathBuf, Hash>, FilesError> {
    let alike = |path: &PathBuf, found: &Found| match (local.get(path).map(|entry| &entry.kind), &found.kind)
    {
        (Some(Kind::File { size, .. }), sync::Kind::File(theirs)) => size == theirs,
        _ => false,
    };
    let mut wanted = there.found.iter().filter(|(path, found)| alike(path, found)).map(|(path, _)| path);
    let mut hashes = BTreeMap::new();
    let mut asked = 0;
    loop {
        while asked < HASHES
            && let Some(next) = wanted.next()
        {
            files.tell(&ToPod::Hash(wire(next))).await?;
            asked += 1;
        }
        if asked == 0 {
            return Ok(hashes);
        }
        let FromPod::Hashed { path: of, hash } = files.answer().await? else {
            return Err(FilesError::Unexpected);
        };
        asked -= 1;
        hashes.extend(hash.map(|hash| (path(&of), hash)));
    }
}

/// What has to be done about one path of the laptop's.
fn lacks(
    folder: &Path,
    path: &Path,
    entry: &Entry,
    found: Option<&Found>,
    theirs: Option<&Hash>,
    batch: &mut Vec<Item>,
) {
    let mode = permissions(entry.mode);
    let keep = |leaf| Item::Keep(path.to_owned(), leaf);
    match (&entry.kind, found.map(|found| (&found.kind, found))) {
        (Kind::Folder, Some((sync::Kind::Folder, found))) if found.mode == mode => {
            batch.push(keep(Leaf::Folder { mode }));
        }
        (Kind::Link { to }, Some((sync::Kind::Link(theirs), _))) if wire(to) == *theirs => {
            batch.push(keep(Leaf::Link { to: theirs.clone() }));
        }
        (Kind::File { size, hash }, Some((sync::Kind::File(_), found))) if theirs.is_some() => {
            // The engine does not read the largest files.
            let ours = hash.map(|hash| *hash.as_bytes()).or_else(|| items::hash(&folder.join(path)));
            let Some(same) = theirs.filter(|theirs| Some(**theirs) == ours) else {
                return batch.push(Item::File { path: path.to_owned(), replaces: true });
            };
            batch.push(keep(Leaf::File { mode: found.mode, hash: *same }));
            let meta = Meta { mode, modified: nanoseconds(entry.modified), size: *size };
            if (found.mode, found.modified) != (meta.mode, meta.modified) {
                batch.push(Item::Meta(path.to_owned(), meta, *same));
            }
        }
        (Kind::File { .. }, Some((sync::Kind::File(_), _))) => {
            batch.push(Item::File { path: path.to_owned(), replaces: true });
        }
        _ => batch.push(Item::of(path, entry)),
    }
}

/// What only the pod has. A folder with something in it that does not count stays.
fn extra(local: &Entries, there: &There) -> Vec<Item> {
    let goes = |path: &PathBuf| !local.contains_key(path) && !there.stay.contains(path);
    let mut batch: Vec<PathBuf> = Vec::new();
    for path in there.found.keys().filter(|path| goes(path)) {
        // With its folder.
        if !batch.last().is_some_and(|last| path.starts_with(last)) {
            batch.push(path.clone());
        }
    }
    batch.into_iter().map(Item::Remove).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_pod_has_goes_with_its_folder_unless_something_there_does_not_count() {
        let found = |name: &str, kind| Found { name: name.into(), kind, mode: 0o755, modified: 0 };
        let mut there = There::default();
        for (path, kind) in [
            ("old", sync::Kind::Folder),
            ("old/a", sync::Kind::File(1)),
            ("old/b", sync::Kind::File(1)),
            ("pkg", sync::Kind::Folder),
            ("pkg/a", sync::Kind::File(1)),
            ("x", sync::Kind::Link(b"a".into())),
        ] {
            there.found.insert(path.into(), found(path, kind));
        }
        there.stay = ["", "pkg"].map(PathBuf::from).into();
        let gone: Vec<_> = extra(&Entries::new(), &there)
            .into_iter()
            .map(|item| match item {
                Item::Remove(path) => path,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(gone, ["old", "pkg/a", "x"].map(PathBuf::from));
    }
}
