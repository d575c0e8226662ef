//! `devbridge sync explain`: which rule decides whether a file counts.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::args::Format;
use crate::args::sync::Explain;
use crate::error::{Exit, Failure};
use crate::output::Output;
use crate::watch::rules::{Rules, Verdict};

/// Says what becomes of a path, and which line decided. The path need not exist.
///
/// # Errors
/// The folder can't be read, or the path is not in it.
pub(super) fn explain(args: &Explain, output: &Output) -> Result<(), Failure> {
    let folder = args.from.canonicalize().map_err(|error| {
        Failure::new("DB-SYNC-001", Exit::Config, format!("cannot read folder {}", args.from.display()))
            .why(error)
            .fix("name a folder that is there with --from")
    })?;
    let path = absolute(&args.path).map_err(|error| {
        Failure::new("DB-SYNC-001", Exit::Config, format!("cannot find {}", args.path.display())).why(error)
    })?;
    let Ok(within) = path.strip_prefix(&folder) else {
        return Err(Failure::new(
            "DB-SYNC-002",
            Exit::Usage,
            format!("{} is not in the folder that is followed", args.path.display()),
        )
        .why(format!("that is {}", folder.display()))
        .fix("name its folder with --from"));
    };
    let slash = args.path.as_os_str().as_encoded_bytes().ends_with(b"/");
    let is_folder = slash || path.symlink_metadata().is_ok_and(|found| found.is_dir());
    let mut rules = Rules::of(&folder);
    let verdict = rules.decide(within, is_folder);
    match args.output {
        Format::Text => output.data(&text(within, &verdict, &folder)),
        Format::Json => output.data(&format!("{:#}", data(within, &verdict))),
    }
    for mistake in rules.mistakes() {
        output.warn(&format!("{} is left out: {}", mistake.rule, mistake.why));
    }
    Ok(())
}

/// A path without links in its folder; it need not exist itself.
fn absolute(path: &Path) -> std::io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    // Of what does not exist yet the folders that do are looked through.
    for above in path.ancestors().skip(1) {
        if let Ok(real) = above.canonicalize() {
            return Ok(real.join(path.strip_prefix(above).unwrap_or(&path)));
        }
    }
    Ok(path)
}

fn text(path: &Path, verdict: &Verdict, folder: &Path) -> String {
    let word = if verdict.ignored { "ignored" } else { "counts" };
    let Some(rule) = &verdict.rule else {
        return format!("{word}: {}\n  no rule is about it", path.display());
    };
    // As one would open it from there.
    let mut shown = rule.clone();
    if let Some(near) = shown.file.as_ref().and_then(|file| file.strip_prefix(folder).ok()) {
        shown.file = Some(near.to_owned());
    }
    let about = verdict.folder.as_ref().map(|above| format!(" (about its folder {})", above.display()));
    format!("{word}: {}\n  {shown}{}", path.display(), about.unwrap_or_default())
}

fn data(path: &Path, verdict: &Verdict) -> serde_json::Value {
    let rule = verdict
        .rule
        .as_ref()
        .map(|rule| json!({ "file": rule.file, "line": rule.line, "pattern": rule.pattern }));
    json!({
        "apiVersion": tunnel::status::API_VERSION, "kind": "SyncRule",
        "path": path, "ignored": verdict.ignored, "rule": rule, "folder": verdict.folder,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::rules::Rule;

    #[test]
    fn the_line_that_decided_is_shown_as_one_would_open_it() {
        let rule = Rule { file: Some("/src/web/.gitignore".into()), line: 3, pattern: "gen/".into() };
        let verdict = Verdict { ignored: true, rule: Some(rule), folder: Some("gen".into()) };
        let shown = text(Path::new("gen/a.js"), &verdict, Path::new("/src/web"));
        insta::assert_snapshot!(shown, @r"
        ignored: gen/a.js
          .gitignore:3: gen/ (about its folder gen)
        ");
        let verdict = Verdict { ignored: false, rule: None, folder: None };
        insta::assert_snapshot!(text(Path::new("a.js"), &verdict, Path::new("/src")), @r"
        counts: a.js
          no rule is about it
        ");
    }

    #[test]
    fn a_path_that_does_not_exist_is_found_behind_links() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        std::fs::create_dir(real.join("code")).unwrap();
        std::os::unix::fs::symlink(real.join("code"), real.join("link")).unwrap();
        assert_eq!(absolute(&real.join("link/new/a.js")).unwrap(), real.join("code/new/a.js"));
    }
}
