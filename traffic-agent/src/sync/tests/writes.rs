//! Files on their way, before their commit.

use super::*;

#[test]
fn a_folder_is_made_and_nothing_is_left_in_it_at_the_end() {
    let mut pod = Pod::new();
    assert_eq!(pod.mode(".devbridge-sync") & 0o777, 0o700);
    assert_eq!(fs::read_dir(pod.path("to")).unwrap().count(), 1, "no file of the probe");
    pod.ask(file("a", 0o644, "a"));
    pod.ask(vec![ToPod::File { path: "b".into(), meta: meta(0o644, b"xx") }, ToPod::Data("x".into())]);
    assert_eq!(pod.staged(), 2);
    pod.session = None;
    assert_eq!(fs::read_dir(pod.path("to")).unwrap().count(), 0);
}

#[test]
fn nothing_is_seen_before_the_commit() {
    let mut pod = Pod::new();
    pod.put(file("a", 0o644, "old"));
    let all = [file("a", 0o644, "new"), file("d/b", 0o600, "b"), vec![folder("d", 0o755), link("l", "a")]];
    pod.ask(all.concat());
    pod.ask(vec![remove("a/x"), ToPod::Meta { path: "a".into(), meta: meta(0o600, b"") }]);
    assert_eq!((pod.read("a"), pod.mode("a")), ("old".to_owned(), 0o644));
    assert_eq!(fs::read_dir(pod.path("to")).unwrap().count(), 2);
    pod.put(vec![]);
    assert_eq!((pod.read("a"), pod.read("d/b"), pod.read("l")), ("new".into(), "b".into(), "new".into()));
    assert_eq!((pod.mode("a"), pod.mode("d/b"), pod.staged()), (0o600, 0o600, 0));
}

#[test]
fn a_file_gets_its_mode_and_time() {
    let mut pod = Pod::new();
    pod.put([file("a", 0o4751, "a"), file("empty", 0o444, "")].concat());
    let found = fs::metadata(pod.to("a")).unwrap();
    let modified = found.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!((pod.mode("a"), pod.mode("empty")), (0o751, 0o444));
    assert_eq!(modified.as_nanos(), 1_000_000_000_000_000_007);
}

#[test]
fn a_file_whose_contents_are_not_what_was_announced_is_not_kept() {
    let mut pod = Pod::new();
    let before = pod.put(file("a", 0o644, "old"));
    let begin = |size: u64| ToPod::File { path: "a".into(), meta: Meta { size, ..meta(0o644, b"") } };
    let end = || ToPod::End { hash: hash("new") };
    let data = |data: &'static str| ToPod::Data(data.into());
    for (all, doing) in [
        (vec![begin(3), data("new"), ToPod::End { hash: hash("old") }], "hash"),
        (vec![begin(4), data("new"), end()], "size"),
        (vec![begin(2), data("new"), data("more"), end()], "size"),
        (vec![begin(3), ToPod::Copy { offset: 1, length: 3 }, data("x"), end()], "copy"),
        (vec![begin(3), ToPod::Copy { offset: u64::MAX, length: 1 }, end()], "read"),
    ] {
        let (troubles, root) = pod.commit(all);
        let [trouble] = troubles.try_into().unwrap();
        assert_eq!((trouble.doing.as_str(), trouble.path.as_slice()), (doing, &b"a"[..]));
        assert_eq!(trouble.errno == 0, doing != "read", "{trouble:?}");
        assert_eq!((root, pod.read("a"), pod.staged()), (before, "old".to_owned(), 0));
    }
    // The stream is as good as before.
    pod.put(vec![begin(3), ToPod::Abandon]);
    pod.put(file("a", 0o644, "new"));
    assert_eq!(pod.read("a"), "new");
}

#[test]
fn parts_are_taken_from_the_file_that_was_there() {
    let mut pod = Pod::new();
    let mut old = vec![0; 3 << 20];
    getrandom::fill(&mut old).unwrap();
    pod.put(file("a", 0o644, &old));
    let mut new = old.clone();
    new.splice(1_000_000..1_000_010, *b"something else");
    // As the laptop does it: what the pod has is copied, the rest is sent.
    let told = pod.ask(vec![ToPod::Chunks("a".into())]);
    let [FromPod::Chunked { chunks, more: false, .. }] = &*told else { panic!("{told:?}") };
    let mut known = std::collections::HashMap::new();
    let mut offset = 0;
    for chunk in chunks {
        known.insert(chunk.hash, offset);
        offset += u64::from(chunk.length);
    }
    assert_eq!(offset, old.len() as u64);
    let mut all = vec![ToPod::File { path: "a".into(), meta: meta(0o644, &new) }];
    let mut sent = 0;
    tunnel::sync::chunks::cut(new.as_slice(), |chunk, bytes| {
        match known.get(&chunk.hash) {
            Some(offset) => all.push(ToPod::Copy { offset: *offset, length: u64::from(chunk.length) }),
            None => {
                sent += bytes.len();
                all.extend(bytes.chunks(64 << 10).map(|part| ToPod::Data(part.to_vec().into())));
            }
        }
        Ok(())
    })
    .unwrap();
    all.push(ToPod::End { hash: hash(&new) });
    assert!(sent < 600_000, "{sent}");
    pod.put(all);
    assert!(fs::read(pod.to("a")).unwrap() == new);
}

#[test]
fn nothing_can_be_copied_where_no_file_is() {
    let mut pod = Pod::new();
    fs::create_dir(pod.to("d")).unwrap();
    for path in ["none", "d"] {
        let begin = ToPod::File { path: path.into(), meta: meta(0o644, b"1") };
        let (troubles, _) =
            pod.commit(vec![begin, ToPod::Copy { offset: 0, length: 1 }, ToPod::End { hash: hash("1") }]);
        assert!(matches!(&*troubles, [trouble] if trouble.doing == "open" && trouble.errno != 0));
    }
}

#[test]
fn what_an_earlier_agent_left_is_removed() {
    let mut pod = Pod::new();
    pod.session = None;
    let staging = pod.to(".devbridge-sync");
    fs::create_dir(&staging).unwrap();
    fs::create_dir(staging.join("no file")).unwrap();
    fs::write(staging.join("1"), "left").unwrap();
    fs::write(pod.path("outside"), "kept").unwrap();
    std::os::unix::fs::symlink(pod.path("outside"), staging.join("link")).unwrap();
    pod.begin();
    let left: Vec<_> = fs::read_dir(&staging).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["no file"]);
    assert!(pod.path("outside").exists());
    pod.put(file("a", 0o644, "a"));
}

#[test]
fn a_second_stream_of_the_folder_waits_for_the_first() {
    let mut pod = Pod::new();
    pod.ask(file("a", 0o644, "a"));
    let to = pod.path("to").as_os_str().as_bytes().to_vec();
    let mut other = Session::new(pod.path("run"), Told::default());
    let waiting = std::thread::spawn(move || {
        other.pack(vec![ToPod::Begin { to }]).unwrap();
        other
    });
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(!waiting.is_finished());
    pod.put(vec![]);
    pod.session = None;
    pod.session = Some(waiting.join().unwrap());
    pod.session.as_mut().unwrap().answers().all.clear();
    pod.put(file("b", 0o644, "b"));
    assert_eq!((pod.read("a"), pod.read("b")), ("a".to_owned(), "b".to_owned()));
}
