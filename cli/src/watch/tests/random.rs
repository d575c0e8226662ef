//! Whatever happens to a folder, in whatever order and however fast, is known in the end.

use std::fs;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::Followed;

/// What may happen to a few names.
#[derive(Debug, Clone)]
enum Step {
    Write(&'static str, u8),
    Replace(&'static str, u8),
    Folder(&'static str),
    Link(&'static str, &'static str),
    Move(&'static str, &'static str),
    Remove(&'static str),
    Mode(&'static str, u32),
    /// So long nothing happens, in milliseconds.
    Pause(u64),
}

const NAMES: [&str; 9] = ["a", "b", "a/a", "a/b", "b/a", "a/a/a", "a/b/c", "ignored", "a/ignored"];

fn step() -> impl Strategy<Value = Step> {
    let name = || prop::sample::select(&NAMES[..]);
    prop_oneof![
        6 => (name(), any::<u8>()).prop_map(|(name, byte)| Step::Write(name, byte)),
        3 => (name(), any::<u8>()).prop_map(|(name, byte)| Step::Replace(name, byte)),
        6 => name().prop_map(Step::Folder),
        1 => (name(), name()).prop_map(|(name, to)| Step::Link(name, to)),
        6 => (name(), name()).prop_map(|(from, to)| Step::Move(from, to)),
        3 => name().prop_map(Step::Remove),
        1 => (name(), prop::sample::select(&[0o600_u32, 0o755][..])).prop_map(|(name, mode)| Step::Mode(name, mode)),
        2 => (0_u64..8).prop_map(Step::Pause),
    ]
}

/// What can't be done is left.
fn take(folder: &Path, step: &Step) {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let at = |name: &str| folder.join(name);
    let _ = match step {
        Step::Write(name, byte) => fs::write(at(name), [*byte]),
        Step::Replace(name, byte) => {
            fs::write(at(".x.swp"), [*byte]).and_then(|()| fs::rename(at(".x.swp"), at(name)))
        }
        Step::Folder(name) => fs::create_dir_all(at(name)),
        Step::Link(name, to) => symlink(to, at(name)),
        Step::Move(from, to) => fs::rename(at(from), at(to)),
        Step::Remove(name) if at(name).is_dir() && !at(name).is_symlink() => fs::remove_dir_all(at(name)),
        Step::Remove(name) => fs::remove_file(at(name)),
        Step::Mode(name, mode) if at(name).is_file() => {
            fs::set_permissions(at(name), fs::Permissions::from_mode(*mode))
        }
        Step::Mode(..) => Ok(()),
        Step::Pause(ms) => {
            std::thread::sleep(Duration::from_millis(*ms));
            Ok(())
        }
    };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_to_a_folder_is_known_in_the_end(
        rounds in prop::collection::vec(prop::collection::vec(step(), 1..40), 1..4)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut followed = Followed::new(|_| {}).await;
            followed.write(".devbridgeignore", "ignored\n");
            for steps in rounds {
                for step in &steps {
                    take(followed.folder.path(), step);
                }
                // Of a replacement that could not be.
                let _ = fs::remove_file(followed.path(".x.swp"));
                followed.knows_all("ignored").await;
            }
        });
    }
}
