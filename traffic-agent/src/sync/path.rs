//! Paths as the laptop sends them. Nothing is opened by a path that was not checked here.

use tunnel::sync::{MAX_DEPTH, MAX_PATH};

use super::{fault::Ended, staging};

/// A path below the folder, or the folder itself.
pub(super) fn check(path: &[u8]) -> Result<(), Ended> {
    if path.is_empty() {
        return Ok(());
    }
    if path.len() > MAX_PATH || path.contains(&0) {
        return Err(Ended::Violation("a path that is too long, or has a zero in it"));
    }
    let mut depth = 0;
    for (at, name) in path.split(|byte| *byte == b'/').enumerate() {
        if matches!(name, b"" | b"." | b"..") || (at == 0 && name == staging::NAME) {
            return Err(Ended::Violation("a path that leaves the folder"));
        }
        depth = at;
    }
    if depth >= MAX_DEPTH { Err(Ended::Violation("a path that is too deep")) } else { Ok(()) }
}

/// A path below the folder.
pub(super) fn check_below(path: &[u8]) -> Result<(), Ended> {
    if path.is_empty() { Err(Ended::Violation("the folder itself is no such thing")) } else { check(path) }
}

/// What a link may lead to: anything, it is never followed here.
pub(super) fn check_target(to: &[u8]) -> Result<(), Ended> {
    if to.is_empty() || to.len() > MAX_PATH || to.contains(&0) {
        return Err(Ended::Violation("a link that leads nowhere"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_paths_below_the_folder_pass() {
        for good in ["", "a", "a/b", "...", ".hidden", "a/.devbridge-sync", ".devbridge-sync2", "\u{e4}"] {
            assert_eq!(check(good.as_bytes()), Ok(()), "{good}");
        }
        let deep = ["a"; MAX_DEPTH + 1].join("/");
        let long = "a".repeat(MAX_PATH + 1);
        let hostile = [
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/..",
            "../a",
            "a/../../b",
            "./a",
            "a/.",
            "a\0",
            &deep,
            &long,
        ];
        for path in hostile.into_iter().chain([".devbridge-sync", ".devbridge-sync/0"]) {
            assert!(check(path.as_bytes()).is_err(), "{path}");
        }
        assert_eq!(check(["a"; MAX_DEPTH].join("/").as_bytes()), Ok(()));
        assert!(check_below(b"").is_err());
    }

    proptest! {
        #[test]
        fn what_passes_is_normal(path in prop::collection::vec(prop::sample::select(&b"a./\0"[..]), 0..12)) {
            if check(&path).is_ok() && !path.is_empty() {
                let text = String::from_utf8(path).unwrap();
                let normal = std::path::Path::new(&text)
                    .components()
                    .all(|component| matches!(component, std::path::Component::Normal(_)));
                prop_assert!(normal && !text.contains('\0') && !text.ends_with('/'));
            }
        }
    }
}
