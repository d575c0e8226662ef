//! Why a sandbox could not be made, and what the user can do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use nix::libc;
use serde::{Deserialize, Serialize};

/// A sandbox, or the command in it, could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// This program could not run itself a second time, or not talk to it.
    #[error("cannot start the sandbox's supervisor")]
    Supervisor(#[source] io::Error),
    /// The system does not allow one of the steps.
    #[error("the system does not let the sandbox {step}")]
    Refused {
        /// What was being done.
        step: Step,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The command does not exist or cannot be executed.
    #[error("cannot run `{program}`")]
    Command {
        /// As the user wrote it.
        program: String,
        /// Not found, no permission, or no format that the kernel knows.
        #[source]
        source: io::Error,
    },
    /// The working directory does not exist.
    #[error("`{}` is not a directory", .0.display())]
    Directory(PathBuf),
    /// A connection made inside did not come out.
    #[error("a connection from the sandbox was not captured")]
    NotCaptured(#[source] io::Error),
}

impl SandboxError {
    /// The status with which a shell would end: 127 for a command that is not there, 126 for one that cannot be
    /// executed; `None` where it is not the command's fault.
    pub fn exit_code(&self) -> Option<u8> {
        match self {
            Self::Command { source, .. } if source.kind() == io::ErrorKind::NotFound => Some(127),
            Self::Command { .. } => Some(126),
            _ => None,
        }
    }

    /// What to do, as far as it can be told from this machine's settings. Reads files of /proc.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { step, source } => Some(hint(*step, source, &Host::read())),
            // "Not found" though it is there is the kernel's way to say that what runs it is not.
            Self::Command { program, source }
                if source.kind() == io::ErrorKind::NotFound
                    && program.contains('/')
                    && Path::new(program).exists() =>
            {
                Some(format!(
                    "`{program}` exists, but the interpreter in its first line, or its loader, does not"
                ))
            }
            _ => None,
        }
    }
}

/// A step in the making of a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Step {
    /// `unshare` of the user namespace.
    UserNamespace,
    /// The own user and group in it.
    Identity,
    /// `unshare` of the network and mount namespaces.
    Namespaces,
    /// Device, addresses, routes.
    Network,
    /// nftables.
    Redirect,
    /// Capture sockets.
    Sockets,
    /// Bind mounts.
    Files,
    /// Signals, capabilities, process attributes.
    Supervisor,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UserNamespace => "make a user namespace",
            Self::Identity => "map the user into its namespace",
            Self::Namespaces => "make network and mount namespaces",
            Self::Network => "set up its network",
            Self::Redirect => "load nftables rules in its network",
            Self::Sockets => "open its capture sockets",
            Self::Files => "bind resolv.conf, hosts and nsswitch.conf",
            Self::Supervisor => "prepare its supervisor",
        })
    }
}

/// Settings that decide about user namespaces.
#[derive(Debug, Clone, Default)]
struct Host {
    /// Path of this program.
    program: String,
    /// Ubuntu: AppArmor takes the capabilities away in namespaces of unprivileged users.
    apparmor: bool,
    /// `user.max_user_namespaces` is 0.
    none_allowed: bool,
    /// Debian: `kernel.unprivileged_userns_clone` is 0.
    privileged_only: bool,
    /// In a container.
    container: bool,
}

impl Host {
    fn read() -> Self {
        let is =
            |path: &str, value: &str| std::fs::read_to_string(path).is_ok_and(|text| text.trim() == value);
        let program = std::env::current_exe().unwrap_or_default();
        Self {
            program: program.display().to_string(),
            apparmor: is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
            none_allowed: is("/proc/sys/user/max_user_namespaces", "0"),
            privileged_only: is("/proc/sys/kernel/unprivileged_userns_clone", "0"),
            container: ["/.dockerenv", "/run/.containerenv"].iter().any(|path| Path::new(path).exists())
                || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some(),
        }
    }
}

fn hint(step: Step, error: &io::Error, host: &Host) -> String {
    let refused = matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES));
    match step {
        Step::UserNamespace | Step::Identity | Step::Namespaces if host.none_allowed => {
            "allow user namespaces: sudo sysctl -w user.max_user_namespaces=15000".to_owned()
        }
        Step::UserNamespace if host.privileged_only => {
            "allow user namespaces: sudo sysctl -w kernel.unprivileged_userns_clone=1".to_owned()
        }
        Step::UserNamespace | Step::Namespaces if error.raw_os_error() == Some(libc::ENOSPC) => {
            "the limit of namespaces is reached: raise user.max_user_namespaces, user.max_net_namespaces and \
             user.max_mnt_namespaces with sysctl"
                .to_owned()
        }
        Step::Redirect if !refused => {
            "the kernel lacks nftables: sudo modprobe -a nf_tables nft_chain_nat nft_redir nft_reject_ipv4 \
             nft_reject_ipv6"
                .to_owned()
        }
        _ if host.apparmor => apparmor(&host.program),
        _ if host.container => "this container does not allow it: start it with --security-opt seccomp=unconfined \
             --security-opt apparmor=unconfined, or leave `-- CMD` out"
            .to_owned(),
        _ => "a security policy of this machine (SELinux, AppArmor, seccomp) does not allow it; leave `-- CMD` out: \
             requests and environment (--env-out) work without capturing connections"
            .to_owned(),
    }
}

/// Ubuntu 23.10 and later: the profile is the lasting way, the sysctl the quick one.
fn apparmor(program: &str) -> String {
    format!(
        "AppArmor does not allow it to unprivileged users. Allow it to devbridge:\n\
         sudo tee /etc/apparmor.d/devbridge <<'END'\n\
         abi <abi/4.0>,\n\
         profile devbridge \"{program}\" flags=(unconfined) {{\n  userns,\n}}\n\
         END\n\
         sudo apparmor_parser -r /etc/apparmor.d/devbridge\n\
         or to all programs: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: i32) -> io::Error {
        io::Error::from_raw_os_error(code)
    }

    #[test]
    fn apparmor_is_answered_with_a_profile_for_the_installed_path() {
        let host = Host { apparmor: true, program: "/opt/bin/devbridge".into(), ..Host::default() };
        let hint = hint(Step::Identity, &refused(libc::EACCES), &host);
        assert!(hint.contains("\"/opt/bin/devbridge\" flags=(unconfined) {\n  userns,\n}"), "{hint}");
        assert!(hint.contains("kernel.apparmor_restrict_unprivileged_userns=0"));
    }

    #[test]
    fn a_limit_of_zero_is_answered_with_its_sysctl_even_beside_apparmor() {
        let host = Host { none_allowed: true, apparmor: true, ..Host::default() };
        assert!(
            hint(Step::UserNamespace, &refused(libc::ENOSPC), &host).contains("max_user_namespaces=15000")
        );
    }

    #[test]
    fn a_kernel_without_nftables_is_answered_with_its_modules() {
        assert!(hint(Step::Redirect, &refused(libc::ENOENT), &Host::default()).contains("modprobe"));
    }

    #[test]
    fn a_script_without_its_interpreter_is_told_from_a_missing_one() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = |program: String| SandboxError::Command { program, source: refused(libc::ENOENT) };
        assert!(error(file.path().display().to_string()).hint().unwrap().contains("interpreter"));
        assert_eq!(error("/no/such/program".into()).hint(), None);
    }

    #[test]
    fn a_missing_command_is_127_and_one_that_cannot_run_126() {
        let error = |code| SandboxError::Command { program: "x".into(), source: refused(code) };
        assert_eq!(error(libc::ENOENT).exit_code(), Some(127));
        assert_eq!(error(libc::EACCES).exit_code(), Some(126));
        assert_eq!(error(libc::ENOEXEC).exit_code(), Some(126));
    }
}
