//! The agent's program: from its parts to something that the kernel executes.
//!
//! A file in the writable volume comes first. Where policy forbids to write or to execute there, it is
//! a file in memory; other policies dislike that one, so it comes second.

use core::ffi::CStr;
use core::fmt::{self, Write as _};

use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, MemfdFlags, Mode, OFlags, fchmod, memfd_create, openat, renameat, unlinkat};
use rustix::io::{Errno, read, retry_on_intr, write};

use crate::errno;
use crate::gzip::{self, Corruption, Ends};
use crate::report::{Line, report};

const NAME: &CStr = c"traffic-agent";
const UNFINISHED: &CStr = c"traffic-agent.tmp";

/// The unpacked agent, ready to be executed.
#[derive(Debug)]
pub(crate) enum Program {
    /// `traffic-agent` in this directory.
    File(OwnedFd),
    /// A file that has no name.
    Memory(OwnedFd),
}

impl Program {
    /// Unpacks the parts into `run`, or into memory where it cannot be written.
    ///
    /// # Errors
    ///
    /// The parts are no program, or neither place takes it.
    pub(crate) fn unpack(parts: &CStr, run: &CStr) -> Result<Self, UnpackError> {
        let file = openat(CWD, run, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(UnpackError::Write)
            .and_then(|directory| unpack_file(parts, directory.as_fd()).map(|()| directory));
        match file {
            Ok(directory) => Ok(Self::File(directory)),
            Err(UnpackError::Write(error)) => {
                report(format_args!("cannot write to {run:?}: {}; using memory", errno::Text(error)));
                Self::in_memory(parts)
            }
            Err(error) => Err(error),
        }
    }

    /// Unpacks the parts into memory.
    ///
    /// # Errors
    ///
    /// As [`unpack`](Self::unpack).
    pub(crate) fn in_memory(parts: &CStr) -> Result<Self, UnpackError> {
        let flags = MemfdFlags::CLOEXEC;
        // Before Linux 6.3 the flag is unknown, and all such files can be executed.
        let memory = memfd_create(NAME, flags | MemfdFlags::EXEC)
            .or_else(|_| memfd_create(NAME, flags))
            .map_err(UnpackError::Write)?;
        unpack_to(parts, memory.as_fd())?;
        Ok(Self::Memory(memory))
    }

    /// What `execveat` takes: a directory and a name in it, or the file itself and no name.
    pub(crate) fn place(&self) -> (BorrowedFd<'_>, &'static CStr) {
        match self {
            Self::File(directory) => (directory.as_fd(), NAME),
            Self::Memory(file) => (file.as_fd(), c""),
        }
    }
}

/// Writes a new file and gives it its name when it is complete.
fn unpack_file(parts: &CStr, directory: BorrowedFd<'_>) -> Result<(), UnpackError> {
    // Left by a container that was killed here before.
    let _ = unlinkat(directory, UNFINISHED, AtFlags::empty());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = openat(directory, UNFINISHED, flags, Mode::RWXU).map_err(UnpackError::Write)?;
    let unpacked = unpack_to(parts, file.as_fd()).and_then(|()| {
        let mode = Mode::RWXU | Mode::RGRP | Mode::XGRP | Mode::ROTH | Mode::XOTH;
        fchmod(&file, mode).map_err(UnpackError::Write)?;
        renameat(directory, UNFINISHED, directory, NAME).map_err(UnpackError::Write)
    });
    if unpacked.is_err() {
        let _ = unlinkat(directory, UNFINISHED, AtFlags::empty());
    }
    unpacked
}

fn unpack_to(parts: &CStr, to: BorrowedFd<'_>) -> Result<(), UnpackError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(CWD, parts, flags, Mode::empty()).map_err(UnpackError::Parts)?;
    let mut ends = PartsToFile { parts: Parts { directory, number: 0, open: None }, to };
    gzip::unpack(&mut ends)
}

struct PartsToFile<'a> {
    parts: Parts,
    to: BorrowedFd<'a>,
}

impl Ends for PartsToFile<'_> {
    type Error = UnpackError;

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, UnpackError> {
        self.parts.read(buffer).map_err(UnpackError::Parts)
    }

    fn write(&mut self, mut bytes: &[u8]) -> Result<(), UnpackError> {
        while !bytes.is_empty() {
            let written = retry_on_intr(|| write(self.to, bytes)).map_err(UnpackError::Write)?;
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }
}

/// The files `part-00`, `part-01`, … as one stream.
struct Parts {
    directory: OwnedFd,
    number: u32,
    open: Option<OwnedFd>,
}

impl Parts {
    /// 0 behind the last part.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Errno> {
        loop {
            if let Some(part) = &self.open {
                match retry_on_intr(|| read(part, &mut *buffer))? {
                    0 => self.open = None,
                    count => return Ok(count),
                }
            }
            match self.next() {
                Ok(part) => self.open = Some(part),
                Err(Errno::NOENT) if self.number > 0 => return Ok(0),
                Err(error) => return Err(error),
            }
            self.number += 1;
        }
    }

    fn next(&self) -> Result<OwnedFd, Errno> {
        let mut name = Line::<32>::new();
        // A number is ten digits at most, so it always fits.
        let _ = write!(name, "part-{:02}\0", self.number);
        openat(&self.directory, name.as_c_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
    }
}

/// The agent cannot be unpacked.
#[derive(Debug)]
pub(crate) enum UnpackError {
    /// The parts cannot be read.
    Parts(Errno),
    /// The parts are not what was packed.
    Corrupt(Corruption),
    /// The program cannot be written.
    Write(Errno),
}

impl From<Corruption> for UnpackError {
    fn from(corruption: Corruption) -> Self {
        Self::Corrupt(corruption)
    }
}

impl fmt::Display for UnpackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parts(error) => write!(f, "the parts cannot be read: {}", errno::Text(*error)),
            Self::Corrupt(corruption) => corruption.fmt(f),
            Self::Write(error) => write!(f, "it cannot be written: {}", errno::Text(*error)),
        }
    }
}
