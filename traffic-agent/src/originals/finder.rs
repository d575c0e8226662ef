//! Finding originals by DNS, for the time without a laptop.
//!
//! SRV of the headless origin Service carries the address and the port of every ready original, per-pod ports
//! included. The addresses of all agents come from a second headless Service and are taken out: an agent
//! carries the target's labels, so it is among the "originals", and two agents must never forward to each other.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use futures::{StreamExt as _, stream};
use hickory_resolver::{
    Resolver, TokioResolver,
    config::{LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::{RData, RecordType},
};

use crate::{config::Names, nameservers::Nameservers};

/// How long one nameserver may take.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How often it is asked.
const ATTEMPTS: usize = 2;
/// Most originals of one port.
pub(super) const PORT_LIMIT: usize = 1024;
/// Names resolved at a time.
const CONCURRENT: usize = 8;

/// Asks the cluster's DNS for originals.
pub(crate) struct Finder {
    resolver: TokioResolver,
    /// SRV name and container port.
    ports: Vec<(String, u16)>,
    agents: String,
}

/// What the cluster's DNS knows at one moment.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Originals of each container port whose name could be resolved; agents are still among them.
    pub(crate) originals: HashMap<u16, Vec<SocketAddr>>,
    /// Addresses of all agents.
    pub(crate) agents: HashSet<IpAddr>,
}

impl Finder {
    /// Names are fully qualified here, so that each is one question, whatever the pod's search list is.
    ///
    /// # Errors
    /// When the resolver can't be made (no nameserver).
    pub(crate) fn new(names: &Names, namespace: &str, nameservers: &Nameservers) -> Result<Self, NetError> {
        let servers = nameservers.servers.iter().map(|server| {
            let mut config = NameServerConfig::udp_and_tcp(server.ip());
            for connection in &mut config.connections {
                connection.port = server.port();
            }
            config
        });
        let config = ResolverConfig::from_parts(None, vec![], servers.collect());
        let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        // Asked only when the answer is wanted fresh; the cluster's DNS has caches of its own.
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.timeout = TIMEOUT;
        options.attempts = ATTEMPTS;
        let suffix = format!("{namespace}.svc.{}.", nameservers.domain);
        let origin = &names.origin;
        let ports = names
            .ports
            .iter()
            .map(|(name, port)| (format!("_{name}._tcp.{origin}.{suffix}"), *port))
            .collect();
        Ok(Self { resolver: builder.build()?, ports, agents: format!("{}.{suffix}", names.agents) })
    }

    /// Resolves everything once. Bounded by the resolver's time-outs; what could not be resolved is missing.
    pub(crate) async fn find(&self) -> Found {
        let (agents, originals) = tokio::join!(self.addresses(&self.agents), async {
            let mut originals: HashMap<u16, Vec<SocketAddr>> = HashMap::new();
            for (name, port) in &self.ports {
                originals.entry(*port).or_default().extend(self.service(name).await);
            }
            originals
        });
        Found { originals, agents: agents.into_iter().collect() }
    }

    async fn service(&self, name: &str) -> Vec<SocketAddr> {
        let Ok(answer) = self.resolver.lookup(name, RecordType::SRV).await else { return Vec::new() };
        let services: Vec<_> = answer
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::SRV(srv) => Some((srv.target.clone(), srv.port)),
                _ => None,
            })
            .take(PORT_LIMIT)
            .collect();
        let mut glue: HashMap<_, Vec<IpAddr>> = HashMap::new();
        for record in answer.additionals() {
            glue.entry(record.name.clone()).or_default().extend(record.data.ip_addr());
        }
        let found = stream::iter(services).map(|(target, port)| {
            let known = glue.get(&target).cloned().unwrap_or_default();
            async move {
                let ips = if known.is_empty() { self.addresses(&target.to_utf8()).await } else { known };
                ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect::<Vec<_>>()
            }
        });
        let mut originals: Vec<_> =
            found.buffer_unordered(CONCURRENT).map(stream::iter).flatten().collect().await;
        originals.sort_unstable();
        originals.dedup();
        originals.truncate(PORT_LIMIT);
        originals
    }

    async fn addresses(&self, name: &str) -> Vec<IpAddr> {
        match self.resolver.lookup_ip(name).await {
            Ok(answer) => answer.iter().collect(),
            Err(_) => Vec::new(),
        }
    }
}
