//! The laptop of a world: its user, and what is started there.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::user::{self, Rights};
use crate::{Process, World, deadline};

/// The laptop's user while the tests run as root: nobody special.
const NOBODY: u32 = 65534;

/// Who sits at the laptop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Person {
    /// A user without any rights on the machine.
    Unprivileged,
    /// root, where the tests run as root.
    Root,
}

impl World {
    /// Makes a user of the cluster; gives the path of its kubeconfig on the laptop.
    pub async fn user(&self, rights: Rights) -> PathBuf {
        let path = self.path(&format!("kubeconfig-{rights:?}").to_lowercase());
        if !path.exists() {
            let made = user::kubeconfig(self.api(), self.namespace(), self.cluster().server(), rights).await;
            let kubeconfig = made.unwrap_or_else(|error| panic!("user: {error}"));
            std::fs::write(&path, kubeconfig.to_string()).expect("kubeconfig is written");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("own file");
            give(&path);
        }
        path
    }

    /// `devbridge` on the laptop, by an unprivileged user who has `edit` in the namespace.
    pub fn devbridge(&self, args: &[&str]) -> Process {
        self.start("devbridge", args, Rights::Edit, Person::Unprivileged)
    }

    /// A session of Service `web` and a process that answers as `laptop`, from the moment that nobody else does.
    pub async fn swapped(&self) -> Process {
        let mut session = self.devbridge(&["intercept", "web", "--", "tool", "serve", "--name", "laptop"]);
        session.line("ready:", deadline::ATTACH).await;
        self.laptop_answers("http://web/").await;
        session
    }

    /// Waits until the record of the session of `web` is renewed once more.
    pub async fn is_renewed(&self, within: Duration) {
        let renewed = async || {
            let lease = self.get("coordination.k8s.io/v1", "leases/devbridge-web").await;
            lease.map(|lease| lease["spec"]["renewTime"].to_string()).map_err(|error| error.to_string())
        };
        let before = renewed().await.unwrap_or_else(|error| panic!("{error}"));
        deadline::eventually(within, "the record is renewed", || async {
            let now = renewed().await?;
            if now == before { Err(now) } else { Ok(()) }
        })
        .await;
    }

    /// A program on the laptop. The user of the cluster must have been made.
    pub fn start(&self, program: &str, args: &[&str], rights: Rights, person: Person) -> Process {
        self.start_with(program, args, rights, person, &[])
    }

    /// The same with more environment.
    pub fn start_with(
        &self,
        program: &str,
        args: &[&str],
        rights: Rights,
        person: Person,
        environment: &[(&str, &str)],
    ) -> Process {
        let path = self.program(program);
        let mut command = Command::new(if path.exists() { path } else { PathBuf::from(program) });
        self.on_the_laptop(&mut command, person);
        command
            .args(args)
            .env("KUBECONFIG", self.path(&format!("kubeconfig-{rights:?}").to_lowercase()))
            .envs(environment.iter().copied());
        Process::start(command.into(), format!("{program} {}", args.join(" ")))
    }

    /// Has a command run as this person does, with no more environment than every program of the laptop has.
    pub(crate) fn on_the_laptop(&self, command: &mut Command, person: Person) {
        let programs = self.cluster().programs();
        command
            .current_dir(self.folder())
            .env_clear()
            .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", programs.display()))
            .env("HOME", self.folder())
            .env("XDG_RUNTIME_DIR", self.path("run"))
            // Of a devbridge that was built without its agent.
            .envs(std::env::var_os("DEVBRIDGE_BUNDLE").map(|folder| ("DEVBRIDGE_BUNDLE", folder)));
        if person == Person::Unprivileged && nix::unistd::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
    }

    /// Waits until no process of this laptop runs any more, whoever started it.
    pub async fn nothing_runs(&self) {
        let home = format!("HOME={}", self.folder().display()).into_bytes();
        deadline::eventually(deadline::LOOK, "no process is left on the laptop", || async {
            let running = running_with(&home);
            if running.is_empty() { Ok(()) } else { Err(format!("{running:?}")) }
        })
        .await;
    }

    /// Runs `devbridge` to its end; gives the exit code and what it said.
    pub async fn devbridge_ends(&self, args: &[&str]) -> (i32, Process) {
        let mut process = self.devbridge(args);
        let code = process.exit(deadline::ATTACH).await;
        (code, process)
    }
}

/// A port of the laptop that nothing listens on.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// Makes the laptop's user the owner.
pub(crate) fn give(path: &Path) {
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).expect("root may give files away");
    }
}

/// The command lines of processes that were started with a variable.
fn running_with(variable: &[u8]) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").expect("/proc is there").flatten();
    let of_laptop = processes.filter(|process| {
        let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == variable)
    });
    of_laptop
        .map(|process| std::fs::read(process.path().join("cmdline")).unwrap_or_default())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .collect()
}
