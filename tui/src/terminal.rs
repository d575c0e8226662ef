//! The terminal, while it is the dashboard's: raw, on its other screen. Given back when dropped, and before a panic is told.

use std::io::{self, Stdout, Write};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use std::time::Duration;

use crossterm::cursor::{Hide, Show};
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

/// The terminal as it is drawn on.
pub(crate) type Drawn = Terminal<CrosstermBackend<Stdout>>;

/// While it lives, the terminal is the dashboard's.
#[derive(Debug)]
pub(crate) struct Held {
    mouse: bool,
}

impl Held {
    /// Takes the terminal.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn take() -> io::Result<Self> {
        enable_raw_mode()?;
        IS_HELD.store(true, Relaxed);
        let held = Self { mouse: false };
        execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, Hide)?;
        Ok(held)
    }

    /// Takes the mouse, or gives it back.
    pub(crate) fn mouse(&mut self, wanted: bool) -> io::Result<()> {
        if wanted != self.mouse {
            self.mouse = wanted;
            return if wanted {
                execute!(io::stdout(), EnableMouseCapture)
            } else {
                execute!(io::stdout(), DisableMouseCapture)
            };
        }
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        give_back();
    }
}

/// A process has one terminal.
static IS_HELD: AtomicBool = AtomicBool::new(false);

/// Once: doing it again would put the cursor where it was before, over what was written since.
fn give_back() {
    if !IS_HELD.swap(false, Relaxed) {
        return;
    }
    // Fails only when the terminal is gone.
    let _ = execute!(io::stdout(), DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}

/// While it lives, a panic gives the terminal back before it is told, so that it can be read.
pub(crate) struct OnPanic;

impl OnPanic {
    pub(crate) fn begin() -> Self {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            before(panic);
        }));
        Self
    }
}

impl Drop for OnPanic {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // Ours and the one before are dropped; the usual one takes their place.
            drop(std::panic::take_hook());
        }
    }
}

/// Waits for something from the terminal.
///
/// # Errors
/// It is gone. Asked then, the library would read its end for ever.
pub(crate) fn wait(longest: Duration) -> io::Result<bool> {
    let stdin = io::stdin();
    let mut fds = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(longest).unwrap_or(PollTimeout::ZERO);
    match poll(&mut fds, timeout) {
        // A signal: of another size, perhaps.
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
    if fds.iter().filter_map(PollFd::revents).any(|happened| happened.intersects(gone)) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    crossterm::event::poll(Duration::ZERO)
}

/// Puts a text into the terminal's clipboard (OSC 52, XTerm Control Sequences), where it lets programs do that. Returns at once.
pub(crate) fn clipboard(text: &str) -> io::Result<()> {
    use crossterm::clipboard::CopyToClipboard;
    let mut stdout = io::stdout();
    execute!(stdout, CopyToClipboard::to_clipboard_from(text))?;
    stdout.flush()
}
