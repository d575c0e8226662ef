//! `devbridge logs`: what the originals write, and code that runs in their place; or the agent.

use std::collections::BTreeSet;

use serde_json::json;

use super::own::{Aim, aim};
use crate::args::{Format, Logs};
use crate::cluster::Cluster;
use crate::cluster::logs::{Line, Wanted, Whose, follow, past};
use crate::cluster::pods::{Pods, container, is_agent, runs_code};
use crate::error::{Exit, Failure};
use crate::output::Output;

/// Prints lines in the order of time, each with its pod where there are several; with `-f`, for ever.
///
/// # Errors
/// No such target or container, no pod of it, or the API server refuses.
pub async fn run(args: Logs, output: &Output) -> Result<(), Failure> {
    let Aim { target, cluster } = aim(args.target.as_deref(), &args.cluster, "logs").await?;
    let cluster = Cluster::connect(&cluster).await?;
    let pods = Pods::of(&cluster, &target).await?;
    let found = pods.now(&cluster).await?;
    let wanted = Wanted {
        container: args.container.clone(),
        tail: (args.tail >= 0).then_some(args.tail),
        since: args.since,
        previous: args.previous,
        whose: if args.agent { Whose::Agents } else { Whose::Target },
    };
    let of_these: Vec<_> = found.iter().filter(|pod| is_agent(pod) == args.agent || runs_code(pod)).collect();
    if of_these.is_empty() && !args.follow {
        return Err(none(&pods.what, args.agent));
    }
    if let (Some(pod), Some(name)) = (of_these.first(), &args.container)
        && let Err(there) = container(pod, Some(name))
    {
        return Err(Failure::new(
            "DB-LOGS-002",
            Exit::Usage,
            format!("{} has no container `{name}`", pods.what),
        )
        .why(format!("there are: {}", there.join(", "))));
    }
    let names: BTreeSet<_> = of_these.iter().filter_map(|pod| pod.metadata.name.clone()).collect();
    let named = names.len() > 1 || args.follow;
    let print = |line: &Line| output.line(&text(line, args.output, args.timestamps, named)).is_ok();
    let mut seen = past(&cluster, &found, &wanted, print).await?;
    if args.follow {
        follow(&cluster, &pods.selection, &wanted, &mut seen, print).await?;
    }
    Ok(())
}

fn none(what: &str, agents: bool) -> Failure {
    let failure = Failure::new("DB-LOGS-001", Exit::Target, format!("{what} has no pods"));
    if agents {
        failure.why("no session has an agent there now").fix("devbridge list")
    } else {
        failure.fix("devbridge logs -f waits for the first")
    }
}

fn text(line: &Line, format: Format, timestamps: bool, named: bool) -> String {
    let time = line.time.map(|time| time.to_string());
    if format == Format::Json {
        return json!({ "pod": line.pod, "container": line.container, "time": time, "text": line.text })
            .to_string();
    }
    let mut text = String::new();
    for part in [named.then_some(line.pod.clone()), time.filter(|_| timestamps)].into_iter().flatten() {
        text.push_str(&part);
        text.push(' ');
    }
    text + &line.text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_whose_it_is_where_that_is_not_clear() {
        let line = Line {
            pod: "web-1".into(),
            container: "app".into(),
            time: Some(jiff::Timestamp::UNIX_EPOCH),
            text: "hello world".into(),
        };
        assert_eq!(text(&line, Format::Text, false, false), "hello world");
        assert_eq!(text(&line, Format::Text, true, true), "web-1 1970-01-01T00:00:00Z hello world");
        let json: serde_json::Value = serde_json::from_str(&text(&line, Format::Json, false, false)).unwrap();
        assert_eq!(json["text"], "hello world");
    }
}
