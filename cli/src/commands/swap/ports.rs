//! Which port of the Service goes to which port of the laptop.

use crate::cluster::target::Target;
use crate::error::{Exit, Failure};

/// One port of a Service and where it goes on the laptop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) service_name: String,
    pub(super) name: Option<String>,
    pub(super) service: u16,
    pub(super) container: u16,
    pub(super) laptop: u16,
}

pub(super) fn describe(ports: &[Mapping], in_the_pod: bool) -> String {
    let place = |port: &Mapping| match in_the_pod {
        true => format!("{} in the pod", port.container),
        false => format!("127.0.0.1:{}", port.laptop),
    };
    let ways: Vec<_> = ports
        .iter()
        .map(|port| format!("Service {}:{} to {}", port.service_name, port.service, place(port)))
        .collect();
    ways.join(", ")
}

/// Every swapped port, with `-p` over the default: the container's own number.
pub(super) fn ports(target: &Target, flags: &[String]) -> Result<Vec<Mapping>, Failure> {
    let mut mappings = Vec::new();
    for service in &target.services {
        for port in &service.ports {
            mappings.push(Mapping {
                service_name: service.name.clone(),
                name: port.name.clone(),
                service: port.service,
                container: port.container,
                laptop: port.container,
            });
        }
    }
    for flag in flags {
        let wrong = |why: String| {
            Failure::new("DB-USAGE-001", Exit::Usage, format!("-p {flag} is not LAPTOP:SERVICE_PORT"))
                .why(why)
        };
        let (laptop, service) = match flag.split_once(':') {
            Some((laptop, service)) => (laptop, Some(service)),
            None => (flag.as_str(), None),
        };
        let laptop: u16 = laptop
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| wrong(format!("`{laptop}` is not a port")))?;
        let known: Vec<_> = mappings.iter().map(|port| port.service.to_string()).collect();
        let chosen: Vec<_> = match service {
            None if mappings.len() == 1 => vec![0],
            None => return Err(wrong(format!("the target has several ports: {}", known.join(", ")))),
            Some(wanted) => {
                let is = |port: &Mapping| {
                    port.service.to_string() == wanted || port.name.as_deref() == Some(wanted)
                };
                mappings.iter().enumerate().filter(|(_, port)| is(port)).map(|(at, _)| at).collect()
            }
        };
        if chosen.is_empty() {
            return Err(wrong(format!(
                "the Service has no port `{}`; it has: {}",
                service.unwrap_or_default(),
                known.join(", ")
            )));
        }
        // Two Services may lead to one container port: it has one place on the laptop.
        let containers: Vec<_> =
            chosen.iter().filter_map(|at| mappings.get(*at)).map(|port| port.container).collect();
        for port in mappings.iter_mut().filter(|port| containers.contains(&port.container)) {
            port.laptop = laptop;
        }
    }
    Ok(mappings)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cluster::names;

    fn target() -> Target {
        use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
        let port = |name: &str, service, container| crate::cluster::target::SwappedPort {
            name: Some(name.into()),
            service,
            container,
            target_port: IntOrString::Int(i32::from(container)),
        };
        Target {
            deployment: k8s_openapi::api::apps::v1::Deployment::default(),
            names: names::Names::new("web"),
            container: 0,
            services: vec![crate::cluster::target::SwappedService {
                name: "web".into(),
                selector: BTreeMap::new(),
                ports: vec![port("http", 80, 8080), port("admin", 81, 9090)],
                reverted_by: None,
            }],
            warnings: Vec::new(),
        }
    }

    #[test]
    fn ports_go_to_their_own_number_unless_the_user_says_otherwise() {
        let laptop = |flags: &[&str]| {
            let flags: Vec<_> = flags.iter().map(|flag| (*flag).to_owned()).collect();
            ports(&target(), &flags).map(|ports| ports.iter().map(|port| port.laptop).collect::<Vec<_>>())
        };
        assert_eq!(laptop(&[]).unwrap(), [8080, 9090]);
        assert_eq!(laptop(&["3000:80"]).unwrap(), [3000, 9090]);
        assert_eq!(laptop(&["3000:admin", "4000:http"]).unwrap(), [4000, 3000]);
        for wrong in ["3000", "x:80", "3000:82", "0:80", "70000:80", ""] {
            assert_eq!(laptop(&[wrong]).unwrap_err().code, "DB-USAGE-001", "{wrong}");
        }
    }
}
