//! The engine on real folders.

mod random;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tokio::time::timeout;

use super::tree::{Changes, Entry, Kind, merge};
use super::{Batch, Hint, Notice, Watch};

/// More than any batch takes.
const SOON: Duration = Duration::from_secs(10);
/// Longer than a batch of a few files; for what must not happen.
const QUIET: Duration = Duration::from_millis(150);

/// A folder, followed, and what is known of it.
struct Followed {
    folder: tempfile::TempDir,
    watch: Watch,
    known: Changes,
}

impl Followed {
    /// Follows a folder that `make` has filled.
    async fn new(make: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path());
        let watch = Watch::start(folder.path(), Vec::new()).unwrap();
        let begun = timeout(SOON, watch.next()).await.expect("it begins");
        assert!(matches!(begun.notices[..], [Notice::Follows { .. }, ..]), "{begun:?}");
        Self { folder, watch, known: Changes::new() }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).unwrap();
    }

    async fn batch(&mut self) -> Batch {
        timeout(SOON, self.watch.next()).await.expect("something changes")
    }

    /// The names in the next batch: `+` new, `-` gone, `*` another one.
    async fn changed(&mut self) -> Vec<String> {
        let changes = self.batch().await.changes;
        let name = |(path, change): (&PathBuf, &super::tree::Change)| {
            let sign = match (&change.before, &change.after) {
                (None, _) => '+',
                (_, None) => '-',
                _ => '*',
            };
            format!("{sign}{}", path.display())
        };
        changes.iter().map(name).collect()
    }

    async fn nothing_more(&mut self) {
        if let Ok(batch) = timeout(QUIET, self.watch.next()).await {
            panic!("{batch:?}");
        }
    }

    /// Waits until what is known is what is there.
    async fn knows_all(&mut self, ignored: &str) {
        let there = files(self.folder.path(), ignored);
        let compared = async {
            loop {
                let batch = self.watch.now().await;
                merge(&mut self.known, batch.changes);
                let known = self.known.iter().filter_map(|(path, change)| {
                    change.after.as_ref().map(|entry| (path.clone(), content(entry)))
                });
                if known.collect::<BTreeMap<_, _>>() == there {
                    return;
                }
            }
        };
        if timeout(SOON, compared).await.is_err() {
            panic!("there is {there:#?}\nknown is {:#?}", self.known);
        }
    }
}

/// What two entries must have in common to be alike.
fn content(entry: &Entry) -> (String, u32) {
    let kind = match &entry.kind {
        Kind::Folder => "folder".into(),
        Kind::File { size, hash } => format!("{size} {hash:?}"),
        Kind::Link { to } => format!("link {}", to.display()),
    };
    (kind, entry.mode)
}

/// All there is, read without the engine; names that begin with `ignored` do not count.
fn files(folder: &Path, ignored: &str) -> BTreeMap<PathBuf, (String, u32)> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for name in fs::read_dir(at).unwrap().flatten() {
            if !ignored.is_empty() && name.file_name().to_string_lossy().starts_with(ignored) {
                continue;
            }
            let entry = Entry::look(&name.path(), None, true).unwrap().unwrap();
            if entry.kind == Kind::Folder {
                open.push(name.path());
            }
            found.insert(name.path().strip_prefix(folder).unwrap().to_owned(), content(&entry));
        }
    }
    found
}

fn git(folder: &Path, args: &[&str]) {
    let mut git = Command::new("git");
    git.current_dir(folder).args([
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@example",
        "-c",
        "init.defaultBranch=main",
    ]);
    let done = git.args(args).env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap();
    assert!(done.status.success(), "{done:?}");
}

#[tokio::test]
async fn a_save_is_one_change_however_the_editor_does_it() {
    let mut followed = Followed::new(|folder| fs::write(folder.join("a.rs"), "0").unwrap()).await;
    // In place.
    followed.write("a.rs", "1");
    assert_eq!(followed.changed().await, ["*a.rs"]);
    // VS Code, and others that write a temporary file beside it.
    followed.write("a.rs.tmp", "2");
    fs::rename(followed.path("a.rs.tmp"), followed.path("a.rs")).unwrap();
    assert_eq!(followed.changed().await, ["*a.rs"]);
    // vim: a probe, the old one aside, a new one, the old one away.
    followed.write("4913", "");
    fs::remove_file(followed.path("4913")).unwrap();
    fs::rename(followed.path("a.rs"), followed.path("a.rs~")).unwrap();
    followed.write("a.rs", "3");
    fs::remove_file(followed.path("a.rs~")).unwrap();
    assert_eq!(followed.changed().await, ["*a.rs"]);
    // JetBrains' safe write.
    followed.write("a.rs___jb_tmp___", "4");
    fs::rename(followed.path("a.rs"), followed.path("a.rs___jb_old___")).unwrap();
    fs::rename(followed.path("a.rs___jb_tmp___"), followed.path("a.rs")).unwrap();
    fs::remove_file(followed.path("a.rs___jb_old___")).unwrap();
    assert_eq!(followed.changed().await, ["*a.rs"]);
    followed.nothing_more().await;
}

#[tokio::test]
async fn a_file_that_is_written_again_with_the_same_bytes_has_not_changed_for_anybody_who_builds_it() {
    let mut followed = Followed::new(|folder| fs::write(folder.join("a"), "same").unwrap()).await;
    followed.write("a", "same");
    let batch = followed.batch().await;
    assert!(batch.changes.values().all(|change| !change.matters()), "{batch:?}");
    followed.nothing_more().await;
}

#[tokio::test]
async fn folders_that_are_made_moved_in_renamed_and_made_again_are_followed() {
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir_all(outside.path().join("in/deep")).unwrap();
    fs::write(outside.path().join("in/deep/file"), "1").unwrap();
    let mut followed = Followed::new(|_| {}).await;
    fs::create_dir_all(followed.path("new/deep")).unwrap();
    followed.write("new/deep/file", "1");
    followed.knows_all("").await;
    fs::rename(outside.path().join("in"), followed.path("in")).unwrap();
    followed.knows_all("").await;
    followed.write("in/deep/file", "2");
    followed.knows_all("").await;
    fs::rename(followed.path("in"), followed.path("other")).unwrap();
    followed.knows_all("").await;
    followed.write("other/deep/file", "3");
    followed.write("other/deep/more", "1");
    followed.knows_all("").await;
    // Where one was before, and by another of that name.
    fs::create_dir_all(followed.path("in/deep")).unwrap();
    followed.knows_all("").await;
    followed.write("in/deep/file", "4");
    followed.knows_all("").await;
    fs::remove_dir_all(followed.path("new")).unwrap();
    fs::create_dir_all(followed.path("new/deep")).unwrap();
    followed.knows_all("").await;
    followed.write("new/deep/file", "5");
    followed.knows_all("").await;
}

#[tokio::test]
async fn what_is_ignored_costs_no_watch_and_counts_when_the_rules_say_so() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join(".git")).unwrap();
    fs::write(folder.path().join(".gitignore"), "modules/\n").unwrap();
    fs::create_dir_all(folder.path().join("modules/many/deep")).unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("modules/many/deep/file"), "").unwrap();
    let watch = Watch::start(folder.path(), Vec::new()).unwrap();
    let Some(Notice::Follows { folders, files, .. }) = watch.next().await.notices.pop() else { panic!() };
    assert_eq!((folders, files), (2, 1), "src and the folder itself, and .gitignore");
    fs::write(folder.path().join("modules/many/deep/file"), "1").unwrap();
    fs::write(folder.path().join(".gitignore"), "src/\n").unwrap();
    let paths: Vec<_> = watch.now().await.changes.into_keys().collect();
    let expected =
        [".gitignore", "modules", "modules/many", "modules/many/deep", "modules/many/deep/file", "src"];
    assert_eq!(paths, expected.map(PathBuf::from));
}

#[tokio::test]
async fn rules_above_the_folder_count_too_when_they_change() {
    let top = tempfile::tempdir().unwrap();
    fs::create_dir(top.path().join(".git")).unwrap();
    fs::create_dir_all(top.path().join("service/generated")).unwrap();
    let watch = Watch::start(&top.path().join("service"), Vec::new()).unwrap();
    watch.next().await;
    fs::write(top.path().join(".gitignore"), "generated\n").unwrap();
    let batch = timeout(SOON, watch.next()).await.unwrap();
    assert_eq!(batch.changes.into_keys().collect::<Vec<_>>(), [Path::new("generated")]);
}

#[tokio::test]
async fn a_checkout_is_one_batch() {
    let mut followed = Followed::new(|folder| {
        git(folder, &["init", "-q"]);
        for branch in ["one", "two"] {
            git(folder, &["checkout", "-q", "-b", branch]);
            for file in 0..300 {
                fs::write(folder.join(format!("file-{file}")), branch).unwrap();
            }
            git(folder, &["add", "."]);
            git(folder, &["commit", "-q", "-m", branch]);
        }
    })
    .await;
    git(followed.folder.path(), &["checkout", "-q", "one"]);
    assert_eq!(followed.changed().await.len(), 300);
    followed.nothing_more().await;
}

#[tokio::test]
async fn what_is_behind_a_link_in_the_place_of_a_folder_is_not_in_it() {
    let mut followed = Followed::new(|folder| {
        for name in ["d", "e"] {
            fs::create_dir(folder.join(name)).unwrap();
            fs::write(folder.join(name).join("file"), "1").unwrap();
        }
    })
    .await;
    fs::remove_dir_all(followed.path("d")).unwrap();
    std::os::unix::fs::symlink("e", followed.path("d")).unwrap();
    assert_eq!(followed.changed().await, ["*d", "-d/file"]);
    followed.nothing_more().await;
}

#[tokio::test]
async fn a_folder_that_moved_is_followed_when_another_took_its_place() {
    let mut followed = Followed::new(|folder| {
        fs::create_dir_all(folder.join("b/sub")).unwrap();
        fs::write(folder.join("b/sub/file"), "1").unwrap();
    })
    .await;
    // In one batch: both names are there when they are looked at, the new one of the moved folder first.
    fs::rename(followed.folder.path().join("b"), followed.folder.path().join("a")).unwrap();
    fs::create_dir_all(followed.folder.path().join("b/sub")).unwrap();
    followed.changed().await;
    for path in ["a/sub/file", "b/sub/file"] {
        followed.watch.now().await;
        followed.write(path, "2");
        assert!(followed.changed().await.iter().any(|changed| changed.ends_with(path)), "{path}");
    }
}

#[tokio::test]
async fn after_lost_events_everything_is_compared_and_followed() {
    let mut followed = Followed::new(|folder| fs::create_dir(folder.join("sub")).unwrap()).await;
    followed.watch.sender.put(Hint::Lost);
    followed.write("sub/file", "1");
    let batch = followed.batch().await;
    assert!(batch.notices.contains(&Notice::Lost), "{batch:?}");
    followed.watch.now().await;
    followed.write("sub/file", "2");
    assert_eq!(followed.changed().await, ["*sub/file"]);
}

#[tokio::test]
async fn a_folder_that_vanishes_deletes_nothing_and_is_followed_when_it_is_back() {
    let outside = tempfile::tempdir().unwrap();
    let folder = outside.path().join("project");
    fs::create_dir_all(folder.join("src")).unwrap();
    fs::write(folder.join("src/a"), "1").unwrap();
    let watch = Watch::start(&folder, Vec::new()).unwrap();
    watch.next().await;
    fs::rename(&folder, outside.path().join("away")).unwrap();
    let batch = timeout(SOON, watch.next()).await.unwrap();
    assert_eq!((batch.notices, batch.changes.len()), (vec![Notice::Gone], 0));
    fs::write(outside.path().join("away/src/a"), "2").unwrap();
    fs::rename(outside.path().join("away"), &folder).unwrap();
    let mut seen = Batch::default();
    while seen.changes.is_empty() {
        let batch = timeout(SOON, watch.next()).await.unwrap();
        seen.notices.extend(batch.notices);
        seen.changes = batch.changes;
    }
    assert_eq!(seen.notices, [Notice::Back]);
    assert_eq!(seen.changes.into_keys().collect::<Vec<_>>(), [Path::new("src/a")]);
    fs::write(folder.join("src/b"), "1").unwrap();
    assert_eq!(timeout(SOON, watch.next()).await.unwrap().changes.len(), 1);
}

#[tokio::test]
async fn the_folder_s_own_mode_is_nobody_s_change() {
    use std::os::unix::fs::PermissionsExt as _;

    let mut followed = Followed::new(|folder| fs::write(folder.join("a"), "one").unwrap()).await;
    for mode in [0o755, 0o700] {
        fs::set_permissions(followed.folder.path(), fs::Permissions::from_mode(mode)).unwrap();
    }
    followed.nothing_more().await;
    followed.write("a", "two");
    assert_eq!(followed.changed().await, ["*a"]);
}

#[tokio::test]
async fn only_the_paths_that_were_asked_for_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["src/deep", "other"] {
        fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    let only = vec![PathBuf::from("src"), PathBuf::from("go.mod")];
    let watch = Watch::start(folder.path(), only).unwrap();
    watch.next().await;
    for name in ["other/a", "src/deep/a", "a", "go.mod"] {
        fs::write(folder.path().join(name), "1").unwrap();
    }
    let changes = watch.now().await.changes;
    assert_eq!(changes.into_keys().collect::<Vec<_>>(), ["go.mod", "src/deep/a"].map(PathBuf::from));
}

/// The kernel's limit is a namespace's own, so this test runs itself in one.
#[test]
fn without_a_watch_left_folders_are_looked_at_and_the_setting_is_named() {
    const AGAIN: &str = "DEVBRIDGE_TEST_FEW_WATCHES";
    const NAME: &str = "watch::tests::without_a_watch_left_folders_are_looked_at_and_the_setting_is_named";
    if std::env::var_os(AGAIN).is_none() {
        let few = "echo 3 > /proc/sys/user/max_inotify_watches && exec \"$0\" --exact \"$1\"";
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "--map-root-user", "sh", "-c", few]).arg(std::env::current_exe().unwrap());
        let done = unshare.arg(NAME).env(AGAIN, "1").output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && said.contains("1 passed"), "{done:?}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c", "d", "e"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let watch = Watch::start(folder.path(), Vec::new()).unwrap();
        let told = loop {
            let batch = timeout(SOON, watch.next()).await.expect("it tells");
            let told = batch.notices.iter().find(|notice| matches!(notice, Notice::Polls { .. }));
            if let Some(told) = told {
                break told.to_string();
            }
        };
        assert!(
            told.starts_with("3 folders") && told.contains("sysctl fs.inotify.max_user_watches="),
            "{told}"
        );
        for name in ["a/1", "b/1", "c/1", "d/1", "e/1"] {
            fs::write(folder.path().join(name), "1").unwrap();
        }
        let mut changes = Changes::new();
        while changes.len() < 5 {
            let batch = timeout(SOON, watch.next()).await.unwrap_or_else(|_| panic!("{changes:?}"));
            merge(&mut changes, batch.changes);
        }
    });
}
