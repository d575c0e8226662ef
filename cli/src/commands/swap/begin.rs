//! What a session tells of itself when it begins: its status, and the ready line.

use tunnel::message::Unavailable;
use tunnel::status::{Link, Phase, Port, Process, Serving, Session};

use super::ports::Mapping;
use crate::cluster::Cluster;
use crate::cluster::target::Target;
use crate::session::Context;
use crate::session::status::line;

/// The status of a session that begins to attach.
pub(super) fn status(
    cluster: &Cluster,
    target: &Target,
    id: &str,
    ports: &[Mapping],
    unavailable: Unavailable,
) -> Session {
    Session {
        id: id.into(),
        context: cluster.context.clone(),
        namespace: cluster.namespace.clone(),
        target: target.display(),
        services: target.services.iter().map(|service| service.name.clone()).collect(),
        pid: std::process::id(),
        since: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        phase: Phase::Attaching,
        link: Link::Connecting,
        process: Process::None,
        restarts: 0,
        serving: Serving::Originals { why: "attaching".into() },
        unavailable,
        ports: ports
            .iter()
            .map(|port| Port {
                service: port.service,
                container: port.container,
                laptop: port.laptop,
                listening: false,
            })
            .collect(),
        requests: tunnel::status::Requests::default(),
        outbound: tunnel::status::Outbound::default(),
        dns: tunnel::status::Dns::default(),
        sync: None,
    }
}

/// Says that requests come here, from where and to where.
pub(super) fn ready(context: &Context) {
    let session = context.board.read();
    let way = |port: &Port| {
        let place = match &session.sync {
            None => format!("127.0.0.1:{}", port.laptop),
            Some(sync) => {
                format!("{} in the cluster", sync.command.first().map_or("this code", String::as_str))
            }
        };
        format!("{}:{} -> {place}", session.services.join(","), port.service)
    };
    let ways: Vec<_> = session.ports.iter().map(way).collect();
    context.output.ready(&format!("{}; leave with Ctrl-C", ways.join(", ")));
    if !matches!(session.serving, Serving::Laptop | Serving::Pod) {
        context.output.state(&line(&session));
    }
    context.output.say(match &session.sync {
        None => "connections that callers already have stay with the originals; new ones come here",
        Some(_) => "connections that callers already have stay with the originals; new ones go to this code",
    });
    if context.inspector.records() {
        context.output.say("what passes: devbridge requests follow");
    }
}
