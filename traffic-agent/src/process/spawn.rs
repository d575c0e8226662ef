//! A start: a child of a thread of its own, which then answers for its binds.
//!
//! The kernel kills the child when the thread that forked it ends, so that nothing is left of it when the agent is killed;
//! hence a thread that lives as long as the child, and none of the runtime's, which come and go.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    io::{self, PipeReader, PipeWriter, Read as _},
    os::{
        fd::AsFd as _,
        unix::{
            ffi::{OsStrExt as _, OsStringExt as _},
            net::UnixStream,
            process::CommandExt as _,
        },
    },
    process::{Command, Stdio},
    sync::Arc,
    thread,
};

use nix::{
    libc,
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{process, runtime::Handle, sync::oneshot};
use tunnel::sync;

use super::{
    binds,
    kernel::{self, Listener, Step},
    ports::Ports,
};
use crate::config;

/// Of a thread that looks at one address at a time.
const STACK: usize = 256 << 10;

/// A process and its group. Dropping it kills both.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) process: process::Child,
    pub(super) pid: Pid,
    /// Ends the thread when it is closed; last, because the process would die with it.
    _thread: PipeWriter,
}

impl Child {
    /// Whether there is anybody to get it.
    pub(super) fn signal(&self, signal: Option<Signal>) -> bool {
        killpg(self.pid, signal).is_ok()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // The number is nobody else's, as long as there is somebody in the group, and hardly ever just afterwards.
        self.signal(Some(Signal::SIGKILL));
    }
}

/// Starts a process that may listen on `ports`. Cancel safe: it is killed then.
///
/// # Errors
/// In words for the developer.
pub(super) async fn spawn(wanted: &sync::Command, ports: Arc<Ports>, start: u64) -> Result<Child, String> {
    let (program, command) = command(wanted)?;
    let (tell, told) = oneshot::channel();
    let runtime = Handle::current();
    let thread = thread::Builder::new().name("process".to_owned()).stack_size(STACK);
    let running = move || {
        let (listener, stop) = match child(command, &program, &runtime, !ports.is_empty()) {
            Ok((child, listener, stop)) => {
                if tell.send(Ok(child)).is_err() {
                    return;
                }
                (listener, stop)
            }
            // Nobody may want to know.
            Err(why) => return drop(tell.send(Err(why))),
        };
        drop(runtime);
        live(listener.as_ref(), stop, &ports, start);
    };
    thread.spawn(running).map_err(|error| format!("no thread: {error}"))?;
    told.await.unwrap_or_else(|_| Err("its thread ended".to_owned()))
}

/// Until the child is gone, or nobody wants it any more.
fn live(listener: Option<&Listener>, mut stop: PipeReader, ports: &Ports, start: u64) {
    match listener {
        Some(listener) => binds::serve(listener, stop.as_fd(), ports, start),
        // Nothing ever comes but the end.
        None => drop(stop.read(&mut [0])),
    }
}

fn command(wanted: &sync::Command) -> Result<(String, Command), String> {
    let (program, arguments) = wanted.command.split_first().ok_or("there is no command")?;
    let mut variables: BTreeMap<OsString, OsString> =
        std::env::vars_os().filter(|(name, _)| !config::VARIABLES.iter().any(|own| name == own)).collect();
    let more = wanted.variables.iter().cloned();
    variables.extend(more.map(|(name, value)| (OsString::from_vec(name), OsString::from_vec(value))));
    let mut command = Command::new(OsStr::from_bytes(program));
    command
        .args(arguments.iter().map(|argument| OsStr::from_bytes(argument)))
        .env_clear()
        .envs(variables)
        .stdin(Stdio::null())
        .process_group(0);
    Ok((String::from_utf8_lossy(program).into_owned(), command))
}

type Started = (Child, Option<Listener>, PipeReader);

fn child(mut command: Command, program: &str, runtime: &Handle, filtered: bool) -> Result<Started, String> {
    let (stop, thread) = io::pipe().map_err(|error| format!("no pipe: {error}"))?;
    let (hear, tell) = UnixStream::pair().map_err(|error| format!("no socket: {error}"))?;
    kernel::prepare(&mut command, tell, filtered);
    let mut command = process::Command::from(command);
    let spawned = {
        let _here = runtime.enter();
        command.kill_on_drop(true).spawn()
    };
    let (step, listener) = kernel::receive(&hear).unwrap_or((None, None));
    let process = spawned.map_err(|error| refusal(program, step, &error))?;
    let pid = process.id().and_then(|pid| i32::try_from(pid).ok()).ok_or("it has no process id")?;
    let child = Child { process, pid: Pid::from_raw(pid), _thread: thread };
    if filtered && listener.is_none() {
        return Err("the agent has no descriptor left to hear of its binds".to_owned());
    }
    Ok((child, listener, stop))
}

/// What refused the start.
fn refusal(program: &str, step: Option<Step>, error: &io::Error) -> String {
    const FILTER: &str = "seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER), which shows the agent where the process listens";
    let number = error.raw_os_error();
    match step {
        // It came as far as exec.
        None | Some(Step::Done) => format!("{program}: {error}"),
        Some(Step::Signals) => format!("its signals cannot be reset: {error}"),
        Some(Step::Parent) => format!("prctl(PR_SET_PDEATHSIG) is refused: {error}"),
        Some(Step::Privileges) => format!("prctl(PR_SET_NO_NEW_PRIVS) is refused: {error}"),
        Some(Step::Hand) => format!("sendmsg(SCM_RIGHTS) is refused: {error}"),
        Some(Step::Filter) => match number {
            Some(libc::EBUSY) => {
                format!(
                    "another program of the pod, or its runtime, already listens in the place of {FILTER}: {error}"
                )
            }
            Some(libc::EINVAL) => {
                format!("the kernel of the node is older than Linux 5.0 and does not know {FILTER}: {error}")
            }
            Some(libc::ENOSYS) => {
                format!(
                    "the pod's seccomp profile, or the kernel of the node, does not have {FILTER}: {error}"
                )
            }
            _ => format!("the pod's seccomp profile forbids {FILTER}: {error}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_was_refused_and_by_whom() {
        let said = |step, number| refusal("web", step, &io::Error::from_raw_os_error(number));
        assert_eq!(said(None, libc::ENOENT), "web: No such file or directory (os error 2)");
        assert_eq!(said(Some(Step::Done), libc::EACCES), "web: Permission denied (os error 13)");
        let profile = said(Some(Step::Filter), libc::EPERM);
        assert!(profile.starts_with("the pod's seccomp profile forbids seccomp("), "{profile}");
        let kernel = said(Some(Step::Filter), libc::EINVAL);
        assert!(kernel.contains("older than Linux 5.0"), "{kernel}");
        assert!(said(Some(Step::Filter), libc::EBUSY).contains("another program"));
    }

    #[test]
    fn devbridge_s_own_variables_are_not_passed_on() {
        let wanted = sync::Command {
            command: vec![b"web".to_vec(), b"\xff".to_vec()],
            variables: vec![(b"MODE".to_vec(), b"debug".to_vec())],
            grace: 0,
            listen: 0,
        };
        let (program, command) = command(&wanted).unwrap();
        assert_eq!(program, "web");
        assert_eq!(command.get_args().collect::<Vec<_>>(), [OsStr::from_bytes(b"\xff")]);
        let variables: Vec<_> = command.get_envs().collect();
        assert!(variables.contains(&(OsStr::new("MODE"), Some(OsStr::new("debug")))));
        assert!(config::VARIABLES.iter().all(|own| variables.iter().all(|(name, _)| name != own)));
        assert!(super::command(&sync::Command { command: Vec::new(), ..wanted }).is_err());
    }
}
