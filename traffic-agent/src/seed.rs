//! Fills a volume from the image: what a container has in a folder, copied as the container's user, who owns the copies.
//!
//! The volume lies over that folder afterwards, and can be written where the image can't. Runs once, before the agent, in a
//! container of the same image.

use std::{
    fs::{self, File, FileTimes, Metadata, Permissions},
    io,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use tracing::{info, warn};

/// The permission that a folder's owner needs for what is in it.
const OWN: u32 = 0o700;

/// Copies all in `from` into the folder `to`, which is there. What can't be read is left out, and said.
///
/// # Errors
/// The volume can't be written.
pub fn seed(from: &Path, to: &Path) -> io::Result<()> {
    // Left by a container that was ended here before it was done.
    for name in fs::read_dir(to)? {
        let path = name?.path();
        if path.symlink_metadata()?.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
    }
    let (mut files, mut left_out) = (0_u64, 0_u64);
    let mut folders = vec![PathBuf::new()];
    // Deepest last: a folder may forbid to write into it once it has its mode.
    let mut modes = Vec::new();
    while let Some(folder) = folders.pop() {
        let names = match fs::read_dir(from.join(&folder)) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound && folder.as_os_str().is_empty() => {
                info!(from = %from.display(), "the image has no such folder: the volume stays empty");
                return Ok(());
            }
            Err(error) => {
                warn!(folder = %folder.display(), %error, "left out");
                left_out += 1;
                continue;
            }
        };
        for name in names {
            let name = folder.join(name?.file_name());
            let (source, copy) = (from.join(&name), to.join(&name));
            let Ok(found) = source.symlink_metadata() else { continue };
            if found.is_dir() {
                fs::create_dir(&copy)?;
                fs::set_permissions(&copy, Permissions::from_mode(found.permissions().mode() & 0o777 | OWN))?;
                modes.push((copy, found.permissions().mode() & 0o777));
                folders.push(name);
            } else if found.is_symlink() {
                symlink(fs::read_link(&source)?, &copy)?;
            } else if found.is_file() {
                match File::open(&source) {
                    Ok(file) => copy_file(file, &copy, &found)?,
                    Err(error) => {
                        warn!(file = %name.display(), %error, "left out");
                        left_out += 1;
                        continue;
                    }
                }
                files += 1;
            }
        }
    }
    for (folder, mode) in modes.into_iter().rev() {
        fs::set_permissions(folder, Permissions::from_mode(mode))?;
    }
    info!(files, left_out, from = %from.display(), "copied");
    Ok(())
}

fn copy_file(mut file: File, copy: &Path, found: &Metadata) -> io::Result<()> {
    let mut to = File::create_new(copy)?;
    io::copy(&mut file, &mut to)?;
    to.set_times(FileTimes::new().set_modified(found.modified()?))?;
    to.set_permissions(Permissions::from_mode(found.permissions().mode() & 0o777))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_copied_with_modes_links_and_times() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = |name: &str| from.path().join(name);
        fs::create_dir_all(path("a/b")).unwrap();
        fs::write(path("a/b/run"), "x").unwrap();
        fs::set_permissions(path("a/b/run"), Permissions::from_mode(0o555)).unwrap();
        fs::set_permissions(path("a"), Permissions::from_mode(0o555)).unwrap();
        symlink("a/b/run", path("link")).unwrap();
        seed(from.path(), to.path()).unwrap();
        // Once more, as after an end in the middle.
        seed(from.path(), to.path()).unwrap();
        let copied = |name: &str| to.path().join(name).symlink_metadata().unwrap();
        assert_eq!(fs::read_link(to.path().join("link")).unwrap(), Path::new("a/b/run"));
        assert_eq!(copied("a").permissions().mode() & 0o777, 0o555);
        assert_eq!(copied("a/b/run").permissions().mode() & 0o777, 0o555);
        let modified = path("a/b/run").metadata().unwrap().modified().unwrap();
        assert_eq!(copied("a/b/run").modified().unwrap(), modified);
        for folder in [from.path(), to.path()] {
            fs::set_permissions(folder.join("a"), Permissions::from_mode(0o755)).unwrap();
        }
    }

    #[test]
    fn a_folder_that_the_image_does_not_have_is_an_empty_volume() {
        let to = tempfile::tempdir().unwrap();
        seed(Path::new("/nonexistent"), to.path()).unwrap();
    }
}
