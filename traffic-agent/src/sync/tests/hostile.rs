//! A laptop that is none, and folders full of links.

use std::os::unix::fs::symlink;

use tunnel::sync::{MAX_DATA, MAX_PATH};

use super::*;

fn violates(pod: &mut Pod, all: Vec<ToPod>) {
    let what = format!("{all:?}");
    assert!(matches!(pod.try_ask(all), Err(Ended::Violation(_))), "{what}");
    pod.begin();
}

/// Everything that has a path.
fn with(path: &str) -> Vec<ToPod> {
    let (path, meta) = (path.as_bytes().to_vec(), meta(0o644, b""));
    vec![
        ToPod::List(path.clone()),
        ToPod::Hash(path.clone()),
        ToPod::Chunks(path.clone()),
        ToPod::Keep(path.clone()),
        ToPod::Folder { path: path.clone(), mode: 0o755 },
        ToPod::Link { path: path.clone(), to: "x".into() },
        ToPod::File { path: path.clone(), meta },
        ToPod::Meta { path: path.clone(), meta },
        ToPod::Remove(path.clone()),
        ToPod::Read { path, offset: 0 },
    ]
}

#[test]
fn paths_that_are_none_end_the_stream() {
    let mut pod = Pod::new();
    let long = "x/".repeat(MAX_PATH / 2) + "xx";
    for path in ["/etc/passwd", "..", "../x", "a/../../x", "a//b", "./a", "a/", "a\0b", &long] {
        with(path).into_iter().for_each(|one| violates(&mut pod, vec![one]));
    }
    for path in [".devbridge-sync", ".devbridge-sync/1"] {
        with(path).into_iter().for_each(|one| violates(&mut pod, vec![one]));
    }
    with("").split_off(5).into_iter().for_each(|one| violates(&mut pod, vec![one]));
    for to in [String::new(), "a\0b".to_owned(), "x".repeat(MAX_PATH + 1)] {
        violates(&mut pod, vec![link("l", &to)]);
    }
}

#[test]
fn what_comes_out_of_order_ends_the_stream() {
    let mut pod = Pod::new();
    let begin = || ToPod::File { path: "a".into(), meta: meta(0o644, b"a") };
    let commit = || ToPod::Commit { generation: 1, more: false };
    violates(&mut pod, vec![ToPod::Begin { to: "/tmp".into() }]);
    violates(&mut pod, vec![ToPod::Data("a".into())]);
    violates(&mut pod, vec![ToPod::Copy { offset: 0, length: 1 }]);
    violates(&mut pod, vec![ToPod::End { hash: [0; 32] }]);
    violates(&mut pod, vec![ToPod::Abandon]);
    violates(&mut pod, vec![begin(), begin()]);
    violates(&mut pod, vec![begin(), commit()]);
    violates(&mut pod, vec![begin(), ToPod::Data(vec![0; MAX_DATA + 1].into())]);
    let mut fresh = Session::new(pod.path("run"), Told::default());
    assert!(matches!(fresh.pack(vec![commit()]), Err(Ended::Violation(_))));
}

#[test]
fn a_commit_has_bounds() {
    let mut pod = Pod::new();
    let many = |count: usize| vec![remove("a"); count];
    pod.put(many(crate::sync::batch::MAX_ITEMS));
    violates(&mut pod, many(crate::sync::batch::MAX_ITEMS + 1));
    violates(&mut pod, vec![remove(&"x/".repeat(200).repeat(5)[..400]); 50_000]);
}

#[test]
fn links_in_the_folder_lead_nowhere() {
    let mut pod = Pod::new();
    let outside = pod.path("outside");
    fs::create_dir_all(outside.join("d")).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    fs::write(outside.join("d/secret"), "secret").unwrap();
    symlink(&outside, pod.to("out")).unwrap();
    symlink(outside.join("secret"), pod.to("file")).unwrap();
    // Nothing is read.
    for path in ["out/secret", "out/d/secret", "file"] {
        let told = pod.ask(vec![ToPod::Hash(path.into()), ToPod::Chunks(path.into())]);
        assert_eq!(told.first(), Some(&FromPod::Hashed { path: path.into(), hash: None }));
        assert!(matches!(&told[1], FromPod::Chunked { chunks, .. } if chunks.is_empty()));
    }
    for path in ["out", "out/d"] {
        let told = pod.ask(vec![ToPod::List(path.into())]);
        assert_eq!(told, [FromPod::Listed { folder: path.into(), found: vec![], more: false }]);
    }
    let copy = vec![
        ToPod::File { path: "file".into(), meta: meta(0o644, b"secret") },
        ToPod::Copy { offset: 0, length: 6 },
        ToPod::End { hash: hash("secret") },
    ];
    assert!(matches!(&*pod.ask(copy), [FromPod::Failed(trouble)] if trouble.errno == 40));
    // Nothing is written.
    let all = [
        file("out/new", 0o644, "new"),
        file("out/secret", 0o644, "new"),
        file("out/d/new", 0o644, "new"),
        vec![folder("out/e", 0o755), link("out/l", "x"), ToPod::Keep("out/secret".into())],
    ];
    assert_eq!(pod.commit(all.concat()).0.len(), 6);
    // Nothing is removed, not even where a link is in the place of a folder that was written.
    pod.put(vec![remove("out/secret"), remove("out/d"), remove("file")]);
    pod.put([vec![folder("x", 0o755), folder("x/d", 0o755)], file("x/d/secret", 0o644, "mine")].concat());
    fs::remove_dir_all(pod.to("x/d")).unwrap();
    symlink(outside.join("d"), pod.to("x/d")).unwrap();
    pod.put(vec![remove("x/d/secret")]);
    pod.put(vec![remove("x")]);
    // Nor where a link is put and removed at once.
    pod.put(vec![link("out", outside.to_str().unwrap()), remove("out"), remove("out/d/secret")]);
    // The link itself makes room as any other.
    pod.put([vec![folder("out", 0o755)], file("out/secret", 0o600, "mine")].concat());
    assert_eq!(pod.read("out/secret"), "mine");
    let left = |name: &str| fs::read_to_string(outside.join(name)).unwrap();
    assert_eq!((left("secret"), left("d/secret")), ("secret".into(), "secret".into()));
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 2);
    assert_eq!(fs::metadata(outside.join("secret")).unwrap().permissions().mode() & 0o777, 0o644);
}

#[test]
fn a_folder_for_staging_that_is_a_link_is_refused() {
    let mut pod = Pod::new();
    pod.session = None;
    fs::create_dir(pod.path("outside")).unwrap();
    fs::write(pod.path("outside/kept"), "").unwrap();
    symlink(pod.path("outside"), pod.to(".devbridge-sync")).unwrap();
    let mut session = Session::new(pod.path("run"), Told::default());
    let to = pod.path("to").as_os_str().as_bytes().to_vec();
    assert_eq!(session.pack(vec![ToPod::Begin { to }]), Err(Ended::Unwritable));
    assert!(pod.path("outside/kept").exists());
}

#[test]
fn a_folder_that_can_t_be_written_is_told_before_the_first_byte() {
    let pod = Pod::new();
    fs::write(pod.path("file"), "").unwrap();
    let at = |name: &str| pod.path(name).as_os_str().as_bytes().to_vec();
    let tell = |to: Vec<u8>| {
        let mut session = Session::new(pod.path("run"), Told::default());
        assert_eq!(
            session.pack(vec![ToPod::Begin { to: to.clone() }, ToPod::Verify]),
            Err(Ended::Unwritable)
        );
        let told = std::mem::take(&mut session.answers().all);
        let [FromPod::Begun(Err(trouble))] = &*told else { panic!("{told:?}") };
        assert_eq!((&trouble.path, trouble.uid), (&to, nix::unistd::geteuid().as_raw()));
        trouble.clone()
    };
    let own = Some((nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw()));
    assert_eq!(tell(b"relative".into()).errno, 22);
    assert_eq!(tell(b"".into()).errno, 22);
    assert_eq!(tell(at("a\0b")).errno, 22);
    assert_eq!(tell(at(&"x/".repeat(MAX_PATH))).errno, 36);
    let trouble = tell(at("file"));
    assert_eq!((trouble.doing.as_str(), trouble.errno, trouble.owner), ("open", 20, own));
    assert_eq!(tell(at("file/below")).errno, 20);
    assert_eq!(tell(b"/proc".into()).owner, Some((0, 0)));
    assert_eq!(tell(b"/proc/none/below".into()).doing, "mkdir");
    as_nobody(|| {
        let trouble = tell(b"/".into());
        assert_eq!((trouble.doing.as_str(), trouble.errno, trouble.owner), ("mkdir", 13, Some((0, 0))));
        assert_eq!(tell(b"/devbridge-none/below".into()).errno, 13);
    });
}
