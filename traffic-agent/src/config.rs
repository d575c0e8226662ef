//! What the pod tells its agent, read once.
//!
//! The pod template sets variables, the bootstrap adds the listening sockets, and the Secret brings the keys.
//! Everything is parsed here, from values, so that tests need no process environment.

use std::{collections::HashMap, io, net::IpAddr, path::PathBuf};

use tunnel::identity::{KeyPair, PublicKey};

/// Sockets that the bootstrap bound: container ports, in the order of the inherited descriptors.
pub const LISTEN: &str = "DEVBRIDGE_LISTEN";
/// Port of the control listener on the pod's loopback.
pub const CONTROL_PORT: &str = "DEVBRIDGE_CONTROL_PORT";
/// Port of `/livez` and `/readyz` on the pod's address.
pub const HEALTH_PORT: &str = "DEVBRIDGE_HEALTH_PORT";
/// Headless Service of the originals.
pub const ORIGIN: &str = "DEVBRIDGE_ORIGIN";
/// Headless Service of all agents.
pub const AGENTS: &str = "DEVBRIDGE_AGENTS";
/// SRV names of the origin Service's ports and the container ports they stand for: `http=8080,admin=9090`.
pub const PORT_NAMES: &str = "DEVBRIDGE_PORT_NAMES";
/// The pod's addresses, comma-separated.
pub const POD_IP: &str = "DEVBRIDGE_POD_IP";
/// The pod's namespace.
pub const NAMESPACE: &str = "DEVBRIDGE_NAMESPACE";
/// Directory with the keys, unless the usual one.
pub const KEYS: &str = "DEVBRIDGE_KEYS";
/// Folder for the laptop's code; not set where none is to run.
pub const CODE: &str = "DEVBRIDGE_CODE";
/// Filter of the log: levels and targets, as `info,tunnel=debug`.
pub const LOG: &str = "DEVBRIDGE_LOG";

/// Every variable that is devbridge's own; none of them is part of the target's environment.
pub const VARIABLES: [&str; 11] =
    [LISTEN, CONTROL_PORT, HEALTH_PORT, ORIGIN, AGENTS, PORT_NAMES, POD_IP, NAMESPACE, KEYS, CODE, LOG];

/// Where the Secret with the keys is mounted.
const KEYS_DIR: &str = "/devbridge/keys";
/// The pod's writable directory; it outlives the agent's process.
const RUN_DIR: &str = "/devbridge/run";

/// The agent's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Container ports that callers reach, in the order of the inherited sockets.
    pub listen: Vec<u16>,
    /// Control port on the pod's loopback.
    pub control_port: u16,
    /// Health port on the pod's first address.
    pub health_port: u16,
    /// The pod's addresses; never empty.
    pub pod_ips: Vec<IpAddr>,
    /// The pod's namespace.
    pub namespace: String,
    /// How to find originals by DNS; `None` when the target has no Service.
    pub names: Option<Names>,
    /// Directory with `agent.seed` and `laptop.pub`.
    pub keys: PathBuf,
    /// Writable directory that outlives the process.
    pub run: PathBuf,
    /// Folder that a laptop may write its code into, to run it.
    pub code: Option<PathBuf>,
}

/// Names under which the cluster's DNS knows originals and agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Headless Service of the originals.
    pub origin: String,
    /// Headless Service of all agents.
    pub agents: String,
    /// SRV name of each port of the origin Service, and the container port it stands for.
    pub ports: Vec<(String, u16)>,
}

/// The keys of both ends, from the target's Secret.
#[derive(Debug)]
pub struct Keys {
    /// This agent's.
    pub agent: KeyPair,
    /// The only laptop key that may open sessions.
    pub laptop: PublicKey,
}

/// The environment is not one that devbridge made.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A variable that must be there is not.
    #[error("variable {0} is not set")]
    Missing(&'static str),
    /// A variable holds something else than it should.
    #[error("variable {0} is malformed: {1:?}")]
    Malformed(&'static str, String),
    /// The Secret's files are not there or not readable.
    #[error("cannot read key file {path}")]
    KeyFile {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A key file holds something else than a key.
    #[error("key file {0} is malformed")]
    Key(PathBuf),
}

impl Config {
    /// Reads the configuration from variables.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] and [`ConfigError::Malformed`], naming the first such variable.
    pub fn read(variables: &HashMap<String, String>) -> Result<Self, ConfigError> {
        let origin = variables.get(ORIGIN).filter(|name| !name.is_empty());
        let names = match origin {
            None => None,
            Some(origin) => Some(Names {
                origin: origin.clone(),
                agents: text(variables, AGENTS)?,
                ports: list(variables, PORT_NAMES, |item| {
                    let (name, port) = item.split_once('=')?;
                    Some((name.to_owned(), port.parse().ok()?))
                })?,
            }),
        };
        let pod_ips = list(variables, POD_IP, |item| item.parse().ok())?;
        if pod_ips.is_empty() {
            return Err(ConfigError::Missing(POD_IP));
        }
        Ok(Self {
            listen: list(variables, LISTEN, |item| item.parse().ok())?,
            control_port: port(variables, CONTROL_PORT)?,
            health_port: port(variables, HEALTH_PORT)?,
            pod_ips,
            namespace: text(variables, NAMESPACE)?,
            names,
            keys: variables.get(KEYS).map_or(KEYS_DIR, String::as_str).into(),
            run: RUN_DIR.into(),
            code: variables.get(CODE).filter(|folder| !folder.is_empty()).map(PathBuf::from),
        })
    }

    /// Reads the agent's key pair and the laptop's public key.
    ///
    /// # Errors
    /// [`ConfigError::KeyFile`] and [`ConfigError::Key`].
    pub fn read_keys(&self) -> Result<Keys, ConfigError> {
        let read = |name: &str| {
            let path = self.keys.join(name);
            match std::fs::read(&path) {
                Ok(bytes) => Ok((path, bytes)),
                Err(source) => Err(ConfigError::KeyFile { path, source }),
            }
        };
        let (path, seed) = read("agent.seed")?;
        let seed = <[u8; 32]>::try_from(seed).map_err(|_| ConfigError::Key(path))?;
        let (path, laptop) = read("laptop.pub")?;
        let laptop = PublicKey::from_der(&laptop).map_err(|_| ConfigError::Key(path))?;
        Ok(Keys { agent: KeyPair::from_seed(seed), laptop })
    }
}

fn text(variables: &HashMap<String, String>, name: &'static str) -> Result<String, ConfigError> {
    variables.get(name).filter(|value| !value.is_empty()).cloned().ok_or(ConfigError::Missing(name))
}

fn port(variables: &HashMap<String, String>, name: &'static str) -> Result<u16, ConfigError> {
    let value = text(variables, name)?;
    value.parse().ok().filter(|port| *port > 0).ok_or(ConfigError::Malformed(name, value))
}

/// A comma-separated list; empty or unset is an empty one.
fn list<T>(
    variables: &HashMap<String, String>,
    name: &'static str,
    item: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, ConfigError> {
    let value = variables.get(name).map(String::as_str).unwrap_or_default();
    let items = value.split(',').map(str::trim).filter(|text| !text.is_empty()).map(item);
    items.collect::<Option<_>>().ok_or_else(|| ConfigError::Malformed(name, value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        let all = [
            (LISTEN, "8080,9090"),
            (CONTROL_PORT, "7001"),
            (HEALTH_PORT, "7002"),
            (ORIGIN, "web-devbridge-origin"),
            (AGENTS, "devbridge-agents"),
            (PORT_NAMES, "http=8080,admin=9090"),
            (POD_IP, "10.0.0.7,fd00::7"),
            (NAMESPACE, "shop"),
        ];
        all.iter().chain(pairs).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_pod_s_variables_are_read() {
        let config = Config::read(&variables(&[])).unwrap();
        assert_eq!(config.listen, [8080, 9090]);
        assert_eq!((config.control_port, config.health_port), (7001, 7002));
        assert_eq!(config.pod_ips.len(), 2);
        assert_eq!(config.names.unwrap().ports, [("http".to_owned(), 8080), ("admin".to_owned(), 9090)]);
    }

    #[test]
    fn a_target_without_ports_or_service_is_possible() {
        let config = Config::read(&variables(&[(LISTEN, ""), (ORIGIN, "")])).unwrap();
        assert_eq!((config.listen, config.names), (vec![], None));
    }

    #[test]
    fn a_malformed_variable_is_named() {
        for (name, value) in [
            (LISTEN, "80,x"),
            (CONTROL_PORT, "0"),
            (HEALTH_PORT, "99999"),
            (PORT_NAMES, "http"),
            (POD_IP, "pod"),
        ] {
            let error = Config::read(&variables(&[(name, value)])).unwrap_err();
            assert!(matches!(error, ConfigError::Malformed(at, _) if at == name), "{error}");
        }
        let error = Config::read(&variables(&[(POD_IP, "")])).unwrap_err();
        assert!(matches!(error, ConfigError::Missing(POD_IP)), "{error}");
    }
}
