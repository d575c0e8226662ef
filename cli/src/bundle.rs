//! The agent that this command brings to the cluster.
//!
//! It travels inside the command, so that there is no image to publish and never another version at
//! the other end. A command that was built without it takes it from the directory that
//! `DEVBRIDGE_BUNDLE` names.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::{env, fmt, fs, io};

use sha2::{Digest as _, Sha256};

/// A ConfigMap holds 1 MiB of everything, names and annotations included.
const PART: usize = 900 * 1024;
/// Of the SHA-256: enough to tell versions apart in a name. What is reused is compared byte by byte.
const HASH_DIGITS: usize = 10;

const VARIABLE: &str = "DEVBRIDGE_BUNDLE";

/// Bootstrap and agent for one architecture.
#[derive(Clone)]
pub struct Bundle {
    /// As Kubernetes names it: `amd64`, `arm64`.
    pub arch: &'static str,
    /// The program that the container starts, as it is.
    pub bootstrap: Cow<'static, [u8]>,
    /// The agent's program, compressed by gzip.
    pub agent_gz: Cow<'static, [u8]>,
    /// First ten hexadecimal digits of the SHA-256 over both.
    pub hash: String,
}

impl Bundle {
    /// The embedded agent, or the one in the directory `DEVBRIDGE_BUNDLE`. Hashes about 3 MiB: a few
    /// milliseconds.
    ///
    /// # Errors
    ///
    /// There is none, or the directory cannot be read or holds something else.
    pub fn find() -> Result<Self, BundleError> {
        if let Some((bootstrap, agent_gz)) = embedded() {
            return Self::new(bootstrap.into(), agent_gz.into()).ok_or(BundleError::Foreign(PathBuf::new()));
        }
        match env::var_os(VARIABLE) {
            Some(directory) if !directory.is_empty() => Self::read(Path::new(&directory)),
            _ => Err(BundleError::Missing),
        }
    }

    /// Reads `bootstrap` and `agent.gz` from a directory.
    ///
    /// # Errors
    ///
    /// They cannot be read, or are something else.
    pub fn read(directory: &Path) -> Result<Self, BundleError> {
        let file = |name| {
            let path = directory.join(name);
            fs::read(&path).map_err(|source| BundleError::Read { path, source })
        };
        Self::new(file("bootstrap")?.into(), file("agent.gz")?.into())
            .ok_or_else(|| BundleError::Foreign(directory.to_owned()))
    }

    fn new(bootstrap: Cow<'static, [u8]>, agent_gz: Cow<'static, [u8]>) -> Option<Self> {
        let arch = elf_arch(&bootstrap)?;
        agent_gz.starts_with(&[0x1f, 0x8b]).then_some(())?;
        let digest = Sha256::new().chain_update(&bootstrap).chain_update(&agent_gz).finalize();
        let mut hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        hash.truncate(HASH_DIGITS);
        Some(Self { arch, bootstrap, agent_gz, hash })
    }

    /// The compressed agent in pieces that fit into a ConfigMap each, at most 900 KiB.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.agent_gz.chunks(PART)
    }
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bundle")
            .field("arch", &self.arch)
            .field("hash", &self.hash)
            .field("bootstrap", &self.bootstrap.len())
            .field("agent_gz", &self.agent_gz.len())
            .finish()
    }
}

/// No agent to bring to the cluster.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Neither embedded nor named by the environment.
    #[error("this build of devbridge has no agent embedded")]
    Missing,
    /// A file of the named directory cannot be read.
    #[error("cannot read the agent from {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What is embedded, or stands in the directory, is no Linux program for a known architecture.
    #[error("not an agent's bundle: `{}`", .0.display())]
    Foreign(PathBuf),
}

impl BundleError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Missing => "build it with packaging/build.sh, or set DEVBRIDGE_BUNDLE to target/dist",
            Self::Read { .. } | Self::Foreign(_) => {
                "DEVBRIDGE_BUNDLE must name a directory that packaging/build.sh has made"
            }
        }
    }
}

#[cfg(bundled)]
fn embedded() -> Option<(&'static [u8], &'static [u8])> {
    Some((
        include_bytes!(concat!(env!("OUT_DIR"), "/bootstrap")),
        include_bytes!(concat!(env!("OUT_DIR"), "/agent.gz")),
    ))
}

#[cfg(not(bundled))]
fn embedded() -> Option<(&'static [u8], &'static [u8])> {
    None
}

/// The architecture of a 64-bit little-endian Linux program.
fn elf_arch(program: &[u8]) -> Option<&'static str> {
    const MACHINE: std::ops::Range<usize> = 18..20;
    program.starts_with(b"\x7fELF\x02\x01").then_some(())?;
    match program.get(MACHINE)? {
        [0x3e, 0] => Some("amd64"),
        [0xb7, 0] => Some("arm64"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(machine: u8) -> Vec<u8> {
        let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
        elf.resize(64, 0);
        elf[18] = machine;
        elf
    }

    fn directory(bootstrap: &[u8], agent_gz: &[u8]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("bootstrap"), bootstrap).unwrap();
        fs::write(directory.path().join("agent.gz"), agent_gz).unwrap();
        directory
    }

    #[test]
    fn a_directory_gives_architecture_hash_and_parts_that_make_up_the_agent() {
        let mut agent_gz = vec![0x1f, 0x8b];
        agent_gz.resize(2 * PART + 1, 7);
        let bundle = Bundle::read(directory(&program(0x3e), &agent_gz).path()).unwrap();
        assert_eq!(bundle.arch, "amd64");
        assert_eq!(bundle.parts().map(<[u8]>::len).collect::<Vec<_>>(), [PART, PART, 1]);
        assert_eq!(bundle.parts().collect::<Vec<_>>().concat(), agent_gz);
        assert_eq!(bundle.hash.len(), HASH_DIGITS);
        assert!(bundle.hash.chars().all(|digit| digit.is_ascii_hexdigit()));
    }

    #[test]
    fn another_agent_has_another_hash() {
        let hash = |agent: &[u8]| Bundle::read(directory(&program(0xb7), agent).path()).unwrap().hash;
        assert_ne!(hash(b"\x1f\x8b1"), hash(b"\x1f\x8b2"));
    }

    #[test]
    fn files_that_are_something_else_are_refused() {
        for (bootstrap, agent_gz) in [(b"#!/bin/sh".to_vec(), &b"\x1f\x8b"[..]), (program(0x3e), b"\x7fELF")]
        {
            let directory = directory(&bootstrap, agent_gz);
            assert!(matches!(Bundle::read(directory.path()), Err(BundleError::Foreign(_))));
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let error = Bundle::read(directory.path()).unwrap_err();
        assert!(error.to_string().ends_with("/bootstrap"), "{error}");
    }
}
