//! A folder that changes as no editor would think of, and a listing that tells two folders apart byte for byte.

use std::fs::{self, File, FileTimes, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::bytes::{Pattern, sha256};

/// Names in each folder: so few that operations meet each other's.
const NAMES: u64 = 6;
/// Deepest folder.
const DEPTH: u64 = 3;
/// Largest file, and how large most of them are.
const LARGE: u64 = 3 << 20;
const USUAL: u64 = 4 << 10;

/// Longest first line.
const LINE: usize = 64;
/// Tries for each operation, on average.
const TRIES: u32 = 100;

/// `tool tree`
#[derive(Debug, clap::Args)]
pub struct TreeArgs {
    /// The folder
    folder: PathBuf,
}

/// `tool mutate`
#[derive(Debug, clap::Args)]
pub struct MutateArgs {
    /// The folder
    folder: PathBuf,
    /// The same gives the same operations, if it begins with the same folder
    #[arg(long)]
    seed: u64,
    /// How many operations
    #[arg(long)]
    operations: u32,
    /// Pause after each, in microseconds
    #[arg(long, default_value_t = 500)]
    pause_us: u64,
}

/// Prints a line for everything below the folder, in order: kind, permissions, time, contents.
///
/// # Errors
/// Something can't be read.
pub fn tree(args: &TreeArgs) -> io::Result<()> {
    list(&args.folder, Path::new(""))
}

fn list(top: &Path, folder: &Path) -> io::Result<()> {
    let mut names: Vec<_> = fs::read_dir(top.join(folder))?.collect::<io::Result<_>>()?;
    names.sort_by_key(fs::DirEntry::file_name);
    for name in names {
        let path = folder.join(name.file_name());
        let found = name.metadata()?;
        let mode = format!("{:o}", found.mode() & 0o777);
        if found.is_symlink() {
            crate::say(&json!({ "path": path, "link": fs::read_link(name.path())? }));
        } else if found.is_dir() {
            crate::say(&json!({ "path": path, "folder": mode }));
            list(top, &path)?;
        } else {
            let time = format!("{}.{:09}", found.mtime(), found.mtime_nsec());
            let bytes = fs::read(name.path())?;
            crate::say(&json!({ "path": path, "file": mode, "time": time, "sha256": sha256(&bytes) }));
        }
    }
    Ok(())
}

/// Does what programs and people do to files, in an order that nobody does.
///
/// # Errors
/// The folder is not there.
pub fn mutate(args: &MutateArgs) -> io::Result<()> {
    fs::metadata(&args.folder)?;
    let mut random = Random(Pattern::new(args.seed));
    let (mut done, mut tried) = (0, 0);
    let mut told = false;
    // That something is not there, or something else, is part of it, and no operation.
    while done < args.operations && tried < args.operations.saturating_mul(TRIES) {
        if done == args.operations / 2 && !std::mem::replace(&mut told, true) {
            crate::say(&json!({ "half": done }));
        }
        tried += 1;
        if operate(&args.folder, &mut random).is_ok() {
            done += 1;
            std::thread::sleep(Duration::from_micros(args.pause_us));
        }
    }
    crate::say(&json!({ "tried": tried, "done": done }));
    Ok(())
}

struct Random(Pattern);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        let mut word = [0; 8];
        self.0.fill(&mut word);
        u64::from_le_bytes(word) % limit.max(1)
    }

    fn path(&mut self, top: &Path) -> PathBuf {
        let depth = 1 + self.below(DEPTH);
        (0..depth).fold(top.to_owned(), |path, _| path.join(format!("n{}", self.below(NAMES))))
    }

    fn contents(&mut self) -> Vec<u8> {
        let length = match self.below(50) {
            0 => self.below(LARGE),
            1..5 => 0,
            _ => self.below(USUAL),
        };
        let seed = self.below(u64::MAX);
        Pattern::new(seed).take(usize::try_from(length).unwrap_or_default())
    }
}

fn operate(top: &Path, random: &mut Random) -> io::Result<()> {
    let path = random.path(top);
    match random.below(14) {
        0..3 => {
            if random.below(4) == 0 {
                fs::create_dir_all(path.parent().unwrap_or(top))?;
            }
            fs::write(&path, random.contents())
        }
        // As editors save.
        3 => {
            let beside = path.with_extension("new");
            fs::write(&beside, random.contents())?;
            fs::rename(&beside, &path).inspect_err(|_| drop(fs::remove_file(&beside)))
        }
        4 => File::options().append(true).open(&path)?.write_all(&random.contents()),
        5 => {
            let file = File::options().write(true).open(&path)?;
            file.set_len(random.below(USUAL))
        }
        6 => fs::remove_file(&path),
        7..9 => fs::create_dir_all(&path),
        9 if random.below(3) == 0 => fs::remove_dir_all(&path),
        9 | 10 => fs::rename(&path, random.path(top)),
        11 => {
            let modes = [0o644, 0o755, 0o600, 0o444];
            let mode = if path.symlink_metadata()?.is_dir() {
                [0o755, 0o700, 0o775][usize::try_from(random.below(3)).unwrap_or_default()]
            } else {
                modes[usize::try_from(random.below(4)).unwrap_or_default()]
            };
            if path.is_symlink() {
                return Ok(());
            }
            fs::set_permissions(&path, Permissions::from_mode(mode))
        }
        12 => symlink(random.path(Path::new("..")), &path),
        _ => {
            if !path.symlink_metadata()?.is_file() {
                return Ok(());
            }
            let time = SystemTime::UNIX_EPOCH + Duration::from_micros(random.below(1 << 50));
            File::open(&path)?.set_times(FileTimes::new().set_modified(time))
        }
    }
}

/// `tool seen`
#[derive(Debug, clap::Args)]
pub struct SeenArgs {
    /// Where the files are
    folder: PathBuf,
    /// How many: `file-0`, `file-1`, …
    #[arg(long, default_value_t = 1)]
    files: usize,
    /// Ends after so many contents that were seen
    #[arg(long, default_value_t = u64::MAX)]
    times: u64,
}

/// Tells when all files begin with another line than before, again and again: the line, and the time.
///
/// # Errors
/// None; a file that is not there is waited for.
pub fn seen(args: &SeenArgs) -> io::Result<()> {
    let paths: Vec<_> = (0..args.files).map(|file| args.folder.join(format!("file-{file}"))).collect();
    let first = |path: &Path| {
        let mut line = [0; LINE];
        let read = File::open(path).and_then(|file| file.read_at(&mut line, 0)).unwrap_or(0);
        let line = line.get(..read).unwrap_or_default();
        line.split(|byte| *byte == b'\n').next().unwrap_or_default().to_vec()
    };
    let mut before = paths.first().map(|path| first(path)).unwrap_or_default();
    crate::say(&json!({ "looking": args.files }));
    for _ in 0..args.times {
        let mut now = before.clone();
        for path in &paths {
            loop {
                let line = first(path);
                if !line.is_empty() && line != before {
                    now = line;
                    break;
                }
                std::thread::sleep(Duration::from_micros(300));
            }
        }
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        crate::say(&json!({ "seen": String::from_utf8_lossy(&now), "ms": at.as_secs_f64() * 1e3 }));
        before = now;
    }
    Ok(())
}
