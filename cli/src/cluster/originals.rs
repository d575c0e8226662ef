//! Where the originals are: the ready addresses behind the origin Service, the agents' own taken out.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;
use tunnel::message::Original;

use super::names::{AGENT, Names};
use super::watch::Selection;

/// Label on an EndpointSlice: the Service that it belongs to.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// The slices of the origin Service and of the agents' Service.
pub fn selection(names: &Names) -> Selection {
    Selection::labels(format!("{SERVICE_NAME} in ({}, {})", names.origin, names.agents))
}

/// The slices of one Service.
pub fn slices_of(service: &str) -> Selection {
    Selection::labels(format!("{SERVICE_NAME}={service}"))
}

/// The slices of several Services.
pub fn slices_of_all(services: &[String]) -> Selection {
    Selection::labels(format!("{SERVICE_NAME} in ({})", services.join(", ")))
}

/// Whether one of `services` has no ready pod of this agent behind it, by the slices of [`slices_of_all`].
pub fn lacks_ready(slices: &[EndpointSlice], services: &[String], agents: &BTreeSet<IpAddr>) -> bool {
    services.iter().any(|service| {
        let mut own = slices.iter().filter(|slice| slice.labels().get(SERVICE_NAME) == Some(service));
        !own.any(|slice| has_ready(std::slice::from_ref(slice), agents))
    })
}

/// Whether `slices`, which are those of [`selection`], tell of originals at all. Each Service with a selector has a slice,
/// without endpoints if no pod is there. None is there before the Services' controller has seen them, and once they are
/// deleted, which says nothing about the originals.
pub fn are_told(names: &Names, slices: &[EndpointSlice]) -> bool {
    let has = |service: &String| slices.iter().any(|slice| slice.labels().get(SERVICE_NAME) == Some(service));
    has(&names.origin) && has(&names.agents)
}

/// Originals among `slices`, which are those of [`selection`].
pub fn among(names: &Names, slices: &[EndpointSlice]) -> Vec<Original> {
    let of = |service: &str| {
        let service = service.to_owned();
        slices.iter().filter(move |slice| slice.labels().get(SERVICE_NAME) == Some(&service))
    };
    let agents: BTreeSet<_> = of(&names.agents).flat_map(|slice| addresses(slice, false)).collect();
    let mut originals = BTreeSet::new();
    for slice in of(&names.origin) {
        for (name, number) in ports(slice) {
            let Some(port) = name.strip_prefix('p').and_then(|port| port.parse::<u16>().ok()) else {
                continue;
            };
            for address in addresses(slice, true).into_iter().filter(|address| !agents.contains(address)) {
                originals.insert((port, SocketAddr::new(address, number)));
            }
        }
    }
    originals.into_iter().map(|(port, addr)| Original { port, addr }).collect()
}

/// Whether a ready endpoint among a Service's `slices` is a pod of this agent, whose addresses are `agents`.
pub fn has_ready(slices: &[EndpointSlice], agents: &BTreeSet<IpAddr>) -> bool {
    slices.iter().flat_map(|slice| addresses(slice, true)).any(|address| agents.contains(&address))
}

/// Whether every ready endpoint among a Service's `slices` is a pod of this agent: the key has arrived.
pub fn has_only(slices: &[EndpointSlice], agents: &BTreeSet<IpAddr>) -> bool {
    has_ready(slices, agents)
        && slices.iter().flat_map(|slice| addresses(slice, true)).all(|address| agents.contains(&address))
}

/// The label that agent pods carry, as a selector.
pub fn agent_pods(names: &Names) -> Selection {
    Selection::labels(format!("{AGENT}={}", names.agent))
}

fn ports(slice: &EndpointSlice) -> impl Iterator<Item = (String, u16)> {
    slice
        .ports
        .iter()
        .flatten()
        .filter_map(|port| Some((port.name.clone()?, u16::try_from(port.port?).ok()?)))
}

fn addresses(slice: &EndpointSlice, ready_only: bool) -> Vec<IpAddr> {
    let endpoints = slice.endpoints.iter().flatten().filter(|endpoint| {
        // Unknown readiness counts as ready (EndpointConditions' documentation).
        let ready = endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true);
        ready || !ready_only
    });
    endpoints.flat_map(|endpoint| &endpoint.addresses).filter_map(|address| address.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn slice(service: &str, port: (&str, u16), endpoints: &[(&str, bool)]) -> EndpointSlice {
        let endpoints: Vec<_> = endpoints
            .iter()
            .map(|(address, ready)| json!({"addresses": [address], "conditions": {"ready": ready}}))
            .collect();
        serde_json::from_value(json!({
            "metadata": {"name": format!("{service}-x"), "labels": {SERVICE_NAME: service}},
            "addressType": "IPv4", "endpoints": endpoints,
            "ports": [{"name": port.0, "port": port.1}]
        }))
        .unwrap()
    }

    #[test]
    fn services_without_pods_tell_of_no_originals_and_deleted_services_of_nothing() {
        let names = Names::new("web");
        let (origin, agents) = (
            slice(&names.origin, ("p80", 8080), &[]),
            slice(&names.agents, ("p80", 80), &[("10.0.0.9", true)]),
        );
        assert!(are_told(&names, &[origin.clone(), agents.clone()]));
        for deleted in [vec![], vec![origin], vec![agents]] {
            assert!(!are_told(&names, &deleted));
        }
    }

    #[test]
    fn agents_and_unready_pods_are_not_originals() {
        let names = Names::new("web");
        let slices = [
            slice(
                &names.origin,
                ("p80", 8080),
                &[("10.0.0.1", true), ("10.0.0.2", false), ("10.0.0.9", true)],
            ),
            slice(&names.agents, ("p80", 80), &[("10.0.0.9", false)]),
            slice("web", ("p80", 80), &[("10.0.0.7", true)]),
        ];
        let expected = Original { port: 80, addr: "10.0.0.1:8080".parse().unwrap() };
        assert_eq!(among(&names, &slices), [expected]);
    }
}
