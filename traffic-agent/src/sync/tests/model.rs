//! Whatever a laptop's folder goes through: the pod's is the same after each commit, and both know the same hash.

use std::collections::BTreeMap;

use proptest::{prelude::*, sample::Index};
use tunnel::sync::tree::{Leaf, split};

use super::*;

type Tree = BTreeMap<String, Node>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Folder(u32),
    File(u32, String),
    Link(String),
}

fn node() -> impl Strategy<Value = Node> {
    prop_oneof![
        prop::sample::select(vec![0o755, 0o700, 0o555]).prop_map(Node::Folder),
        (prop::sample::select(vec![0o644, 0o755, 0o400]), "[xy]{0,3}").prop_map(|(m, c)| Node::File(m, c)),
        prop::sample::select(vec!["a", "../a", "b/a", "/none"]).prop_map(|to| Node::Link(to.to_owned())),
    ]
}

/// What a laptop may have: everything is in a folder.
fn tree() -> impl Strategy<Value = Tree> {
    prop::collection::vec(("[ab](/[ab]){0,2}", node()), 0..8).prop_map(|all| {
        let mut tree = Tree::new();
        for (path, node) in all {
            for (at, _) in path.match_indices('/') {
                let above = path[..at].to_owned();
                if !matches!(tree.get(&above), Some(Node::Folder(_))) {
                    tree.insert(above, Node::Folder(0o755));
                }
            }
            if !matches!(node, Node::Folder(_)) {
                tree.retain(|other, _| !other.starts_with(&format!("{path}/")));
            }
            tree.insert(path, node);
        }
        tree
    })
}

/// What a laptop sends when its folder was `old` and is `new`; in groups that stay together.
fn changes(old: &Tree, new: &Tree) -> (Vec<Vec<ToPod>>, Vec<Vec<ToPod>>) {
    let (mut folders, mut others) = (Vec::new(), Vec::new());
    for (path, node) in new {
        let path = path.as_str();
        match (node, old.get(path)) {
            (node, Some(was)) if node == was => {}
            (Node::Folder(mode), _) => folders.push(vec![folder(path, *mode)]),
            (Node::Link(to), _) => others.push(vec![link(path, to)]),
            (Node::File(mode, contents), Some(Node::File(_, was))) if contents == was => {
                others.push(vec![ToPod::Meta { path: path.into(), meta: meta(*mode, b"") }]);
            }
            (Node::File(mode, contents), _) => others.push(file(path, *mode, contents)),
        }
    }
    others.extend(old.keys().filter(|path| !new.contains_key(*path)).map(|path| vec![remove(path)]));
    (folders, others)
}

fn on_disk(pod: &Pod, below: &str, tree: &mut Tree) {
    for entry in fs::read_dir(pod.to(below)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        if path == ".devbridge-sync" {
            continue;
        }
        let found = fs::symlink_metadata(pod.to(&path)).unwrap();
        let mode = found.permissions().mode() & 0o777;
        let node = if found.is_dir() {
            on_disk(pod, &path, tree);
            Node::Folder(mode)
        } else if found.is_symlink() {
            Node::Link(fs::read_link(pod.to(&path)).unwrap().to_str().unwrap().to_owned())
        } else {
            Node::File(mode, pod.read(&path))
        };
        tree.insert(path, node);
    }
}

fn expected(tree: &Tree) -> Hash {
    let leaves: Vec<_> = tree
        .iter()
        .map(|(path, node)| {
            let leaf = match node {
                Node::Folder(mode) => Leaf::Folder { mode: *mode },
                Node::File(mode, contents) => Leaf::File { mode: *mode, hash: hash(contents) },
                Node::Link(to) => Leaf::Link { to: to.clone().into_bytes() },
            };
            (path.as_str(), leaf)
        })
        .collect();
    root(&leaves)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_pod_s_folder_becomes_the_laptop_s(
        steps in prop::collection::vec((tree(), any::<Index>(), any::<bool>()), 1..6),
        rights in any::<bool>(),
    ) {
        let check = || {
            let mut pod = Pod::new();
            let mut old = Tree::new();
            for (new, turn, removed) in &steps {
                let (folders, mut others) = changes(&old, new);
                if !others.is_empty() {
                    let by = turn.index(others.len());
                    others.rotate_left(by);
                }
                let mut groups = if *removed { [others, folders].concat() } else { [folders, others].concat() };
                // A folder that is removed has all that is in it removed: mostly its name alone is sent.
                if *removed {
                    groups.retain(|group| match &**group {
                        [ToPod::Remove(path)] => {
                            let above = String::from_utf8(split(path).0.to_vec()).unwrap();
                            above.is_empty() || new.contains_key(&above)
                        }
                        _ => true,
                    });
                }
                let found = pod.put(groups.concat());
                let mut disk = Tree::new();
                on_disk(&pod, "", &mut disk);
                prop_assert_eq!(&disk, new);
                prop_assert_eq!(found, expected(new));
                let told = pod.ask(vec![ToPod::Verify]);
                prop_assert!(matches!(&*told, [FromPod::Verified { root, .. }] if *root == found), "{:?}", told);
                old = new.clone();
            }
            Ok(())
        };
        if rights { check()? } else { as_nobody(check)? }
    }
}
