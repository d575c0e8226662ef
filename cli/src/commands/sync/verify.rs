//! `devbridge sync verify`: whether the pods of a running session have what this laptop has.

use serde_json::json;

use crate::args::Format;
use crate::args::sync::Verify;
use crate::commands::own::{self, Own, Unclear};
use crate::error::{Exit, Failure};
use crate::output::Output;
use crate::session::socket;
use crate::session::sync::{Verified, What};

/// Exit status when something differs.
const DIFFERS: u8 = 1;

/// Has them compared and tells what differs; the exit status says whether something still does.
///
/// # Errors
/// There is no such session, or it does not answer.
pub(super) async fn verify(args: &Verify, output: &Output) -> Result<u8, Failure> {
    let mut synced = own::all().await?;
    synced.retain(|own| own.session.sync.is_some());
    let Own { session, socket } = own::the_one(synced, args.target.as_deref()).map_err(unclear)?;
    let step = output.step("verify", &format!("reading all files of {} again", session.target));
    let verified = socket::verify(&socket, args.repair)
        .await
        .map_err(|error| Failure::new("DB-STATUS-001", Exit::Failure, "cannot ask the session").why(error))?
        .unwrap_or_default();
    step.done(if verified.len() == 1 { "one pod compared" } else { "all pods compared" });
    if verified.is_empty() {
        return Err(Failure::new("DB-SYNC-008", Exit::Failure, "there is no pod to compare")
            .why("the session is between two pods just now")
            .fix("devbridge status"));
    }
    match args.output {
        Format::Json => output.data(&format!(
            "{:#}",
            json!({
                "apiVersion": tunnel::status::API_VERSION, "kind": "SyncVerified", "pods": verified,
            })
        )),
        Format::Text => verified.iter().for_each(|pod| output.data(&text(pod))),
    }
    let differs = verified.iter().any(|pod| !pod.differences.is_empty() && !pod.repaired);
    Ok(if differs { DIFFERS } else { 0 })
}

/// Why none is verified.
fn unclear(unclear: Unclear) -> Failure {
    match unclear {
        Unclear::Nothing | Unclear::Other { .. } => {
            Failure::new("DB-SYNC-007", Exit::Usage, "there is no such session")
                .why("no `devbridge sync` of this user runs on this laptop with that target")
                .fix("devbridge status")
        }
        Unclear::Several { there } => Failure::new("DB-USAGE-003", Exit::Usage, "no target is named")
            .why(format!("several sessions run on this laptop: {there}"))
            .fix("devbridge sync verify TARGET"),
    }
}

fn text(pod: &Verified) -> String {
    lines(pod).join("\n")
}

/// What was found in a pod, and below it what differs.
pub(in crate::commands) fn lines(pod: &Verified) -> Vec<String> {
    let state = match (pod.differences.len(), pod.repaired) {
        (0, _) => format!("in sync @ {}, {} paths compared", pod.generation, pod.same),
        (_, true) => format!("repaired, in sync @ {}", pod.generation),
        _ => format!("not in sync @ {}; devbridge sync verify --repair", pod.generation),
    };
    let mut lines = vec![format!("{}: {state}", pod.pod)];
    for difference in &pod.differences {
        let what = match difference.what {
            What::Contents => "other contents",
            What::Metadata => "other permissions or time",
            What::Extra => "only in the pod",
        };
        lines.push(format!("  {}: {what}", difference.path));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::sync::Difference;

    #[test]
    fn what_differs_is_named() {
        let difference = |path: &str, what| Difference { path: path.into(), what };
        let mut pod = Verified {
            pod: "web-1".into(),
            generation: 3,
            same: 40,
            differences: vec![difference("a.py", What::Contents), difference("x", What::Extra)],
            repaired: false,
        };
        insta::assert_snapshot!(text(&pod), @r"
        web-1: not in sync @ 3; devbridge sync verify --repair
          a.py: other contents
          x: only in the pod
        ");
        pod.differences.clear();
        insta::assert_snapshot!(text(&pod), @"web-1: in sync @ 3, 40 paths compared");
    }
}
