//! A terminal for the command whose other end is here: what the command writes is read instead of shown.
//!
//! A terminal and not pipes: interpreters gather whole blocks before they write into a pipe, many programs leave colours out,
//! and some end when their input ends, which nobody types into here never does. It is nobody's controlling terminal: Ctrl-C and
//! `/dev/tty` are the user's own terminal's, as without it.

use std::io;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::Mode;
use rustix::termios::{OptionalActions, OutputModes, Winsize, tcgetattr, tcsetattr, tcsetwinsize};
use tokio::net::unix::pipe;

/// Programs that draw tables or bars ask for it.
const SIZE: Winsize = Winsize { ws_col: 200, ws_row: 50, ws_xpixel: 0, ws_ypixel: 0 };

/// The end from which the command's output is read. Once it is dropped, writing fails for what is left inside.
///
/// For the runtime it is a pipe: a descriptor to wait for and to read from.
#[derive(Debug)]
pub struct Terminal(pipe::Receiver);

impl Terminal {
    /// A new one, and the end for the command. Must be called in a tokio runtime.
    pub(super) fn open() -> io::Result<(Self, OwnedFd)> {
        // Not kept by other programs that are started meanwhile.
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let here = posix_openpt(flags | OFlag::O_NONBLOCK)?;
        grantpt(&here)?;
        unlockpt(&here)?;
        let there = open(ptsname_r(&here)?.as_str(), flags, Mode::empty())?;
        tcsetwinsize(&there, SIZE)?;
        let mut modes = tcgetattr(&there)?;
        // A line ends as the program ends it; the terminal that shows it puts it right.
        modes.output_modes -= OutputModes::ONLCR;
        tcsetattr(&there, OptionalActions::Now, &modes)?;
        Ok((Self(pipe::Receiver::from_owned_fd_unchecked(here.into())?), there))
    }

    /// Waits for more of what is written; 0: nobody has the other end any more. Cancel safe.
    ///
    /// # Errors
    /// The system's.
    pub async fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            self.0.readable().await?;
            return match self.0.try_read(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                // So says Linux when the last one has closed it.
                Err(error) if error.raw_os_error() == Some(Errno::EIO as i32) => Ok(0),
                read => read,
            };
        }
    }
}
