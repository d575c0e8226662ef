//! Puts the agent into the command.
//!
//! `DEVBRIDGE_BUNDLE` names a directory with `bootstrap` and `agent.gz`, as `packaging/build.sh` makes
//! it. Without the variable the command is built all the same, and says at run time what it lacks: so
//! checks and most tests need no second build of the agent.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

const FILES: [&str; 2] = ["bootstrap", "agent.gz"];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-env-changed=DEVBRIDGE_BUNDLE");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(bundled)");
    let Some(bundle) = env::var_os("DEVBRIDGE_BUNDLE").filter(|dir| !dir.is_empty()) else { return Ok(()) };
    let Some(out) = env::var_os("OUT_DIR") else { return Err(io::Error::other("OUT_DIR is not set")) };
    for file in FILES {
        copy(&PathBuf::from(&bundle).join(file), &PathBuf::from(&out).join(file))?;
    }
    println!("cargo::rustc-cfg=bundled");
    Ok(())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", from.display());
    fs::copy(from, to)
        .map(drop)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", from.display())))
}
