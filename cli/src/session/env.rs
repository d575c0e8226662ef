//! The env path, laptop end: the pod's environment, minus what belongs to the machine.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use tunnel::message::{Env, MAX_MESSAGE, Open};
use tunnel::{Connection, Priority};

use crate::error::{Exit, Failure};

/// Variables that describe a machine and not an application: the laptop's stay.
const MACHINE: &[&str] = &[
    "PATH",
    "HOME",
    "HOSTNAME",
    "PWD",
    "OLDPWD",
    "SHLVL",
    "SHELL",
    "USER",
    "LOGNAME",
    "TERM",
    "TERMINFO",
    "COLORTERM",
    "LANG",
    "LANGUAGE",
    "TMPDIR",
    "TMP",
    "TEMP",
    "DISPLAY",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "MAIL",
    "TZ",
    "_",
];
/// The same, by prefix: the loader's settings name libraries of the image, `LC_` and `XDG_` are the user's.
const MACHINE_PREFIXES: &[&str] = &["LD_", "LC_", "XDG_", "SSH_", "GPG_", "DEVBRIDGE_"];

/// Asks the agent for its container's environment.
///
/// # Errors
/// The stream failed.
pub async fn fetch(connection: &Connection) -> std::io::Result<Env> {
    let mut flow = connection.open(&Open::Env, Priority::Control).await.map_err(std::io::Error::other)?;
    flow.send.finish();
    let env = flow.recv.message(MAX_MESSAGE).await.map_err(std::io::Error::other)?;
    env.ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
}

/// The pod's variables that the process gets.
pub fn of_the_application(env: &Env) -> Vec<(OsString, OsString)> {
    let text = |bytes: &Vec<u8>| OsString::from_vec(bytes.clone());
    env.variables
        .iter()
        .filter(|(name, _)| !is_machines(name) && !name.is_empty())
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

fn is_machines(name: &[u8]) -> bool {
    MACHINE.iter().any(|machine| machine.as_bytes() == name)
        || MACHINE_PREFIXES.iter().any(|prefix| name.starts_with(prefix.as_bytes()))
}

/// The laptop's environment with the application's over it, and what tells the process where it is.
pub fn of_the_process(
    application: &[(OsString, OsString)],
    namespace: &str,
    target: &str,
    session: &str,
) -> Vec<(OsString, OsString)> {
    let mut all: std::collections::BTreeMap<OsString, OsString> = std::env::vars_os().collect();
    all.extend(application.iter().cloned());
    for (name, value) in
        [("DEVBRIDGE_NAMESPACE", namespace), ("DEVBRIDGE_TARGET", target), ("DEVBRIDGE_SESSION", session)]
    {
        all.insert(name.into(), value.into());
    }
    all.into_iter().collect()
}

/// Writes the application's environment to `path`, readable by its owner only: as JSON or shell by the file's
/// ending, else as dotenv.
///
/// # Errors
/// The file can't be written.
pub fn write(path: &Path, application: &[(OsString, OsString)]) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new("DB-ENV-001", Exit::Failure, format!("cannot write {}", path.display())).why(error)
    };
    let text = match path.extension().and_then(OsStr::to_str) {
        Some("json") => json(application),
        Some("sh") => lines(application, "export "),
        _ => lines(application, ""),
    };
    // Written beside and renamed: a reader sees the old file or the whole new one, and never other rights.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let written = options.open(&beside).and_then(|mut file| file.write_all(&text));
    written.and_then(|()| std::fs::rename(&beside, path)).map_err(|error| {
        let _ = std::fs::remove_file(&beside);
        failed(error)
    })
}

fn json(application: &[(OsString, OsString)]) -> Vec<u8> {
    let map: serde_json::Map<_, _> = application
        .iter()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into()))
        .collect();
    let mut text = serde_json::to_vec_pretty(&map).unwrap_or_default();
    text.push(b'\n');
    text
}

/// `NAME='value'` lines, which dotenv readers and shells agree on. Names that no shell takes are left out.
fn lines(application: &[(OsString, OsString)], prefix: &str) -> Vec<u8> {
    let mut text = Vec::new();
    for (name, value) in application {
        let bytes = name.as_bytes();
        let first = bytes.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
        if !first || !bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
            continue;
        }
        let mut line = String::new();
        // Writing to a String cannot fail.
        let _ = write!(line, "{prefix}{}=", name.to_string_lossy());
        text.extend_from_slice(line.as_bytes());
        text.push(b'\'');
        for byte in value.as_bytes() {
            match byte {
                b'\'' => text.extend_from_slice(b"'\\''"),
                byte => text.push(*byte),
            }
        }
        text.extend_from_slice(b"'\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Env {
        let variables = pairs.iter().map(|(name, value)| (name.as_bytes().into(), value.as_bytes().into()));
        Env { variables: variables.collect(), ..Env::default() }
    }

    #[test]
    fn what_belongs_to_the_machine_stays_the_laptops() {
        let env = env(&[
            ("GREETING", "hi"),
            ("PATH", "/pod"),
            ("HOME", "/"),
            ("LD_PRELOAD", "x"),
            ("STOCK_PORT", "1"),
        ]);
        let names: Vec<_> = of_the_application(&env).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["GREETING", "STOCK_PORT"]);
    }

    #[test]
    fn the_file_is_for_its_owner_and_quotes_what_shells_would_take() {
        let folder = tempfile::tempdir().unwrap();
        let application = of_the_application(&env(&[("A", "it's $HOME\nnext"), ("B-C", "no shell name")]));
        for (file, expected) in [
            ("x.env", "A='it'\\''s $HOME\nnext'\n"),
            ("x.sh", "export A='it'\\''s $HOME\nnext'\n"),
            ("x.json", "{\n  \"A\": \"it's $HOME\\nnext\",\n  \"B-C\": \"no shell name\"\n}\n"),
        ] {
            let path = folder.path().join(file);
            write(&path, &application).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "nothing else is left");
    }
}
