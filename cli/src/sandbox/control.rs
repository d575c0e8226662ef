//! What the two ends of a sandbox say to each other: devbridge outside, its supervisor inside.
//!
//! One `SOCK_SEQPACKET` socket pair: a message is one JSON value and the descriptors that belong to it. Both ends are
//! the same executable, so there is no version. The plan travels in a memory file, as an environment may be larger
//! than a packet.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IoSlice, Read, Seek, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::PathBuf;

use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Plan, Step, kernel};

/// Largest message; only the list of listening ports comes near.
const MAX_MESSAGE: usize = 16 * 1024;

/// Largest plan as JSON. The kernel takes no more than 6 MiB of arguments and environment in any setup.
const MAX_PLAN: u64 = 64 * 1024 * 1024;

/// From outside to the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Order {
    /// The first message; the plan's file is attached.
    Start,
    /// Make this many unconnected sockets.
    Sockets(usize),
    /// Send this signal to the command's process group.
    Signal(i32),
    /// The same, unless that signal has come to the whole process group anyway.
    PassOn(i32),
    /// End all that runs, after this grace in milliseconds by force, and start the command anew.
    Restart(u64),
}

/// From the supervisor to the outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Report {
    /// The sandbox stands. Attached: TCP and UDP capture sockets of IPv4, then of IPv6 if it has that.
    Ready,
    /// It could not be made.
    Failed { step: Step, errno: i32 },
    /// The command runs.
    Started { pid: u32 },
    /// The command could not be executed.
    NotStarted { errno: i32 },
    /// The command has ended.
    Ended(Exit),
    /// Sockets that were asked for are attached; fewer where the system had no more.
    Sockets,
    /// TCP ports on which somebody listens inside, sorted; sent when it changes.
    Listening(Vec<u16>),
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// It returned this status.
    Code(u8),
    /// This signal ended it.
    Signal(i32),
    /// It could not be started again, for this reason of the system's (an errno).
    NotStarted(i32),
    /// Unknown: the sandbox itself was killed, and the command with it.
    Lost,
}

impl Exit {
    /// The status as a shell tells it: 128 + signal; 127 for a command that is not there, 126 for one that can't be executed.
    /// A lost sandbox counts as killed.
    pub fn code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
            Self::NotStarted(libc::ENOENT) => 127,
            Self::NotStarted(_) => 126,
            Self::Lost => 137,
        }
    }
}

/// Sends one message with descriptors.
pub(super) fn send(socket: BorrowedFd<'_>, message: &impl Serialize, fds: &[RawFd]) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    let rights = [ControlMessage::ScmRights(fds)];
    let control = if fds.is_empty() { &rights[..0] } else { &rights[..] };
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(&bytes)], control, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// Receives one message with its descriptors; `None` when the other end is gone.
pub(super) fn receive<T: DeserializeOwned>(socket: BorrowedFd<'_>) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut bytes = [0; MAX_MESSAGE];
    let (length, fds) = match kernel::receive(socket, &mut bytes) {
        // The other end died with unread messages.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
        received => received?,
    };
    if length == 0 {
        return Ok(None);
    }
    let message = serde_json::from_slice(bytes.get(..length).unwrap_or_default())?;
    Ok(Some((message, fds)))
}

/// The plan as it travels. Paths as `OsString`: serde refuses a path that is not UTF-8.
#[derive(Serialize, Deserialize)]
struct Sealed {
    command: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    cwd: OsString,
    resolv_conf: Vec<u8>,
    hosts: Vec<u8>,
}

/// Writes a plan to a memory file that exists nowhere in the file system.
pub(super) fn seal(plan: Plan) -> io::Result<OwnedFd> {
    let Plan { command, env, cwd, resolv_conf, hosts } = plan;
    let sealed = Sealed { command, env, cwd: cwd.into_os_string(), resolv_conf, hosts };
    let mut file = File::from(memfd_create("devbridge-plan", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(&serde_json::to_vec(&sealed)?)?;
    file.rewind()?;
    Ok(file.into())
}

/// Reads a plan back.
pub(super) fn unseal(file: OwnedFd) -> io::Result<Plan> {
    let mut bytes = Vec::new();
    File::from(file).take(MAX_PLAN).read_to_end(&mut bytes)?;
    let Sealed { command, env, cwd, resolv_conf, hosts } = serde_json::from_slice(&bytes)?;
    Ok(Plan { command, env, cwd: PathBuf::from(cwd), resolv_conf, hosts })
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn a_plan_survives_the_memory_file_byte_for_byte() {
        let odd = OsString::from_vec(vec![b'a', 0xff, b'\n']);
        let plan = Plan {
            command: vec!["sh".into(), odd.clone()],
            env: vec![("A".into(), odd.clone())],
            cwd: PathBuf::from(odd.clone()),
            resolv_conf: vec![0, 255],
            hosts: b"127.0.0.1 localhost\n".to_vec(),
        };
        let read = unseal(seal(plan.clone()).unwrap()).unwrap();
        assert_eq!(read, plan);
    }

    #[test]
    fn an_exit_becomes_the_status_that_a_shell_shows() {
        assert_eq!([Exit::Code(3), Exit::Signal(15), Exit::Lost].map(Exit::code), [3, 143, 137]);
        assert_eq!([libc::ENOENT, libc::EACCES].map(|why| Exit::NotStarted(why).code()), [127, 126]);
    }
}
