//! What the laptop asks.

use std::{collections::BTreeMap, os::unix::fs::symlink};

use tunnel::{
    message,
    sync::{Found, Kind, MAX_ANSWER, MAX_DATA, Path, tree::Leaf},
};

use super::*;

/// All pages for a folder; each of them must fit.
fn list(pod: &mut Pod, path: &str) -> BTreeMap<String, Found> {
    let told = pod.ask(vec![ToPod::List(path.into())]);
    let mut all = BTreeMap::new();
    for (at, answer) in told.iter().enumerate() {
        assert!(message::encode(answer, MAX_ANSWER).is_ok());
        let FromPod::Listed { folder, found, more } = answer else { panic!("{answer:?}") };
        assert_eq!((folder.as_slice(), *more), (path.as_bytes(), at + 1 < told.len()));
        all.extend(found.iter().map(|found| (String::from_utf8(found.name.clone()).unwrap(), found.clone())));
    }
    all
}

fn hashed(pod: &mut Pod, path: &str) -> Option<Hash> {
    let told = pod.ask(vec![ToPod::Hash(path.into())]);
    let [FromPod::Hashed { hash, .. }] = &*told else { panic!("{told:?}") };
    *hash
}

fn differs(pod: &mut Pod) -> (Vec<Path>, u64, Hash) {
    let mut told = pod.ask(vec![ToPod::Verify]);
    let Some(FromPod::Verified { files, root }) = told.pop() else { panic!("{told:?}") };
    let paths = told.into_iter().map(|answer| match answer {
        FromPod::Differs(path) => path,
        other => panic!("{other:?}"),
    });
    (paths.collect(), files, root)
}

#[test]
fn a_folder_is_listed_with_what_can_be_synced() {
    let mut pod = Pod::new();
    pod.put([file("a", 0o640, "abc"), vec![folder("d", 0o711), link("l", "/else")]].concat());
    nix::unistd::mkfifo(&pod.to("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(pod.to("socket")).unwrap();
    let found = list(&mut pod, "");
    assert_eq!(found.keys().collect::<Vec<_>>(), ["a", "d", "l"]);
    let kinds: Vec<_> = found.values().map(|found| found.kind.clone()).collect();
    assert_eq!(kinds, [Kind::File(3), Kind::Folder, Kind::Link("/else".into())]);
    assert_eq!((found["a"].mode, found["a"].modified), (0o640, 1_000_000_000_000_000_007));
    assert_eq!(found["d"].mode, 0o711);
    for none in ["none", "none/below", "a", "a/b", "l", "pipe"] {
        assert!(list(&mut pod, none).is_empty(), "{none}");
    }
}

#[test]
fn a_large_folder_comes_in_pages() {
    let mut pod = Pod::new();
    let (many, long) = (pod.to("many"), pod.to("long"));
    fs::create_dir(&many).unwrap();
    fs::create_dir(&long).unwrap();
    (0..1000).for_each(|at| fs::write(many.join(at.to_string()), "").unwrap());
    (0..100).for_each(|at| symlink("x".repeat(4000), long.join(at.to_string())).unwrap());
    assert_eq!(list(&mut pod, "many").len(), 1000);
    assert_eq!(list(&mut pod, "long").len(), 100);
}

#[test]
fn files_are_hashed_and_nothing_else() {
    let mut pod = Pod::new();
    let large = vec![7; 1 << 20];
    fs::write(pod.to("large"), &large).unwrap();
    fs::write(pod.to("empty"), "").unwrap();
    symlink("large", pod.to("link")).unwrap();
    nix::unistd::mkfifo(&pod.to("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(hashed(&mut pod, "large"), Some(hash(&large)));
    assert_eq!(hashed(&mut pod, "empty"), Some(hash("")));
    for none in ["link", "pipe", "", "none", "large/x"] {
        assert_eq!(hashed(&mut pod, none), None, "{none}");
    }
}

#[test]
fn what_is_kept_belongs_to_the_tree() {
    let mut pod = Pod::new();
    let keep = |path: &str| ToPod::Keep(path.into());
    fs::create_dir(pod.to("d")).unwrap();
    fs::set_permissions(pod.to("d"), fs::Permissions::from_mode(0o710)).unwrap();
    fs::write(pod.to("d/a"), "a").unwrap();
    fs::set_permissions(pod.to("d/a"), fs::Permissions::from_mode(0o604)).unwrap();
    symlink("a", pod.to("d/l")).unwrap();
    let (troubles, _) = pod.commit(vec![keep("d"), keep("d/a"), keep("d/l"), keep("none")]);
    let told: Vec<_> = troubles.iter().map(|one| (one.path.as_slice(), one.errno)).collect();
    assert_eq!(told, [(&b"d/a"[..], 0), (b"none", 2)], "no hash of it was asked for");
    hashed(&mut pod, "d/a");
    let found = pod.put(vec![keep("d/a")]);
    let leaves = [
        ("d", Leaf::Folder { mode: 0o710 }),
        ("d/a", Leaf::File { mode: 0o604, hash: hash("a") }),
        ("d/l", Leaf::Link { to: "a".into() }),
    ];
    assert_eq!(found, root(&leaves));
    // Changed between the question and its use: the hash is of another file.
    hashed(&mut pod, "d/a");
    fs::write(pod.to("d/a"), "bb").unwrap();
    let (troubles, _) = pod.commit(vec![keep("d/a")]);
    assert!(matches!(&*troubles, [trouble] if trouble.errno == 0));
}

#[test]
fn pieces_of_a_large_file_come_in_pages() {
    let mut pod = Pod::new();
    let mut bytes = vec![0; 24 << 20];
    getrandom::fill(&mut bytes[..20 << 20]).unwrap();
    // Even what has no place to cut is cut.
    fs::write(pod.to("large"), vec![0; 280 << 20]).unwrap();
    fs::write(pod.to("usual"), &bytes).unwrap();
    for (path, length) in [("large", 280 << 20), ("usual", 24 << 20), ("none", 0), ("", 0)] {
        let told = pod.ask(vec![ToPod::Chunks(path.into())]);
        let mut sum = 0;
        for (at, answer) in told.iter().enumerate() {
            assert!(message::encode(answer, MAX_ANSWER / 2).is_ok());
            let FromPod::Chunked { chunks, more, .. } = answer else { panic!("{answer:?}") };
            assert_eq!(*more, at + 1 < told.len());
            sum += chunks.iter().map(|chunk| u64::from(chunk.length)).sum::<u64>();
        }
        assert_eq!((sum, told.len()), (length, if path == "large" { 2 } else { 1 }), "{path}");
    }
}

/// One page, or the number of the error.
fn page(pod: &mut Pod, path: &str, offset: u64) -> Result<(Meta, Vec<u8>), i32> {
    let told = pod.ask(vec![ToPod::Read { path: path.into(), offset }]);
    assert!(message::encode(&told[0], MAX_ANSWER).is_ok());
    match &*told {
        [FromPod::Content { path: of, offset: at, meta, bytes }] => {
            assert_eq!((of.as_slice(), *at), (path.as_bytes(), offset));
            Ok((*meta, bytes.to_vec()))
        }
        [FromPod::Failed(trouble)] if trouble.path == path.as_bytes() => Err(trouble.errno),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_is_read_page_by_page() {
    let mut pod = Pod::new();
    let mut bytes = vec![0; MAX_DATA * 2 + 7];
    getrandom::fill(&mut bytes).unwrap();
    pod.put([file("a", 0o640, &bytes), file("empty", 0o600, "")].concat());
    let mut read = Vec::new();
    for length in [MAX_DATA, MAX_DATA, 7, 0] {
        let (found, page) = page(&mut pod, "a", read.len() as u64).unwrap();
        assert_eq!((found, page.len()), (meta(0o640, &bytes), length));
        read.extend(page);
    }
    assert!(read == bytes);
    assert_eq!(page(&mut pod, "empty", 0), Ok((meta(0o600, b""), Vec::new())));
    assert_eq!(page(&mut pod, "a", 1 << 40).unwrap().1, b"", "behind its end");
    assert_eq!(page(&mut pod, "a", u64::MAX).unwrap_err(), nix::errno::Errno::EINVAL as i32);
}

#[test]
fn a_page_tells_that_its_file_is_another_one() {
    let mut pod = Pod::new();
    fs::write(pod.to("a"), "one").unwrap();
    let before = page(&mut pod, "a", 0).unwrap().0;
    fs::write(pod.to("new"), "two").unwrap();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(1);
    fs::File::options().write(true).open(pod.to("new")).unwrap().set_modified(later).unwrap();
    fs::rename(pod.to("new"), pod.to("a")).unwrap();
    let (after, bytes) = page(&mut pod, "a", 0).unwrap();
    assert_eq!((bytes, after.size), (b"two".to_vec(), before.size));
    assert_ne!(after, before);
}

#[test]
fn only_files_in_the_folder_are_read() {
    use nix::errno::Errno;
    let mut pod = Pod::new();
    fs::write(pod.path("secret"), "secret").unwrap();
    fs::create_dir(pod.path("outside")).unwrap();
    fs::write(pod.path("outside/a"), "secret").unwrap();
    symlink(pod.path("secret"), pod.to("link")).unwrap();
    symlink(pod.path("outside"), pod.to("out")).unwrap();
    fs::create_dir(pod.to("d")).unwrap();
    // Opened to read it, a pipe without a writer would wait for one.
    nix::unistd::mkfifo(&pod.to("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for (path, errno) in [
        ("link", Errno::ELOOP),
        ("out/a", Errno::ENOTDIR),
        ("d", Errno::EISDIR),
        ("pipe", Errno::ENXIO),
        ("none", Errno::ENOENT),
        ("none/a", Errno::ENOENT),
    ] {
        assert_eq!(page(&mut pod, path, 0), Err(errno as i32), "{path}");
    }
    fs::write(pod.to("closed"), "x").unwrap();
    fs::set_permissions(pod.to("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    as_nobody(|| assert_eq!(page(&mut pod, "closed", 0), Err(Errno::EACCES as i32)));
}

#[test]
fn what_others_changed_is_found() {
    let mut pod = Pod::new();
    let all = [
        vec![folder("d", 0o755), folder("e", 0o755), link("l", "a"), link("m", "a"), folder("f", 0o755)],
        file("a", 0o644, "a"),
        file("d/b", 0o644, "b"),
        file("d/c", 0o644, "c"),
        file("e/x", 0o644, "x"),
    ];
    let before = pod.put(all.concat());
    assert_eq!(differs(&mut pod), (vec![], 4, before));
    fs::write(pod.to("a"), "A").unwrap();
    fs::set_permissions(pod.to("d/b"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::remove_file(pod.to("d/c")).unwrap();
    fs::remove_dir_all(pod.to("e")).unwrap();
    symlink("d", pod.to("e")).unwrap();
    fs::remove_file(pod.to("l")).unwrap();
    symlink("b", pod.to("l")).unwrap();
    fs::set_permissions(pod.to("f"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(pod.to("new"), "").unwrap();
    let names = ["a", "d/b", "d/c", "e", "e/x", "f", "l"];
    let expected: Vec<Path> = names.iter().map(|name| name.as_bytes().to_vec()).collect();
    assert_eq!(differs(&mut pod), (expected, 2, before), "and the tree stays as it was committed");
}

#[test]
fn a_question_that_takes_long_ends_with_its_laptop() {
    let mut pod = Pod::new();
    fs::File::create(pod.to("huge")).unwrap().set_len(1 << 40).unwrap();
    // There when the question begins, gone right after it.
    struct Leaving(std::sync::atomic::AtomicUsize);
    impl Answers for Leaving {
        fn answer(&mut self, _: FromPod) -> Result<(), Ended> {
            Err(Ended::Gone)
        }
        fn gone(&self) -> bool {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 2
        }
    }
    pod.session = None;
    let to = pod.path("to").as_os_str().as_bytes().to_vec();
    for question in [ToPod::Hash("huge".into()), ToPod::Chunks("huge".into())] {
        let (mut writer, _) =
            crate::sync::writer::Writer::begin(&to, pod.path("run"), || false).map_err(|_| ()).unwrap();
        assert_eq!(writer.take(question, &mut Leaving(0.into())), Err(Ended::Gone));
    }
}
