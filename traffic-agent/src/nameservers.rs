//! The pod's own resolver settings, from its `/etc/resolv.conf`.

use std::net::{IpAddr, SocketAddr};

/// The port of DNS.
const PORT: u16 = 53;
/// Most nameservers that are asked; the C library's limit.
const LIMIT: usize = 3;
/// The domain of nearly every cluster, for pods whose search list does not tell.
const USUAL_DOMAIN: &str = "cluster.local";

/// Whom to ask, and the domain under which the cluster keeps its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nameservers {
    /// In the order in which they are asked.
    pub servers: Vec<SocketAddr>,
    /// Without a dot at either end, as `cluster.local`.
    pub domain: String,
}

impl Nameservers {
    /// Reads the text of a `resolv.conf`. The domain is read from a search entry `<namespace>.svc.<domain>`,
    /// whatever the namespace: an overlay namespace searches its base too.
    pub fn parse(text: &str) -> Self {
        let mut servers = Vec::new();
        let mut domain = None;
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => servers.extend(words.next().and_then(address)),
                Some("search") => {
                    // The last such line counts.
                    domain = words.find_map(|entry| entry.split_once(".svc.").map(|(_, domain)| domain));
                }
                _ => {}
            }
        }
        servers.truncate(LIMIT);
        let domain = domain.unwrap_or(USUAL_DOMAIN).trim_end_matches('.').to_owned();
        Self { servers, domain }
    }
}

fn address(word: &str) -> Option<SocketAddr> {
    word.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, PORT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cluster_s_domain_is_read_from_the_search_list() {
        let text = "# kubelet\nsearch shop.svc.k8s.example. svc.k8s.example k8s.example corp\n\
                    nameserver 10.96.0.10\nnameserver fd00::10\noptions ndots:5\n";
        let read = Nameservers::parse(text);
        assert_eq!(read.domain, "k8s.example");
        let servers: Vec<SocketAddr> =
            vec!["10.96.0.10:53".parse().unwrap(), "[fd00::10]:53".parse().unwrap()];
        assert_eq!(read.servers, servers);
    }

    #[test]
    fn a_pod_with_settings_of_its_own_gets_the_usual_domain() {
        let read = Nameservers::parse("nameserver nonsense\nsearch corp.example\n");
        assert_eq!(read, Nameservers { servers: vec![], domain: "cluster.local".to_owned() });
    }
}
