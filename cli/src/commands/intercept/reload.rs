//! What `--watch` asks for, and why it may make no sense; before the cluster is asked anything.

use std::path::{Path, PathBuf};

use crate::args::Intercept;
use crate::error::{Exit, Failure};
use crate::output::Output;
use crate::session::reload::Reload;
use crate::session::saves::Saves;
use crate::watch::Watch;
use crate::watch::rules::Rules;

/// Begins to follow the folder, if that is asked for.
///
/// # Errors
/// There is nothing to start anew, or a path that can't be followed.
pub(super) fn reload(args: &Intercept, output: &Output) -> Result<Option<Reload>, Failure> {
    let Some(paths) = &args.watch else { return Ok(None) };
    if args.command.is_empty() {
        return Err(Failure::new("DB-USAGE-002", Exit::Usage, "--watch has nothing to start anew")
            .why("devbridge starts the process only when its command stands after `--`")
            .fix("devbridge intercept TARGET --watch -- CMD"));
    }
    let folder = std::env::current_dir().and_then(|folder| folder.canonicalize()).map_err(|error| {
        Failure::new("DB-WATCH-001", Exit::Config, "cannot follow this folder").why(error)
    })?;
    let only = paths.iter().map(|path| within(&folder, path, output)).collect::<Result<Vec<_>, _>>()?;
    let only = if only.iter().any(|path| path.as_os_str().is_empty()) { Vec::new() } else { only };
    let watch = Watch::start(&folder, only).map_err(|error| {
        Failure::new("DB-WATCH-001", Exit::Config, "cannot follow this folder").why(error)
    })?;
    let saves = Saves { watch, folder, on_change: args.on_change.clone() };
    Ok(Some(Reload { saves, grace: args.grace }))
}

/// A path of the user's from the folder that is followed.
fn within(folder: &Path, path: &Path, output: &Output) -> Result<PathBuf, Failure> {
    let wrong = |what: String| Failure::new("DB-WATCH-001", Exit::Config, what);
    let found = path.canonicalize().map_err(|error| {
        wrong(format!("cannot follow {}", path.display()))
            .why(error)
            .fix("name files and folders that are there; the target stands before --watch")
    })?;
    let Ok(within) = found.strip_prefix(folder) else {
        return Err(wrong(format!("{} is not below this folder", path.display()))
            .why(format!("what is followed lies in {}", folder.display()))
            .fix("start devbridge in the folder that has all of it"));
    };
    let verdict = Rules::of(folder).decide(within, found.is_dir());
    if let Some(rule) = verdict.rule.filter(|_| verdict.ignored) {
        output.warn(&format!(
            "{} is ignored, so no change in it counts: {rule}; to follow it, put !{} into .devbridgeignore",
            path.display(),
            within.display()
        ));
    }
    Ok(within.to_owned())
}
