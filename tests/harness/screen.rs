//! A terminal in which a user has started a command: keys go in, the picture comes out. It is tmux, of this test alone.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::laptop::give;
use crate::{Person, Relay, World, deadline};

/// Columns and rows.
const SIZE: (u16, u16) = (120, 36);

/// A terminal. Dropped, all that runs in it is killed.
pub struct Screen {
    socket: PathBuf,
}

impl World {
    /// A terminal in which `devbridge` was started by an unprivileged user, over a link of its own if `relay` is one. What it
    /// says when it has ended stays, with its exit status: `exit 0`.
    pub fn screen(&self, args: &[&str], relay: Option<&Relay>) -> Screen {
        let kubeconfig = match relay {
            Some(relay) => self.kubeconfig_through(relay),
            None => self.path("kubeconfig-edit"),
        };
        let folder =
            tempfile::Builder::new().prefix("tmux-").tempdir_in(self.folder()).expect("a folder").keep();
        give(&folder);
        let screen = Screen { socket: folder.join("tmux") };
        let devbridge = self.program("devbridge");
        let words: Vec<_> = std::iter::once(devbridge.to_str().expect("a path that we made"))
            .chain(args.iter().copied())
            .map(|word| format!("'{}'", word.replace('\'', r"'\''")))
            .collect();
        let (columns, rows) = (SIZE.0.to_string(), SIZE.1.to_string());
        // Ctrl-C is for the command alone.
        let shell = format!("trap : INT; {}; echo \"exit $?\"; exec cat", words.join(" "));
        let new = ["new-session", "-d", "-x", &columns, "-y", &rows, &shell];
        let mut command = screen.command(&[&["-u", "-f", "/dev/null"], &new[..]].concat());
        self.on_the_laptop(&mut command, Person::Unprivileged);
        command
            .env("SHELL", "/bin/sh")
            .env("KUBECONFIG", kubeconfig)
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "xterm-256color");
        screen.runs(&mut command);
        // Programs may use the clipboard, and all rows are theirs.
        for option in [["-s", "set-clipboard", "on"], ["-g", "status", "off"]] {
            screen.tmux(&[&["set-option"], &option[..]].concat());
        }
        screen
    }
}

impl Screen {
    /// Presses keys, by tmux's names: `Enter`, `Escape`, `C-c`, `j`.
    pub fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Types a text.
    pub fn text(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
    }

    /// The picture.
    pub fn picture(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// What a program has put into the clipboard.
    pub fn clipboard(&self) -> String {
        self.tmux(&["show-buffer"])
    }

    /// Another size.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// The process ids of what was started in it, and of what that started.
    pub fn pid(&self) -> i32 {
        let pid = self.tmux(&["display-message", "-p", "#{pane_pid}"]);
        pid.trim().parse().expect("a pane has a process")
    }

    /// Waits for a picture with all of these in it; gives it.
    pub async fn sees(&self, texts: &[&str], within: Duration) -> String {
        self.shows(&format!("{texts:?}"), within, |picture| texts.iter().all(|text| picture.contains(text)))
            .await
    }

    /// Waits for a picture with none of these in it; gives it.
    pub async fn sees_no_more(&self, texts: &[&str], within: Duration) -> String {
        self.shows(&format!("no {texts:?}"), within, |picture| {
            !texts.iter().any(|text| picture.contains(text))
        })
        .await
    }

    /// Waits for a picture that is right.
    pub async fn shows(&self, what: &str, within: Duration, right: impl Fn(&str) -> bool) -> String {
        deadline::eventually(within, what, || async {
            let picture = self.picture();
            if right(&picture) { Ok(picture) } else { Err(format!("\n{picture}")) }
        })
        .await
    }

    fn tmux(&self, args: &[&str]) -> String {
        self.runs(&mut self.command(args))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(&self.socket).args(args).stdin(Stdio::null());
        command
    }

    fn runs(&self, command: &mut Command) -> String {
        let ended = command.output().expect("tmux is installed");
        assert!(ended.status.success(), "{command:?}: {ended:?}");
        String::from_utf8_lossy(&ended.stdout).into_owned()
    }

    /// Where it is, for what is told.
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let picture = self.command(&["capture-pane", "-p"]).output();
            eprintln!(
                "{}",
                picture.map(|shown| String::from_utf8_lossy(&shown.stdout).into_owned()).unwrap_or_default()
            );
        }
        // Gone already is fine.
        let _ = self.command(&["kill-server"]).output();
    }
}
