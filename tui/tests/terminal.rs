//! What the dashboard leaves of a terminal, and what a terminal that goes leaves of it: tried in a real one, with this
//! program started again inside tmux.

#![allow(clippy::unwrap_used, reason = "a test's failure is a panic")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Set in the program that is to panic.
const INSIDE: &str = "DEVBRIDGE_TEST_PANICS";
/// A terminal shows what was written in milliseconds.
const SHOWN: Duration = Duration::from_secs(20);

/// A tmux of this test's own; ended when dropped.
struct Tmux<'a>(&'a Path);

impl Tmux<'_> {
    fn says(&self, args: &[&str]) -> String {
        let mut command = Command::new("tmux");
        let said = command.arg("-S").arg(self.0).args(args).stdin(Stdio::null()).output().unwrap();
        String::from_utf8_lossy(&said.stdout).into_owned()
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        self.says(&["kill-server"]);
    }
}

#[test]
fn a_panic_is_told_on_a_terminal_that_is_as_it_was() {
    if std::env::var_os(INSIDE).is_some() {
        let _terminal = devbridge_tui::Terminal::take().unwrap();
        panic!("what went wrong");
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("tmux");
    let tmux = Tmux(&socket);
    let program = std::env::current_exe().unwrap();
    let shell = format!(
        "{INSIDE}=1 '{}' --nocapture a_panic 2>&1; echo status $?; stty -a; exec cat",
        program.to_str().unwrap()
    );
    tmux.says(&["-u", "-f", "/dev/null", "new-session", "-d", "-x", "160", "-y", "50", &shell]);
    let deadline = Instant::now() + SHOWN;
    loop {
        let picture = tmux.says(&["capture-pane", "-p"]);
        if picture.contains("icanon") {
            assert!(picture.contains("what went wrong") && picture.contains("status 101"), "{picture}");
            assert!(!picture.contains("-icanon") && !picture.contains("-echo "), "{picture}");
            assert_eq!(tmux.says(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]).trim(), "0 1");
            return;
        }
        assert!(Instant::now() < deadline, "{picture}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn when_the_terminal_goes_the_dashboard_ends() {
    if std::env::var_os(INSIDE).is_some() {
        struct Nothing;
        impl devbridge_tui::Acts for Nothing {
            fn act(&mut self, _action: devbridge_tui::action::Action) -> bool {
                true
            }
            fn act_in_the_terminal(&mut self, _action: devbridge_tui::action::Action) {}
        }
        let terminal = devbridge_tui::Terminal::take().unwrap();
        let options = devbridge_tui::Options {
            look: devbridge_tui::theme::Look::default(),
            zone: jiff::tz::TimeZone::UTC,
            first: None,
            mouse: false,
        };
        let ended = devbridge_tui::run(terminal, &Default::default(), &mut Nothing, options);
        assert!(ended.is_err(), "{ended:?}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (socket, pid) = (folder.path().join("tmux"), folder.path().join("pid"));
    let tmux = Tmux(&socket);
    let program = std::env::current_exe().unwrap();
    // Nobody tells it: it is to notice.
    let shell = format!(
        "trap '' HUP; echo $$ > '{}'; {INSIDE}=1 exec '{}' --nocapture when_the_terminal_goes",
        pid.to_str().unwrap(),
        program.to_str().unwrap()
    );
    tmux.says(&["-u", "-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", &shell]);
    let deadline = Instant::now() + SHOWN;
    while !tmux.says(&["capture-pane", "-p"]).contains("no session runs") {
        assert!(Instant::now() < deadline, "{}", tmux.says(&["capture-pane", "-p"]));
        std::thread::sleep(Duration::from_millis(50));
    }
    let pid = std::fs::read_to_string(pid).unwrap();
    drop(tmux);
    let process = Path::new("/proc").join(pid.trim());
    while process.exists() {
        assert!(Instant::now() < deadline, "process {pid} goes on without a terminal");
        std::thread::sleep(Duration::from_millis(50));
    }
}
