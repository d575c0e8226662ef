//! One start of the agent: a child with the sockets, its arguments and its environment.

use core::ffi::CStr;
use core::fmt;

use rustix::io::{Errno, read, retry_on_intr, write};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitOptions, getpid, getppid, set_parent_process_death_signal, waitpid};

use crate::NOT_EXECUTABLE;
use crate::errno;
use crate::kernel::{self, Signals};
use crate::program::{Program, UnpackError};
use crate::report::report;
use crate::start::{Start, StringList};

/// Everything that a start needs; the same for each.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    program: Program,
    parts: &'a CStr,
    args: StringList<'a>,
    environment: StringList<'a>,
    signals: Signals,
}

impl<'a> Launch<'a> {
    /// The agent gets `listen` (`NAME=value`) beside the environment of this process, the arguments
    /// behind `--`, and `signals` as its blocked ones.
    ///
    /// # Errors
    ///
    /// No memory.
    pub(crate) fn new(
        start: &Start,
        listen: &'a CStr,
        program: Program,
        parts: &'a CStr,
        signals: Signals,
    ) -> Result<Self, Errno> {
        let is_listen = |entry: &&CStr| entry.to_bytes().starts_with(b"DEVBRIDGE_LISTEN=");
        let environment =
            start.environment().filter(|entry| !is_listen(entry)).map(|entry| -> &'a CStr { entry });
        let args = start.args().skip_while(|arg| *arg != c"--").skip(1);
        Ok(Self {
            program,
            parts,
            args: StringList::new([c"traffic-agent"].into_iter().chain(args))?,
            environment: StringList::new(environment.chain([listen]))?,
            signals,
        })
    }

    /// Starts the agent. Where its file cannot be executed, it is unpacked into memory for good.
    ///
    /// # Errors
    ///
    /// No child, or neither file is executed.
    pub(crate) fn start(&mut self) -> Result<Pid, LaunchError> {
        match self.start_as_is() {
            Err(LaunchError::Execute(error)) if matches!(self.program, Program::File(_)) => {
                report(format_args!("cannot execute the agent's file: {}; using memory", errno::Text(error)));
                self.program = Program::in_memory(self.parts).map_err(LaunchError::Unpack)?;
                self.start_as_is()
            }
            started => started,
        }
    }

    fn start_as_is(&self) -> Result<Pid, LaunchError> {
        // Closed by a successful exec; carries the error of one that failed.
        let (failure_rx, failure_tx) = pipe_with(PipeFlags::CLOEXEC).map_err(LaunchError::Fork)?;
        let parent = getpid();
        let pid = kernel::fork(self.signals, || {
            // An agent without this process would be one without restarts and without an end.
            let _ = set_parent_process_death_signal(Some(Signal::KILL));
            if getppid() != Some(parent) {
                return NOT_EXECUTABLE;
            }
            let (directory, path) = self.program.place();
            let error = kernel::execute(directory, path, &self.args, &self.environment);
            let _ = write(&failure_tx, &error.raw_os_error().to_ne_bytes());
            NOT_EXECUTABLE
        })
        .map_err(LaunchError::Fork)?;
        drop(failure_tx);

        let mut failure = [0; size_of::<i32>()];
        match retry_on_intr(|| read(&failure_rx, &mut failure)) {
            Ok(0) | Err(_) => Ok(pid),
            Ok(_) => {
                let _ = waitpid(Some(pid), WaitOptions::empty());
                Err(LaunchError::Execute(Errno::from_raw_os_error(i32::from_ne_bytes(failure))))
            }
        }
    }
}

/// The agent was not started.
#[derive(Debug)]
pub(crate) enum LaunchError {
    /// No child, no pipe.
    Fork(Errno),
    /// Its file is not executed.
    Execute(Errno),
    /// It cannot be unpacked a second time.
    Unpack(UnpackError),
}

impl fmt::Display for LaunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fork(error) => write!(f, "cannot start the agent: {}", errno::Text(*error)),
            Self::Execute(Errno::NOEXEC) => write!(
                f,
                "cannot execute the agent: {}; it was built for another CPU architecture",
                errno::Text(Errno::NOEXEC)
            ),
            Self::Execute(error) => write!(f, "cannot execute the agent: {}", errno::Text(*error)),
            Self::Unpack(error) => write!(f, "cannot unpack the agent: {error}"),
        }
    }
}
