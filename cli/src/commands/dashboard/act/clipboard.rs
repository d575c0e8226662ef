//! The desktop's clipboard. The screen has put the text into the terminal's already, which most terminals hand on, but not all.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time;

/// A program that does not take the text in this time is left alone.
const TAKES: Duration = Duration::from_secs(2);

/// What sets a clipboard, and the variable that says whether there is one.
const PROGRAMS: [(&str, &str, &[&str]); 3] = [
    ("WAYLAND_DISPLAY", "wl-copy", &[]),
    ("DISPLAY", "xclip", &["-selection", "clipboard"]),
    ("DISPLAY", "xsel", &["--clipboard", "--input"]),
];

/// Puts a text there with the first program that takes it. Without one nothing is done, as everything of it is on the screen.
pub(super) async fn put(text: String) {
    for (variable, program, arguments) in PROGRAMS {
        if std::env::var_os(variable).is_none_or(|value| value.is_empty()) {
            continue;
        }
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(mut child) = command.kill_on_drop(true).spawn() else { continue };
        let giving = async {
            let mut stdin = child.stdin.take()?;
            stdin.write_all(text.as_bytes()).await.ok()?;
            drop(stdin);
            // It leaves a process of its own behind that holds the text, and ends.
            child.wait().await.ok()
        };
        if matches!(time::timeout(TAKES, giving).await, Ok(Some(status)) if status.success()) {
            return;
        }
    }
}
