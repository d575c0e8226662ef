//! Rounds with a pod whose folder is a real one.

use std::fs;

use tokio::sync::watch;
use tunnel::sync::{FromPod, Kind, MAX_DATA};

use super::super::ask::tests::Pod;
use super::super::scope::Patterns;
use super::*;
use crate::watch::tree::Changes;

struct Laptop {
    folder: tempfile::TempDir,
    pod: Pod,
    outlet: Outlet,
    puller: Puller,
    state: watch::Sender<State>,
}

impl Laptop {
    fn new(patterns: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("code")).unwrap();
        let pulling = Pulling {
            pulls: Pulls::of(vec![Patterns::parse(patterns).unwrap()]),
            folder: folder.path().join("code"),
            aside: Some(folder.path().join("aside")),
            pulled: Arc::default(),
            output: Output::new(),
        };
        let (state, states) = watch::channel(State { starts: 1, ..State::default() });
        let puller = Puller::new(pulling, "pod", states);
        Self { folder, pod: Pod::new(), outlet: Outlet::default(), puller, state }
    }

    /// One round; the steps that it took.
    async fn round(&mut self) -> usize {
        self.puller.next = Instant::now();
        for steps in 1.. {
            self.puller.due().await;
            self.puller.step(&mut self.pod, &self.outlet).await.unwrap();
            if self.puller.round.is_none() {
                return steps;
            }
        }
        unreachable!()
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.folder.path().join(file), text).unwrap();
    }

    /// None: there is no such file.
    fn read(&self, file: &str) -> Option<Vec<u8>> {
        fs::read(self.folder.path().join(file)).ok()
    }

    /// Files that were asked for since the last time.
    fn fetched(&mut self) -> Vec<String> {
        let asked = std::mem::take(&mut self.pod.asked);
        let paths = asked.into_iter().filter_map(|question| match question {
            ToPod::Read { path, offset: 0 } => String::from_utf8(path).ok(),
            _ => None,
        });
        paths.collect()
    }
}

#[tokio::test]
async fn what_changed_in_the_pod_is_fetched_and_nothing_else() {
    let mut laptop = Laptop::new("gen/,*.lock");
    for file in ["gen/deep/a", "a.lock", "main.rs", "sub/b.lock"] {
        laptop.pod.write(file, file);
    }
    std::os::unix::fs::symlink("main.rs", laptop.pod.folder.path().join("gen/link")).unwrap();
    laptop.round().await;
    for file in ["gen/deep/a", "a.lock", "sub/b.lock"] {
        assert_eq!(laptop.read(&format!("code/{file}")), Some(file.into()));
    }
    assert!(laptop.read("code/main.rs").is_none() && laptop.read("code/gen/link").is_none());
    assert_eq!(laptop.fetched().len(), 3);
    laptop.round().await;
    assert!(laptop.fetched().is_empty(), "nothing changed");
    laptop.pod.write("gen/deep/a", "longer than before");
    fs::remove_file(laptop.pod.folder.path().join("a.lock")).unwrap();
    laptop.round().await;
    assert_eq!(laptop.fetched(), ["gen/deep/a"]);
    assert_eq!(laptop.read("code/gen/deep/a"), Some("longer than before".into()), "it was ours");
    assert_eq!(laptop.read("code/a.lock"), Some("a.lock".into()), "gone in the pod alone");
}

#[tokio::test]
async fn what_the_developer_has_stays() {
    let mut laptop = Laptop::new("*.txt");
    laptop.write("code/mine.txt", "mine");
    laptop.pod.write("mine.txt", "the pod's");
    laptop.pod.write("new.txt", "new");
    laptop.round().await;
    laptop.write("code/new.txt", "edited");
    laptop.pod.write("new.txt", "newer");
    laptop.round().await;
    assert_eq!(laptop.read("code/mine.txt"), Some("mine".into()));
    assert_eq!(laptop.read("aside/mine.txt"), Some("the pod's".into()));
    assert_eq!(laptop.read("code/new.txt"), Some("edited".into()));
    assert_eq!(laptop.read("aside/new.txt"), Some("newer".into()));
}

#[tokio::test]
async fn a_large_file_comes_in_steps_and_a_save_comes_first() {
    let mut laptop = Laptop::new("*.bin");
    let bytes: Vec<u8> = (0..40 * MAX_DATA + 9).map(|at| (at % 251) as u8).collect();
    laptop.pod.write("a.bin", &bytes);
    laptop.pod.write("b.bin", "");
    laptop.puller.due().await;
    laptop.puller.step(&mut laptop.pod, &laptop.outlet).await.unwrap();
    laptop.outlet.put(Changes::new(), 1, Instant::now());
    laptop.pod.asked.clear();
    laptop.puller.step(&mut laptop.pod, &laptop.outlet).await.unwrap();
    assert!(laptop.pod.asked.is_empty(), "the save is first");
    laptop.outlet.next().await;
    assert!(laptop.round().await > 3);
    assert!(laptop.read("code/a.bin") == Some(bytes) && laptop.read("code/b.bin") == Some(Vec::new()));
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_fetched_comes_with_the_next_round() {
    let mut laptop = Laptop::new("*.bin");
    laptop.pod.write("a.bin", vec![1; 20 * MAX_DATA]);
    for _ in 0..2 {
        laptop.puller.due().await;
        laptop.puller.step(&mut laptop.pod, &laptop.outlet).await.unwrap();
    }
    laptop.pod.write("a.bin", vec![2; 19 * MAX_DATA]);
    laptop.round().await;
    assert_eq!(laptop.read("code/a.bin"), None);
    laptop.round().await;
    assert!(laptop.read("code/a.bin") == Some(vec![2; 19 * MAX_DATA]));
}

#[tokio::test]
async fn what_is_too_large_stays_in_the_pod() {
    let mut laptop = Laptop::new("*");
    laptop.pod.write("small", "small");
    laptop.pod.write("large", "");
    let large = fs::File::options().write(true).open(laptop.pod.folder.path().join("large")).unwrap();
    large.set_len(LARGEST + 1).unwrap();
    laptop.round().await;
    assert_eq!(laptop.fetched(), ["small"]);
    assert!(laptop.read("code/large").is_none() && laptop.puller.large.contains(Path::new("large")));
}

#[tokio::test]
async fn a_hostile_pod_s_names_are_passed_over_and_its_folders_not_believed() {
    let mut laptop = Laptop::new("*");
    let found = |name: &str| Found { name: name.into(), kind: Kind::File(1), mode: 0o777, modified: 1 };
    let names = ["../x", "/etc/x", "..", "", "a/b", ".git", ".gitignore", ".devbridge-pull-0"];
    let found: Vec<_> = names.into_iter().map(found).collect();
    laptop.pod.says(FromPod::Listed { folder: Vec::new(), found, more: true });
    laptop.round().await;
    assert!(laptop.fetched().is_empty());
    assert_eq!(fs::read_dir(laptop.folder.path()).unwrap().count(), 1);
    laptop.pod.says(FromPod::Listed { folder: b"../else".into(), found: Vec::new(), more: true });
    laptop.puller.next = Instant::now();
    laptop.puller.due().await;
    assert!(laptop.puller.step(&mut laptop.pod, &laptop.outlet).await.is_err());
}

#[tokio::test]
async fn each_start_of_the_process_begins_a_round() {
    let mut laptop = Laptop::new("*");
    laptop.round().await;
    laptop.puller.next = Instant::now() + Duration::from_secs(3600);
    let soon = Duration::from_millis(20);
    assert!(time::timeout(soon, laptop.puller.due()).await.is_err());
    laptop.state.send_modify(|state| state.starts += 1);
    laptop.puller.due().await;
    laptop.puller.step(&mut laptop.pod, &laptop.outlet).await.unwrap();
    laptop.puller.next = Instant::now() + Duration::from_secs(3600);
    assert!(time::timeout(soon, laptop.puller.due()).await.is_err(), "once");
}

#[tokio::test]
async fn only_one_pod_is_pulled_from_until_it_is_gone() {
    let mut laptop = Laptop::new("*");
    laptop.round().await;
    let mut second = Puller::new(laptop.puller.pulling.clone(), "second", laptop.state.subscribe());
    assert!(time::timeout(Duration::from_millis(20), second.due()).await.is_err());
    laptop.puller = Puller::new(laptop.puller.pulling.clone(), "third", laptop.state.subscribe());
    second.due().await;
    let nothing = Pulling { pulls: Pulls::default(), ..second.pulling.clone() };
    let mut none = Puller::new(nothing, "none", laptop.state.subscribe());
    drop(second);
    assert!(time::timeout(Duration::from_millis(20), none.due()).await.is_err());
}

#[test]
fn looking_takes_a_small_part_of_the_time() {
    assert_eq!(pause(Duration::from_millis(1)), PAUSE);
    assert_eq!(pause(Duration::from_secs(1)), Duration::from_secs(50));
    assert_eq!(pause(Duration::from_secs(90)), LONGEST);
}
