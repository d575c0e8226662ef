//! A laptop's folder, and what a pod wants to put there.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use super::*;

struct Laptop(tempfile::TempDir);

impl Laptop {
    fn new() -> Self {
        let laptop = Self(tempfile::tempdir().unwrap());
        fs::create_dir(laptop.0.path().join("code")).unwrap();
        laptop
    }

    fn code(&self, name: &str) -> PathBuf {
        self.0.path().join("code").join(name)
    }

    fn aside(&self, name: &str) -> PathBuf {
        self.0.path().join("state/devbridge/pulled/id").join(name)
    }

    fn place(&self, name: &str, text: &str, ours: Option<&str>) -> io::Result<Placed> {
        let meta = Meta { mode: 0o104_750, modified: 1_000_000_007, size: text.len() as u64 };
        let new = Contents { meta, bytes: text.into() };
        place(&self.code(""), Some(&self.aside("")), Path::new(name), &new, ours.map(hash))
    }

    /// Nothing unfinished is left anywhere.
    fn tidy(&self) {
        let mut folders = vec![self.0.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                assert!(!entry.file_name().to_str().unwrap().starts_with(UNFINISHED), "{entry:?}");
                folders.extend(entry.file_type().unwrap().is_dir().then(|| entry.path()));
            }
        }
    }
}

fn hash(text: &str) -> Hash {
    *blake3::hash(text.as_bytes()).as_bytes()
}

fn read(path: PathBuf) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_new_file_is_written_as_the_pod_has_it() {
    let laptop = Laptop::new();
    assert_eq!(laptop.place("gen/deep/a", "one", None).unwrap(), Placed::Written(hash("one")));
    assert_eq!(read(laptop.code("gen/deep/a")), "one");
    let found = laptop.code("gen/deep/a").metadata().unwrap();
    assert_eq!((found.mode() & 0o7777, found.mtime(), found.mtime_nsec()), (0o750, 1, 7));
    assert!(!laptop.aside("").exists());
    laptop.tidy();
}

#[test]
fn what_is_there_is_never_overwritten() {
    let laptop = Laptop::new();
    fs::write(laptop.code("a"), "mine").unwrap();
    fs::create_dir(laptop.code("d")).unwrap();
    nix::unistd::mkfifo(&laptop.code("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for name in ["a", "d", "pipe", "a/below"] {
        for text in ["first", "second"] {
            if name == "a/below" {
                let _ = fs::remove_file(laptop.aside("a"));
            }
            assert_eq!(laptop.place(name, text, None).unwrap(), Placed::Aside(laptop.aside(name)));
            assert_eq!(read(laptop.aside(name)), text);
        }
    }
    assert_eq!(read(laptop.code("a")), "mine");
    assert!(laptop.code("d").is_dir());
    let state = laptop.aside("").metadata().unwrap().permissions().mode();
    assert_eq!(state & 0o777, 0o700);
    // The same contents are nothing to tell, and nothing of the file changes.
    let before = laptop.code("a").metadata().unwrap();
    assert_eq!(laptop.place("a", "mine", None).unwrap(), Placed::Same);
    let after = laptop.code("a").metadata().unwrap();
    assert_eq!((before.mode(), before.mtime(), before.ino()), (after.mode(), after.mtime(), after.ino()));
    laptop.tidy();
}

#[test]
fn only_what_a_pull_wrote_is_replaced() {
    let laptop = Laptop::new();
    laptop.place("a", "one", None).unwrap();
    assert_eq!(laptop.place("a", "two", Some("one")).unwrap(), Placed::Written(hash("two")));
    assert_eq!(read(laptop.code("a")), "two");
    fs::write(laptop.code("a"), "mine").unwrap();
    assert_eq!(laptop.place("a", "three", Some("two")).unwrap(), Placed::Aside(laptop.aside("a")));
    assert_eq!((read(laptop.code("a")), read(laptop.aside("a"))), ("mine".into(), "three".into()));
    // Deleted here, changed there.
    fs::remove_file(laptop.code("a")).unwrap();
    assert_eq!(laptop.place("a", "four", Some("two")).unwrap(), Placed::Written(hash("four")));
    laptop.tidy();
}

#[test]
fn what_was_written_at_the_last_moment_is_put_back() {
    let laptop = Laptop::new();
    fs::write(laptop.code("a"), "mine").unwrap();
    let top = openat(CWD, laptop.code(""), FOLDER, Mode::empty()).unwrap();
    let meta = Meta { mode: 0o644, modified: 0, size: 3 };
    let new = Contents { meta, bytes: b"new".to_vec() };
    // As if it had been "ours" when it was looked at.
    assert_eq!(replace(top.as_fd(), b"a", &new, hash("ours")), Ok(false));
    assert_eq!(read(laptop.code("a")), "mine");
    assert_eq!(put(top.as_fd(), b"a", &new), Err(Errno::EXIST));
    assert_eq!(read(laptop.code("a")), "mine");
    laptop.tidy();
}

#[test]
fn links_lead_nowhere() {
    let laptop = Laptop::new();
    let outside = laptop.0.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("a"), "mine").unwrap();
    symlink(&outside, laptop.code("gen")).unwrap();
    symlink(outside.join("a"), laptop.code("link")).unwrap();
    symlink(outside.join("none"), laptop.code("dangling")).unwrap();
    for name in ["gen/a", "gen/new", "gen/sub/new", "link", "dangling"] {
        let placed = laptop.place(name, "the pod's", Some("mine")).unwrap();
        assert_eq!(placed, Placed::Aside(laptop.aside(name)), "{name}");
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(read(outside.join("a")), "mine");
    laptop.tidy();
}

#[test]
fn names_of_a_hostile_pod_are_none() {
    let laptop = Laptop::new();
    for name in ["../x", "a/../../x", "/x", "", "."] {
        assert!(laptop.place(name, "x", None).is_err(), "{name}");
    }
    let long = "x".repeat(MAX_NAME + 1);
    for name in ["", ".", "..", "a/b", "/", "../x", "a\0", &long] {
        assert_eq!(below(Path::new("gen"), name.as_bytes()), None, "{name}");
    }
    let deep: PathBuf = ["a"; MAX_DEPTH].iter().collect();
    assert_eq!(below(&deep, b"x"), None);
    let far: PathBuf = [&"x".repeat(200)[..]; 20].iter().collect();
    assert_eq!(below(&far, "x".repeat(200).as_bytes()), None);
    assert_eq!(below(Path::new(""), b"..."), Some("...".into()));
    assert!(!laptop.0.path().join("x").exists());
}

#[test]
fn a_folder_that_is_gone_is_not_made_anew() {
    let laptop = Laptop::new();
    fs::remove_dir(laptop.code("")).unwrap();
    assert_eq!(laptop.place("a", "x", None).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert!(!laptop.aside("").exists() && !laptop.code("").exists());
}
