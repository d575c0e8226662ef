//! A load that goes on while the API server is away: in a pod of its own, read when it has ended.
//!
//! [`World::load`] is told by `exec` what was counted, and ends with the API server.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::json;
use tokio::time::Instant;
use tool::load::Summary;

use crate::load::{Counted, gather};
use crate::{Load, World, deadline, manifest, nodes};

/// A load in a pod of its own.
pub struct LoadApart {
    world: World,
    pod: String,
    within: Duration,
}

impl World {
    /// Starts to ask `url` from a pod of its own, for so many seconds; returns when the pod runs. One at a time for a name.
    pub async fn load_apart(&self, name: &str, url: &str, load: Load, seconds: u32) -> LoadApart {
        let numbers = [load.fresh, load.kept, load.connections, seconds].map(|number| number.to_string());
        let [fresh, kept, connections, seconds_arg] = &numbers;
        let args = [
            "load",
            url,
            "--fresh",
            fresh,
            "--kept",
            kept,
            "--connections",
            connections,
            "--seconds",
            seconds_arg,
        ];
        let mut pod = manifest::idle_pod(name);
        pod["spec"]["containers"][0]["args"] = json!(args);
        pod["spec"]["restartPolicy"] = json!("Never");
        if self.may_break() {
            pod["spec"]["nodeSelector"] = nodes::on(nodes::FIRST);
        }
        self.create(&pod).await;
        let within = Duration::from_secs(u64::from(seconds)) + deadline::PODS;
        let apart = LoadApart { world: self.clone(), pod: name.to_owned(), within };
        apart.is(&["Running"], deadline::PODS).await;
        apart
    }
}

impl LoadApart {
    /// Waits for its end, and gives all that was counted. The API server must be back.
    pub async fn end(self) -> Counted {
        self.is(&["Succeeded", "Failed"], self.within).await;
        let path = self.world.object("v1", &format!("pods/{}/log", self.pod));
        let request = http::Request::get(path).body(Vec::new()).expect("a path of the API is a URI");
        let said =
            self.world.api().client().request_text(request).await.expect("the log of a pod that has ended");
        let lines: Vec<Summary> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let mut each = BTreeMap::new();
        lines.iter().for_each(|line| gather(&mut each, line));
        let last = lines.into_iter().next_back();
        let last = last.unwrap_or_else(|| panic!("the load has counted nothing: {said}"));
        let began = SystemTime::UNIX_EPOCH + Duration::from_secs_f64(last.began);
        // Where the nodes are this machine, its clock is the load's.
        let zero = Instant::now() - began.elapsed().unwrap_or_default();
        Counted::new(last, each, zero)
    }

    async fn is(&self, phases: &[&str], within: Duration) {
        deadline::eventually(within, &format!("{} is {phases:?}", self.pod), || async {
            let pod = self.world.get("v1", &format!("pods/{}", self.pod)).await.map_err(|e| e.to_string())?;
            let phase = pod["status"]["phase"].as_str().unwrap_or_default();
            if phases.contains(&phase) { Ok(()) } else { Err(pod["status"].to_string()) }
        })
        .await;
    }
}
