//! An agent that runs in this process.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use traffic_agent::{
    Grace, Listeners,
    config::{Config, Keys, Names},
    nameservers::Nameservers,
    run,
};
use tunnel::identity::{KeyPair, PublicKey};

use crate::within;

/// Long enough to see what an ending agent does, short enough to wait for.
pub(crate) const GRACE: Grace = Grace {
    accept: Duration::from_millis(500),
    quiet: Duration::from_millis(500),
    flows: Duration::from_secs(5),
};

/// An agent, and what its laptop needs to reach it.
pub(crate) struct Rig {
    /// Where callers connect; its port is the container port.
    pub(crate) callers: SocketAddr,
    pub(crate) control: SocketAddr,
    pub(crate) health: SocketAddr,
    pub(crate) laptop_keys: KeyPair,
    pub(crate) agent_key: PublicKey,
    shutdown: Option<oneshot::Sender<()>>,
    agent: JoinHandle<()>,
}

impl Rig {
    pub(crate) async fn start() -> Self {
        Self::start_with(Vec::new(), GRACE).await
    }

    /// With nameservers, originals are found by DNS: service `origin`, port name `http`, namespace `shop`.
    pub(crate) async fn start_with(nameservers: Vec<SocketAddr>, grace: Grace) -> Self {
        let listener = || async { TcpListener::bind("127.0.0.1:0").await.unwrap() };
        let (requests, control, health) = (listener().await, listener().await, listener().await);
        let addr = |listener: &TcpListener| listener.local_addr().unwrap();
        let (callers, control_addr, health_addr) = (addr(&requests), addr(&control), addr(&health));
        let laptop_keys = KeyPair::generate().unwrap();
        let agent_keys = KeyPair::generate().unwrap();
        let agent_key = agent_keys.public();
        let names = (!nameservers.is_empty()).then(|| Names {
            origin: "origin".to_owned(),
            agents: "agents".to_owned(),
            ports: vec![("http".to_owned(), callers.port())],
        });
        let config = Config {
            listen: vec![callers.port()],
            control_port: control_addr.port(),
            health_port: health_addr.port(),
            // Not loopback, where the test's originals are: an agent never dials its own pod.
            pod_ips: vec!["192.0.2.1".parse().unwrap()],
            namespace: "shop".to_owned(),
            names,
            keys: PathBuf::new(),
            run: PathBuf::from("/nonexistent"),
            code: Some(std::env::temp_dir()),
        };
        let keys = Keys { agent: agent_keys, laptop: laptop_keys.public() };
        let listeners = Listeners { requests: vec![(callers.port(), requests)], control, health };
        let nameservers = Nameservers { servers: nameservers, domain: "test".to_owned() };
        let (shutdown, asked) = oneshot::channel();
        let agent = tokio::spawn(async move {
            let asked = async { drop(asked.await) };
            run(&config, keys, nameservers, listeners, grace, asked).await.unwrap();
        });
        Self {
            callers,
            control: control_addr,
            health: health_addr,
            laptop_keys,
            agent_key,
            shutdown: Some(shutdown),
            agent,
        }
    }

    /// For an agent that runs somewhere else: what its laptop needs.
    #[allow(dead_code, reason = "for the tests of strain")]
    pub(crate) fn beside(
        callers: SocketAddr,
        control: SocketAddr,
        laptop_keys: KeyPair,
        agent_key: PublicKey,
    ) -> Self {
        let agent = tokio::spawn(std::future::pending());
        Self { callers, control, health: control, laptop_keys, agent_key, shutdown: None, agent }
    }

    /// The container port.
    pub(crate) fn port(&self) -> u16 {
        self.callers.port()
    }

    /// What SIGTERM does.
    pub(crate) fn terminate(&mut self) {
        drop(self.shutdown.take());
    }

    /// Waits until the agent has ended.
    pub(crate) async fn ended(self) {
        within("the agent's end", self.agent).await.unwrap();
    }
}
