//! What is being swapped: a workload, the Services that lead to it, and the container that serves them.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, PodTemplateSpec, Service};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use kube::api::ListParams;

use super::Cluster;
use super::api::{ApiError, Doing};
use super::gitops::{self, Manager};
use super::names::{AGENT, Names};
use crate::error::{Exit, Failure};

/// A Deployment and its Services.
#[derive(Debug, Clone)]
pub struct Target {
    /// The workload.
    pub deployment: Deployment,
    /// Names of the objects that are made for it.
    pub names: Names,
    /// The container that owns the ports; an index into the template's containers.
    pub container: usize,
    /// The Services that will be swapped; at least one.
    pub services: Vec<SwappedService>,
    /// What the user should know: reported, not refused.
    pub warnings: Vec<String>,
}

/// A Service that leads to the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwappedService {
    /// Its name.
    pub name: String,
    /// Its selector as the user wrote it, without our key.
    pub selector: BTreeMap<String, String>,
    /// Its TCP ports.
    pub ports: Vec<SwappedPort>,
    /// Who will put its selector back.
    pub reverted_by: Option<Manager>,
}

/// One TCP port of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwappedPort {
    /// Its name; Services with one port may leave it out.
    pub name: Option<String>,
    /// What callers dial.
    pub service: u16,
    /// What the container listens on.
    pub container: u16,
    /// As the Service says it: originals may resolve a named port differently from each other.
    pub target_port: IntOrString,
}

/// Why a target can't be swapped.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Nothing of that name.
    #[error("no Deployment or Service `{name}` in namespace {namespace}")]
    Missing {
        /// As the user wrote it.
        name: String,
        /// Where it was looked for.
        namespace: String,
        /// What is there.
        there: Vec<String>,
    },
    /// A kind that is not swapped yet.
    #[error("cannot swap a {0}")]
    Kind(String),
    /// A Service that leads to several Deployments.
    #[error("Service {service} leads to more than one Deployment")]
    Ambiguous {
        /// The Service.
        service: String,
        /// The Deployments.
        deployments: Vec<String>,
    },
    /// No Service leads to it.
    #[error("no Service leads to deployment/{0}")]
    NoService(String),
    /// A Service that can't be swapped, and why.
    #[error("cannot swap Service {service}")]
    Service {
        /// Its name.
        service: String,
        /// For people.
        why: String,
    },
    /// The API server refused.
    #[error(transparent)]
    Api(#[from] ApiError),
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        let what = error.to_string();
        match error {
            TargetError::Missing { there, namespace, .. } => {
                let failure = Self::new("DB-TARGET-001", Exit::Target, what);
                if there.is_empty() {
                    failure
                        .why(format!("there are no Deployments in namespace {namespace}"))
                        .fix("name another namespace with -n")
                } else {
                    failure
                        .why(format!("there are: {}", there.join(", ")))
                        .fix("use one of these, or name another namespace with -n")
                }
            }
            TargetError::Kind(_) => Self::new("DB-TARGET-002", Exit::Target, what)
                .why("this version swaps Deployments")
                .fix("name a Deployment, or the Service in front of it"),
            TargetError::Ambiguous { deployments, .. } => Self::new("DB-TARGET-003", Exit::Target, what)
                .why(format!("they are: {}", deployments.join(", ")))
                .fix("name one of them: devbridge intercept deployment/NAME"),
            TargetError::NoService(name) => Self::new("DB-TARGET-004", Exit::Target, what)
                .why("a swap changes where a Service leads; without a Service there is nothing to change")
                .fix(format!("kubectl expose deployment {name} --port=PORT")),
            TargetError::Service { why, .. } => Self::new("DB-TARGET-006", Exit::Target, what).why(why),
            TargetError::Api(error) => error.into(),
        }
    }
}

impl Target {
    /// Finds `written` (`web`, `deployment/web`, `service/web`) and everything that leads to it.
    ///
    /// # Errors
    /// See [`TargetError`].
    pub async fn find(cluster: &Cluster, written: &str) -> Result<Self, TargetError> {
        let (deployments, services) = candidates(cluster).await?;
        Self::among(&cluster.namespace, written, &deployments, &services)
    }

    fn among(
        namespace: &str,
        written: &str,
        deployments: &[Deployment],
        services: &[Service],
    ) -> Result<Self, TargetError> {
        let deployment = choose(namespace, written, deployments, services)?;
        let name = deployment.name_any();
        let names = Names::new(&name);
        let labels = template_labels(&deployment);
        let leading: Vec<_> = services.iter().filter(|service| leads_to(service, &labels)).collect();
        let mut warnings = Vec::new();
        // Peer names of a headless Service go to single pods; swapping it would take them away.
        let (headless, usual): (Vec<_>, Vec<_>) = leading.iter().partition(|service| is_headless(service));
        let chosen = if usual.is_empty() { headless } else { usual };
        let containers = containers(&deployment);
        let mut swapped = Vec::new();
        for service in chosen {
            if is_headless(service) {
                warnings.push(format!(
                    "Service {} is headless: callers that resolved it before keep the originals' addresses",
                    service.name_any()
                ));
            }
            swapped.push(swappable(service, containers, &mut warnings)?);
        }
        if swapped.is_empty() {
            return Err(TargetError::NoService(name));
        }
        let container = owner(containers, &swapped)?;
        Ok(Self { deployment, names, container, services: swapped, warnings })
    }

    /// `deployment/web`
    pub fn display(&self) -> String {
        format!("deployment/{}", self.deployment.name_any())
    }

    /// The pod template that the agent's pod is made from.
    pub fn template(&self) -> PodTemplateSpec {
        self.deployment.spec.template.clone()
    }

    /// Every container port that callers reach, in order.
    pub fn ports(&self) -> BTreeSet<u16> {
        let declared = containers(&self.deployment).get(self.container).into_iter().flat_map(tcp_ports);
        let served = self.services.iter().flat_map(|service| &service.ports).map(|port| port.container);
        declared.map(|(_, port)| port).chain(served).collect()
    }
}

/// All Deployments and Services of the namespace, for [`choose`].
pub(super) async fn candidates(cluster: &Cluster) -> Result<(Vec<Deployment>, Vec<Service>), ApiError> {
    let all = ListParams::default();
    let (deployments, services) = (cluster.api::<Deployment>(), cluster.api::<Service>());
    let (deployments, services) = tokio::try_join!(
        async { deployments.list(&all).await.doing(|| "list Deployments".into()) },
        async { services.list(&all).await.doing(|| "list Services".into()) },
    )?;
    Ok((deployments.items, services.items))
}

/// The Deployment that is meant, or that a Service leads to.
pub(super) fn choose(
    namespace: &str,
    written: &str,
    deployments: &[Deployment],
    services: &[Service],
) -> Result<Deployment, TargetError> {
    let (kind, name) = written.split_once('/').unwrap_or(("", written));
    let deployment = || deployments.iter().find(|deployment| deployment.name_any() == name).cloned();
    let missing = || TargetError::Missing {
        name: written.to_owned(),
        namespace: namespace.to_owned(),
        there: deployments
            .iter()
            .filter(|d| d.labels().get(AGENT).is_none())
            .map(ResourceExt::name_any)
            .collect(),
    };
    let behind = || -> Result<Deployment, TargetError> {
        let service = services.iter().find(|service| service.name_any() == name).ok_or_else(missing)?;
        let behind: Vec<_> = deployments
            .iter()
            .filter(|deployment| leads_to(service, &template_labels(deployment)))
            // An agent carries its target's labels.
            .filter(|deployment| !template_labels(deployment).contains_key(AGENT))
            .collect();
        match behind.as_slice() {
            [one] => Ok((*one).clone()),
            [] => Err(missing()),
            several => Err(TargetError::Ambiguous {
                service: name.to_owned(),
                deployments: several.iter().map(|deployment| deployment.name_any()).collect(),
            }),
        }
    };
    match kind {
        "" => deployment().map_or_else(behind, Ok),
        "deployment" | "deployments" | "deploy" => deployment().ok_or_else(missing),
        "service" | "services" | "svc" => behind(),
        other => Err(TargetError::Kind(other.to_owned())),
    }
}

fn template_labels(deployment: &Deployment) -> BTreeMap<String, String> {
    let metadata = deployment.spec.template.metadata.as_ref();
    metadata.and_then(|metadata| metadata.labels.clone()).unwrap_or_default()
}

fn containers(deployment: &Deployment) -> &[Container] {
    let spec = deployment.spec.template.spec.as_ref();
    spec.map_or(&[], |spec| &spec.containers)
}

/// A Service leads to pods that have all labels of its selector; our own key is not the user's.
fn leads_to(service: &Service, labels: &BTreeMap<String, String>) -> bool {
    let ours = service.labels().get(super::names::MANAGED_BY).is_some_and(|by| by == super::names::DEVBRIDGE);
    let selector = user_selector(service);
    !ours && !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

fn user_selector(service: &Service) -> BTreeMap<String, String> {
    let selector = service.spec.as_ref().and_then(|spec| spec.selector.clone()).unwrap_or_default();
    selector.into_iter().filter(|(key, _)| key != AGENT).collect()
}

fn is_headless(service: &Service) -> bool {
    service.spec.as_ref().and_then(|spec| spec.cluster_ip.as_deref()) == Some("None")
}

fn swappable(
    service: &Service,
    containers: &[Container],
    warnings: &mut Vec<String>,
) -> Result<SwappedService, TargetError> {
    let name = service.name_any();
    let refuse = |why: String| Err(TargetError::Service { service: name.clone(), why });
    let spec = service.spec.clone().unwrap_or_default();
    if spec.type_.as_deref() == Some("ExternalName") {
        return refuse("it is an ExternalName: it leads to a name, not to pods".into());
    }
    if spec.internal_traffic_policy.as_deref() == Some("Local") {
        return refuse(
            "internalTrafficPolicy is Local: callers on nodes without the agent would get no answer".into(),
        );
    }
    if spec.external_traffic_policy.as_deref() == Some("Local") {
        warnings.push(format!(
            "Service {name} has externalTrafficPolicy Local: its load balancer needs seconds to follow"
        ));
    }
    let mut ports = Vec::new();
    for port in spec.ports.unwrap_or_default() {
        let number = port.port;
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        if protocol != "TCP" {
            return refuse(format!("port {number} is {protocol}; this version takes TCP"));
        }
        let Ok(service_port) = u16::try_from(number) else {
            return refuse(format!("port {number} is not a port"));
        };
        let target_port = match port.target_port {
            Some(IntOrString::Int(0)) | None => IntOrString::Int(number),
            Some(target) => target,
        };
        let Some(container) = resolve(&target_port, containers) else {
            return refuse(format!("no container of the target has the port that port {number} leads to"));
        };
        ports.push(SwappedPort { name: port.name, service: service_port, container, target_port });
    }
    if ports.is_empty() {
        return refuse("it has no ports".into());
    }
    let reverted_by = gitops::will_revert(service);
    Ok(SwappedService { name, selector: user_selector(service), ports, reverted_by })
}

fn resolve(target: &IntOrString, containers: &[Container]) -> Option<u16> {
    match target {
        IntOrString::Int(number) => u16::try_from(*number).ok(),
        IntOrString::String(name) => {
            let mut ports = containers.iter().flat_map(tcp_ports);
            ports.find(|(port_name, _)| port_name.as_ref() == Some(name)).map(|(_, port)| port)
        }
    }
}

fn tcp_ports(container: &Container) -> impl Iterator<Item = (Option<String>, u16)> {
    let ports = container.ports.iter().flatten();
    ports
        .filter(|port| port.protocol.as_deref().unwrap_or("TCP") == "TCP")
        .filter_map(|port| Some((port.name.clone(), u16::try_from(port.container_port).ok()?)))
}

/// The container that declares the ports; one that nobody declares belongs to the first.
fn owner(containers: &[Container], services: &[SwappedService]) -> Result<usize, TargetError> {
    let mut owners = BTreeMap::new();
    for service in services {
        for port in &service.ports {
            let declares =
                |container: &Container| tcp_ports(container).any(|(_, number)| number == port.container);
            owners.insert(containers.iter().position(declares).unwrap_or(0), service.name.clone());
        }
    }
    let mut all = owners.into_iter();
    match (all.next(), all.next()) {
        (Some((owner, _)), None) => Ok(owner),
        (_, Some((_, service))) => Err(TargetError::Service {
            service,
            why: "the swapped ports belong to different containers of the pod".into(),
        }),
        (None, None) => Ok(0),
    }
}

#[cfg(test)]
mod tests;
