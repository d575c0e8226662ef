//! What a commit does to the folder.

use std::os::unix::fs::symlink;

use tunnel::sync::tree::Leaf;

use super::*;
use crate::sync::{staging::Staging, writer::Writer};

fn leaf(mode: u32, contents: &str) -> Leaf {
    Leaf::File { mode, hash: hash(contents) }
}

#[test]
fn a_commit_tells_the_hash_of_all_that_is_there() {
    let mut pod = Pod::new();
    let found = pod.put([file("d/a", 0o644, "a"), vec![folder("d", 0o750), link("d/l", "../x")]].concat());
    let mut leaves = vec![
        ("d", Leaf::Folder { mode: 0o750 }),
        ("d/a", leaf(0o644, "a")),
        ("d/l", Leaf::Link { to: "../x".into() }),
    ];
    assert_eq!(found, root(&leaves));
    leaves.pop();
    assert_eq!(pod.put(vec![remove("d/l")]), root(&leaves));
    assert_eq!(pod.put(vec![remove("d"), remove("never")]), root(&[]));
    assert!(!pod.to("d").exists());
}

#[test]
fn the_last_commit_is_told_in_the_pod() {
    let mut pod = Pod::new();
    let marker = pod.path("run/generation");
    pod.ask(vec![ToPod::Commit { generation: 6, more: true }]);
    assert!(!marker.exists());
    pod.ask(vec![ToPod::Commit { generation: 7, more: false }]);
    assert_eq!(fs::read_to_string(&marker).unwrap(), "7\n");
    fs::remove_dir_all(pod.path("run")).unwrap();
    let told = pod.ask(vec![ToPod::Commit { generation: 8, more: false }]);
    assert_eq!(told, [FromPod::Committed { generation: 8, root: root(&[]) }]);
}

#[test]
fn whatever_has_the_name_makes_room() {
    let mut pod = Pod::new();
    pod.put([vec![folder("x", 0o755), folder("x/y", 0o755)], file("x/y/z", 0o644, "z")].concat());
    assert_eq!(pod.put(file("x", 0o644, "file")), root(&[("x", leaf(0o644, "file"))]));
    pod.put([vec![folder("x", 0o755)], file("x/y", 0o644, "again")].concat());
    assert_eq!(pod.read("x/y"), "again");
    assert_eq!(pod.put(vec![link("x", "there")]), root(&[("x", Leaf::Link { to: "there".into() })]));
    pod.put(vec![folder("x", 0o700)]);
    assert_eq!(pod.mode("x") & 0o777, 0o700);
    pod.put(vec![link("x", "there")]);
    pod.put(vec![link("x", "elsewhere")]);
    assert_eq!(fs::read_link(pod.to("x")).unwrap(), std::path::Path::new("elsewhere"));
    pod.put(file("x", 0o644, "last"));
    assert_eq!(pod.read("x"), "last");
}

#[test]
fn a_removal_spares_what_came_with_it() {
    let mut pod = Pod::new();
    let old = [vec![folder("a", 0o755), folder("a/b", 0o755)], file("a/b/old", 0o644, "old")];
    pod.put([old.concat(), file("a/old", 0o644, "old")].concat());
    fs::write(pod.to("a/b/unknown"), "").unwrap();
    let found = pod.put([vec![remove("a"), remove("a/b/new")], file("a/b/new", 0o644, "new")].concat());
    let leaves = [
        ("a", Leaf::Folder { mode: 0o755 }),
        ("a/b", Leaf::Folder { mode: 0o755 }),
        ("a/b/new", leaf(0o644, "new")),
    ];
    assert_eq!(found, root(&leaves));
    assert_eq!(pod.read("a/b/new"), "new");
    assert!(!pod.to("a/old").exists() && !pod.to("a/b/old").exists() && !pod.to("a/b/unknown").exists());
}

#[test]
fn folders_that_can_t_be_written_are_filled_all_the_same() {
    let pod = Pod::new();
    fs::set_permissions(pod.path("to"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::remove_dir(pod.to(".devbridge-sync")).unwrap();
    as_nobody(|| {
        let mut pod = pod;
        pod.begin();
        let all = [vec![folder("r", 0o555), folder("r/s", 0o500)], file("r/s/a", 0o444, "a")];
        pod.put(all.concat());
        assert_eq!((pod.mode("r") & 0o777, pod.mode("r/s") & 0o777), (0o555, 0o500));
        // Another one later: its folder is opened for it and closed again.
        pod.put(file("r/s/b", 0o444, "b"));
        assert_eq!((pod.mode("r") & 0o777, pod.mode("r/s") & 0o777), (0o555, 0o500));
        pod.put(vec![remove("r/s/b")]);
        assert_eq!(pod.mode("r/s") & 0o777, 0o500);
        pod.put(vec![remove("r")]);
        assert!(!pod.to("r").exists());
    });
}

#[test]
fn what_the_system_refuses_is_told_and_the_rest_goes_on() {
    let pod = Pod::new();
    let owner = nix::unistd::geteuid().as_raw();
    if owner != 0 {
        return;
    }
    fs::set_permissions(pod.path("to"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::remove_dir(pod.to(".devbridge-sync")).unwrap();
    fs::create_dir(pod.to("theirs")).unwrap();
    fs::create_dir(pod.to("theirs/below")).unwrap();
    fs::write(pod.to("theirs/kept"), "kept").unwrap();
    as_nobody(|| {
        let mut pod = pod;
        pod.begin();
        let all = [
            file("theirs/a", 0o644, "a"),
            vec![link("theirs/l", "a"), folder("theirs", 0o700), folder("theirs/d", 0o700)],
            vec![remove("theirs/kept"), ToPod::Keep("theirs".into()), folder("theirs/below", 0o700)],
            file("mine", 0o644, "mine"),
        ];
        let (troubles, found) = pod.commit(all.concat());
        let told: Vec<_> = troubles.iter().map(|one| (&*one.path, &*one.doing, one.errno)).collect();
        let expected: [(&[u8], &str, i32); 6] = [
            (b"theirs/d", "mkdir", 13),
            (b"theirs/a", "rename", 13),
            (b"theirs/l", "rename", 13),
            (b"theirs/kept", "unlink", 13),
            (b"theirs/below", "chmod", 1),
            (b"theirs", "chmod", 1),
        ];
        assert_eq!(told, expected);
        assert!(troubles.iter().take(4).all(|one| one.owner == Some((0, 0))), "{troubles:?}");
        let leaves = [
            ("mine", leaf(0o644, "mine")),
            ("theirs", Leaf::Folder { mode: 0o755 }),
            ("theirs/below", Leaf::Folder { mode: 0o755 }),
        ];
        assert_eq!((found, pod.staged()), (root(&leaves), 0));
    });
}

#[test]
fn what_could_not_be_replaced_stays_in_the_tree() {
    let mut pod = Pod::new();
    pod.put([vec![folder("d", 0o755)], file("d/a", 0o644, "a")].concat());
    // Another process takes the folder away.
    fs::rename(pod.to("d"), pod.path("moved")).unwrap();
    let (troubles, found) = pod.commit(file("d/a", 0o644, "new"));
    assert!(matches!(&*troubles, [trouble] if trouble.errno == 2), "{troubles:?}");
    assert_eq!(found, root(&[("d", Leaf::Folder { mode: 0o755 }), ("d/a", leaf(0o644, "a"))]));
    assert_eq!(fs::read_to_string(pod.path("moved/a")).unwrap(), "a");
}

#[test]
fn mode_and_time_change_without_the_contents() {
    let mut pod = Pod::new();
    pod.put(file("a", 0o644, "a"));
    let change = |path: &str| ToPod::Meta { path: path.into(), meta: meta(0o755, b"") };
    assert_eq!(pod.put(vec![change("a")]), root(&[("a", leaf(0o755, "a"))]));
    assert_eq!((pod.mode("a"), pod.read("a")), (0o755, "a".to_owned()));
    fs::write(pod.to("unknown"), "").unwrap();
    let (troubles, _) = pod.commit(vec![change("unknown")]);
    assert!(matches!(&*troubles, [trouble] if trouble.errno == 2));
    fs::remove_file(pod.to("a")).unwrap();
    symlink(pod.to("unknown"), pod.to("a")).unwrap();
    let (troubles, _) = pod.commit(vec![change("a")]);
    assert!(matches!(&*troubles, [trouble] if trouble.errno == 0));
    assert_eq!(pod.mode("unknown") & 0o111, 0, "the link was not followed");
}

#[test]
fn the_folder_itself_has_a_mode_too() {
    let mut pod = Pod::new();
    pod.put(vec![folder("", 0o711)]);
    assert_eq!(fs::metadata(pod.path("to")).unwrap().permissions().mode() & 0o777, 0o711);
}

#[test]
fn another_file_system_below_gets_its_files_as_well() {
    use std::{io::Write as _, os::fd::OwnedFd};
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm").unwrap());
    let open = |dir: &TempDir| OwnedFd::from(fs::File::open(dir.path()).unwrap());
    let mut staging = Staging::open(open(&from), || false).unwrap();
    fs::write(to.path().join("a"), "old").unwrap();
    let (staged, mut file) = staging.file().unwrap();
    file.write_all(b"new").unwrap();
    file.set_permissions(fs::Permissions::from_mode(0o640)).unwrap();
    staging.carry(&staged, open(&to), b"a").unwrap();
    let link = staging.link(b"there").unwrap();
    staging.carry(&link, open(&to), b"l").unwrap();
    assert_eq!(fs::read_to_string(to.path().join("a")).unwrap(), "new");
    assert_eq!(fs::metadata(to.path().join("a")).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_link(to.path().join("l")).unwrap(), std::path::Path::new("there"));
    // A folder has the name: nothing is left in it, nor beside it.
    fs::create_dir(to.path().join("d")).unwrap();
    let (staged, _) = staging.file().unwrap();
    assert!(staging.carry(&staged, open(&to), b"d").is_err());
    assert_eq!(fs::read_dir(to.path()).unwrap().count(), 3);
    drop(staging);
    assert_eq!(fs::read_dir(from.path()).unwrap().count(), 0);
}

#[test]
fn a_commit_that_was_begun_is_finished_without_anybody_who_listens() {
    let mut pod = Pod::new();
    pod.session = None;
    let to = pod.path("to").as_os_str().as_bytes().to_vec();
    let (mut writer, _) = Writer::begin(&to, pod.path("run"), || false).map_err(|_| ()).unwrap();
    let mut nobody = Told { all: vec![], leaves: Some(0) };
    fs::create_dir(pod.to("d")).unwrap();
    let all = [vec![folder("none/d", 0o755)], file("none/a", 0o644, "a"), file("d/a", 0o644, "a")].concat();
    all.into_iter().for_each(|one| writer.take(one, &mut nobody).unwrap());
    let committed = writer.take(ToPod::Commit { generation: 1, more: false }, &mut nobody);
    assert_eq!(committed, Err(Ended::Gone));
    assert_eq!(pod.read("d/a"), "a");
}

#[test]
fn the_deepest_folders_are_no_danger() {
    let mut pod = Pod::new();
    let paths: Vec<_> = (1..=tunnel::sync::MAX_DEPTH).map(|depth| vec!["a"; depth].join("/")).collect();
    pod.put(paths.iter().map(|path| folder(path, 0o755)).collect());
    let told = pod.ask(vec![ToPod::Verify]);
    assert!(matches!(&*told, [FromPod::Verified { files: 0, .. }]), "{told:?}");
    assert_eq!(pod.put(vec![remove("a")]), root(&[]));
    assert!(!pod.to("a").exists());
}
