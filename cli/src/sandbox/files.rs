//! The files through which a process finds names, replaced in its own mount namespace.
//!
//! Everything lives in a tmpfs that is mounted inside, bound over the true paths and unmounted again: it exists as
//! long as a process of the sandbox does, and nowhere outside. Name services that would answer past those files
//! (nscd, systemd-resolved, mDNS) are hidden and taken out of nsswitch.conf.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// Directories whose sockets answer names without a packet.
const HIDDEN: [&str; 3] = ["/run/nscd", "/var/run/nscd", "/run/systemd/resolve"];

/// Where the tmpfs stands while files are bound: the first that exists and holds none of them.
const STAGES: [&str; 5] = ["/tmp", "/mnt", "/var/tmp", "/srv", "/media"];

/// Most entries of a directory that is rebuilt because a file is missing in it.
const MAX_ENTRIES: usize = 4096;

/// Links that are followed before a path counts as a loop.
const MAX_LINKS: usize = 40;

const NSSWITCH: &str = "/etc/nsswitch.conf";

/// Puts the pod's files in place.
pub(super) fn replace(resolv_conf: &[u8], hosts: &[u8]) -> io::Result<()> {
    // Mounts that the laptop makes later still appear inside; none made here appears outside.
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SLAVE, None::<&str>)?;
    let mut files = vec![("/etc/resolv.conf", resolv_conf.to_vec()), ("/etc/hosts", hosts.to_vec())];
    if let Ok(text) = fs::read(NSSWITCH) {
        files.push((NSSWITCH, ask_dns(&String::from_utf8_lossy(&text)).into_bytes()));
    }
    let targets: Vec<PathBuf> = files.iter().map(|(path, _)| follow(Path::new(path))).collect();
    let mut stage = Stage::mount(&targets)?;
    for path in HIDDEN {
        stage.hide(Path::new(path))?;
    }
    for (target, (_, bytes)) in targets.iter().zip(&files) {
        stage.place(target, bytes)?;
    }
    stage.unmount()
}

/// The tmpfs while it is mounted.
struct Stage {
    path: PathBuf,
    /// Entries made so far; each gets its number as name.
    entries: usize,
    /// Directories of the stage, by the path at which they are visible.
    ours: Vec<PathBuf>,
}

impl Stage {
    fn mount(targets: &[PathBuf]) -> io::Result<Self> {
        let free = |stage: &&Path| stage.is_dir() && !targets.iter().any(|target| target.starts_with(stage));
        let path = STAGES.iter().map(Path::new).find(free).ok_or(io::ErrorKind::NotFound)?;
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(Some("devbridge"), path, Some("tmpfs"), flags, Some("mode=755,size=16m"))?;
        Ok(Self { path: path.to_owned(), entries: 0, ours: Vec::new() })
    }

    fn unmount(self) -> io::Result<()> {
        Ok(umount2(&self.path, MntFlags::MNT_DETACH)?)
    }

    fn next(&mut self) -> PathBuf {
        self.entries += 1;
        self.path.join(self.entries.to_string())
    }

    /// Makes a directory look empty.
    fn hide(&mut self, directory: &Path) -> io::Result<()> {
        let Ok(directory) = directory.canonicalize() else { return Ok(()) };
        if self.ours.contains(&directory) {
            return Ok(());
        }
        let empty = self.next();
        fs::create_dir(&empty)?;
        bind(&empty, &directory)?;
        self.ours.push(directory);
        Ok(())
    }

    /// Makes `target`, which is no link, a file with these bytes.
    fn place(&mut self, target: &Path, bytes: &[u8]) -> io::Result<()> {
        if target.is_file() {
            let file = self.next();
            fs::write(&file, bytes)?;
            return bind(&file, target);
        }
        // Missing, as where a link dangles: only a directory of our own can get a new entry.
        let parent = target.parent().ok_or(io::ErrorKind::NotFound)?;
        let existing =
            parent.ancestors().find(|path| path.is_dir()).ok_or(io::ErrorKind::NotFound)?.to_owned();
        if !self.ours.iter().any(|ours| existing.starts_with(ours)) {
            self.rebuild(&existing)?;
        }
        fs::create_dir_all(parent)?;
        fs::write(target, bytes)
    }

    /// Replaces a directory by one of ours in which everything is as before, for the sake of one more entry.
    fn rebuild(&mut self, directory: &Path) -> io::Result<()> {
        let copy = self.next();
        fs::create_dir(&copy)?;
        for (count, entry) in fs::read_dir(directory)?.enumerate() {
            if count == MAX_ENTRIES {
                return Err(io::ErrorKind::QuotaExceeded.into());
            }
            let entry = entry?;
            let (from, to) = (entry.path(), copy.join(entry.file_name()));
            let kind = entry.file_type()?;
            if kind.is_symlink() {
                symlink(fs::read_link(&from)?, &to)?;
                continue;
            }
            if kind.is_dir() {
                fs::create_dir(&to)?
            } else {
                fs::write(&to, "")?
            }
            bind(&from, &to)?;
        }
        bind(&copy, directory)?;
        self.ours.push(directory.to_owned());
        Ok(())
    }
}

fn bind(from: &Path, to: &Path) -> io::Result<()> {
    Ok(mount(Some(from), to, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)?)
}

/// Where a path leads, though there may be nothing: `canonicalize` refuses a dangling link.
fn follow(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(link) = fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("/")).join(link);
    }
    let existing = path.ancestors().find_map(|ancestor| Some((ancestor, ancestor.canonicalize().ok()?)));
    match existing {
        Some((ancestor, canonical)) => match path.strip_prefix(ancestor) {
            Ok(rest) if !rest.as_os_str().is_empty() => canonical.join(rest),
            _ => canonical,
        },
        None => path,
    }
}

/// An nsswitch.conf that looks for hosts in the hosts file and by DNS packets only; other lines stay.
fn ask_dns(text: &str) -> String {
    let is_hosts = |line: &&str| line.trim_start().starts_with("hosts:");
    let others = text.lines().filter(|line| !is_hosts(line));
    others.chain(["hosts: files dns"]).fold(String::new(), |text, line| text + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nsswitch_keeps_all_lines_but_that_of_hosts() {
        let text = "passwd: files systemd\n hosts:  files mdns4_minimal [NOTFOUND=return] resolve\nrpc: db";
        assert_eq!(ask_dns(text), "passwd: files systemd\nrpc: db\nhosts: files dns\n");
    }

    #[test]
    fn a_dangling_link_leads_to_where_the_file_would_be() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        fs::create_dir(root.join("etc")).unwrap();
        symlink("../run/resolve/stub.conf", root.join("etc/resolv.conf")).unwrap();
        fs::create_dir(root.join("run")).unwrap();
        assert_eq!(follow(&root.join("etc/resolv.conf")), root.join("run/resolve/stub.conf"));
    }

    #[test]
    fn a_loop_of_links_ends() {
        let directory = tempfile::tempdir().unwrap();
        symlink("loop", directory.path().join("loop")).unwrap();
        follow(&directory.path().join("loop"));
    }
}
