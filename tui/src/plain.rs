//! Status as lines: no colour, no cursor movement, the most important first.

mod updates;

use tunnel::status::{Link, Phase, Process, Serving, Session, Sync};

pub use updates::Plain;

/// One session.
pub fn session(session: &Session) -> Vec<String> {
    let mut lines = vec![
        format!("{}  {} in {} ({})", session.id, session.target, session.namespace, session.context),
        format!("  state     {}", state(session)),
        format!("  agent     {}", link(&session.link)),
        format!("  process   {}{}", process(&session.process), restarts(session.restarts)),
    ];
    if let Some(sync) = &session.sync {
        lines.extend(synced(sync));
    }
    for port in &session.ports {
        let services = session.services.join(",");
        if session.sync.is_some() {
            let heard = if port.listening { "" } else { "  (nothing listens)" };
            lines.push(format!(
                "  port      {services}:{} -> {} in the pod{heard}",
                port.service, port.container
            ));
            continue;
        }
        let heard = if port.listening { "" } else { "  (nothing listens)" };
        lines.push(format!("  port      {services}:{} -> 127.0.0.1:{}{heard}", port.service, port.laptop));
    }
    let (requests, outbound, dns) = (&session.requests, &session.outbound, &session.dns);
    let place = if session.sync.is_some() { "this code" } else { "the laptop" };
    lines.push(format!(
        "  requests  {} to {place} ({} open), {} to originals, {} failed",
        requests.laptop, requests.open, requests.originals, requests.failed
    ));
    if session.sync.is_some() {
        return lines;
    }
    lines.push(format!("  outbound  {} connections, {} failed", outbound.connections, outbound.failed));
    lines.push(format!("  dns       {} answers, {} failed", dns.answered, dns.failed));
    lines
}

fn synced(sync: &Sync) -> Vec<String> {
    let mut lines = vec![format!("  sync      {} -> {}", sync.from, sync.to)];
    for pod in &sync.pods {
        let state = match &pod.why {
            None => format!("in sync @ {}", pod.generation),
            Some(why) => format!("not in sync @ {}: {why}", pod.generation),
        };
        lines.push(format!("  pod       {}: {state}", pod.name));
    }
    lines
}

fn state(session: &Session) -> String {
    let serving = match &session.serving {
        Serving::Laptop => "requests reach this laptop".to_owned(),
        Serving::Pod => "requests reach this code in the cluster".to_owned(),
        Serving::Originals { why } => format!("{why}; originals serve"),
        Serving::Nobody { why } => format!("{why}; callers get an error"),
    };
    match session.phase {
        Phase::Attaching => format!("attaching; {serving}"),
        Phase::Attached => format!("attached since {}; {serving}", session.since),
        Phase::Leaving => format!("leaving; {serving}"),
    }
}

fn link(link: &Link) -> String {
    match link {
        Link::Connecting => "not there yet".into(),
        Link::Up { round_trip_us } => {
            format!("answers, {}.{} ms there and back", round_trip_us / 1000, round_trip_us % 1000 / 100)
        }
        Link::Lost => "does not answer; dialling again".into(),
    }
}

fn process(process: &Process) -> String {
    match process {
        Process::None => "none of devbridge's; requests go to whatever listens".into(),
        Process::Running { pid } => format!("running (pid {pid})"),
        Process::Exited { code } => format!("exited with {code}"),
    }
}

fn restarts(times: u64) -> String {
    match times {
        0 => String::new(),
        1 => ", started anew once".into(),
        times => format!(", started anew {times} times"),
    }
}

#[cfg(test)]
mod tests {
    use tunnel::message::Unavailable;
    use tunnel::status::{Dns, Outbound, Port, Requests};

    use super::*;

    #[test]
    fn a_session_reads_from_what_matters_most() {
        let value = Session {
            id: "0a1b2c3d".into(),
            context: "dev".into(),
            namespace: "shop".into(),
            target: "deployment/catalog".into(),
            services: vec!["catalog".into()],
            pid: 7,
            since: "2026-01-02T03:04:05Z".into(),
            phase: Phase::Attached,
            link: Link::Up { round_trip_us: 1250 },
            process: Process::Running { pid: 8 },
            restarts: 2,
            serving: Serving::Originals { why: "nothing listens on 127.0.0.1:3000".into() },
            unavailable: Unavailable::Cluster,
            ports: vec![Port { service: 80, container: 8080, laptop: 3000, listening: false }],
            requests: Requests { laptop: 3, originals: 1, failed: 0, stalled: 0, open: 2 },
            outbound: Outbound { connections: 4, failed: 1 },
            dns: Dns { answered: 5, failed: 0 },
            sync: None,
        };
        insta::assert_snapshot!(session(&value).join("\n"), @r"
        0a1b2c3d  deployment/catalog in shop (dev)
          state     attached since 2026-01-02T03:04:05Z; nothing listens on 127.0.0.1:3000; originals serve
          agent     answers, 1.2 ms there and back
          process   running (pid 8), started anew 2 times
          port      catalog:80 -> 127.0.0.1:3000  (nothing listens)
          requests  3 to the laptop (2 open), 1 to originals, 0 failed
          outbound  4 connections, 1 failed
          dns       5 answers, 0 failed
        ");
    }
}
