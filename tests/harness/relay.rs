//! A link between the laptop and the API server that a test can spoil.
//!
//! Bytes of TCP connections go through, TLS untouched; from outside it is slow, narrow, cut, or silent. What a real
//! network drops, this link keeps until it is healed, as TCP's repetitions would bring it then. One thing differs:
//! kernels on both sides get their acknowledgements, so that TCP itself finds nothing wrong with a silent link. Whoever
//! wants to notice has to listen for words of the other end.

use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::laptop::give;
use crate::{Person, Process, Rights, World, user};

mod connection;
#[cfg(test)]
mod tests;

/// How connections are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Both ends see the other end's orderly end.
    Fin,
    /// Both ends see a reset.
    Rst,
}

/// Which connections go silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silent {
    /// Those that there are.
    Existing,
    /// Those that are still to come: they are accepted, and nothing follows.
    New,
    /// Both.
    All,
}

/// A link that listens on 127.0.0.1. Dropped, all its connections are closed.
pub struct Relay {
    shared: Arc<Shared>,
    port: u16,
    _task: JoinSet<()>,
}

struct Shared {
    /// `host:port` that connections go to.
    target: String,
    link: watch::Sender<Link>,
    /// When each direction, to the server and from it, has sent all it has taken.
    free: [Mutex<Instant>; 2],
    bytes: [AtomicU64; 2],
    connections: AtomicU64,
    open: AtomicU64,
    /// Connections that were cut because nothing passed.
    idle: AtomicU64,
}

/// How the link is now. Connections are numbered in the order they came.
#[derive(Debug, Clone)]
struct Link {
    delay: Duration,
    /// Bytes a second, in each direction.
    limit: Option<u64>,
    silent: Range<u64>,
    /// Connections below this number have been cut, the last of them this way.
    cut: (u64, Cut),
    refuses: bool,
    /// Connections on which nothing passes for so long are cut.
    idle: Option<Duration>,
}

impl Relay {
    /// Starts a relay in front of `target`, a `host:port`.
    pub async fn start(target: &str) -> Self {
        let listener = connection::listen(0).expect("a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let link = Link {
            delay: Duration::ZERO,
            limit: None,
            silent: 0..0,
            cut: (0, Cut::Fin),
            refuses: false,
            idle: None,
        };
        let shared = Arc::new(Shared {
            target: target.to_owned(),
            link: watch::Sender::new(link),
            free: [Mutex::new(Instant::now()), Mutex::new(Instant::now())],
            bytes: [AtomicU64::new(0), AtomicU64::new(0)],
            connections: AtomicU64::new(0),
            open: AtomicU64::new(0),
            idle: AtomicU64::new(0),
        });
        let mut task = JoinSet::new();
        task.spawn(connection::accept(listener, port, Arc::clone(&shared)));
        Self { shared, port, _task: task }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Each byte arrives so much later, in both directions: half of what it adds to a round trip.
    pub fn delay(&self, delay: Duration) {
        self.shared.link.send_modify(|link| link.delay = delay);
    }

    /// So many bytes a second pass in each direction, of all connections together.
    pub fn limit(&self, bytes: Option<u64>) {
        self.shared.link.send_modify(|link| link.limit = bytes);
    }

    /// Resets connections on which nothing passes for so long, as load balancers do.
    pub fn idle(&self, longest: Duration) {
        self.shared.link.send_modify(|link| link.idle = Some(longest));
    }

    /// How many were reset for that.
    pub fn were_idle(&self) -> u64 {
        self.shared.idle.load(Relaxed)
    }

    /// Ends all connections that there are.
    pub fn cut(&self, how: Cut) {
        self.shared.link.send_modify(|link| link.cut = (self.connections(), how));
    }

    /// Swallows everything, both ways, until [`Self::heal`].
    pub fn swallow(&self, which: Silent) {
        let next = self.connections();
        let silent = match which {
            Silent::Existing => 0..next,
            Silent::New => next..u64::MAX,
            Silent::All => 0..u64::MAX,
        };
        self.shared.link.send_modify(|link| link.silent = silent);
    }

    /// Refuses new connections, as a closed port does, until [`Self::heal`]. Those that there are stay.
    pub fn refuse(&self) {
        self.shared.link.send_modify(|link| link.refuses = true);
    }

    /// Is silent no more and refuses no more. Delay and limit stay as they are.
    pub fn heal(&self) {
        self.shared.link.send_modify(|link| {
            link.silent = 0..0;
            link.refuses = false;
        });
    }

    /// How many connections came in all.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Relaxed)
    }

    /// How many connections there are.
    pub fn open(&self) -> u64 {
        self.shared.open.load(Relaxed)
    }

    /// Bytes that reached the server.
    pub fn to_server(&self) -> u64 {
        self.shared.bytes[0].load(Relaxed)
    }

    /// Bytes that reached the laptop.
    pub fn to_laptop(&self) -> u64 {
        self.shared.bytes[1].load(Relaxed)
    }
}

impl World {
    /// A link to the API server that this test can spoil.
    pub async fn relay(&self) -> Relay {
        let server = self.cluster().server()["server"].as_str().unwrap_or_default();
        let server: http::Uri = server.parse().expect("a server has an address");
        let host = server.host().expect("a server has an address").trim_matches(['[', ']']);
        let port = server.port_u16().unwrap_or(443);
        Relay::start(&format!("{host}:{port}")).await
    }

    /// The same as [`Self::devbridge`], over a link of its own to the API server.
    pub fn devbridge_through(&self, relay: &Relay, args: &[&str]) -> Process {
        let path = self.kubeconfig_through(relay);
        let kubeconfig = path.to_str().expect("a path that we made");
        self.start_with("devbridge", args, Rights::Edit, Person::Unprivileged, &[("KUBECONFIG", kubeconfig)])
    }

    /// The path of a kubeconfig that leads over this link.
    pub(crate) fn kubeconfig_through(&self, relay: &Relay) -> PathBuf {
        let kubeconfig = std::fs::read(self.path("kubeconfig-edit")).expect("the user was made");
        let kubeconfig = serde_json::from_slice(&kubeconfig).expect("a kubeconfig as we write it");
        let path = self.path(&format!("kubeconfig-{}", relay.port()));
        std::fs::write(&path, user::through(kubeconfig, relay.port()).to_string())
            .expect("kubeconfig is written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("own file");
        give(&path);
        path
    }
}
