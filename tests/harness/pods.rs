//! The processes of a pod, seen from the machine that all of the cluster runs on.

use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::{World, deadline};

impl World {
    /// Name and uid of the one pod with these labels that is not on its way out.
    pub async fn pod(&self, labels: &str) -> (String, String) {
        let what = format!("pods?labelSelector={}", labels.replace('/', "%2F").replace('=', "%3D"));
        deadline::eventually(deadline::PODS, "there is one pod", || async {
            let list = self.get("v1", &what).await.map_err(|error| error.to_string())?;
            let pods = list["items"].as_array().cloned().unwrap_or_default();
            let mut live = pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
            match (live.next(), live.next()) {
                (Some(pod), None) => {
                    let text = |key: &str| pod["metadata"][key].as_str().unwrap_or_default().to_owned();
                    Ok((text("name"), text("uid")))
                }
                _ => Err(format!("{} pods", pods.len())),
            }
        })
        .await
    }

    /// Asks the cluster to evict a pod, as `kubectl drain` does.
    pub async fn evict(&self, pod: &str) {
        let eviction = json!({
            "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": { "name": pod, "namespace": self.namespace() },
        });
        let path = self.object("v1", &format!("pods/{pod}/eviction"));
        self.api().post(&path, &eviction).await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Ends by SIGKILL what runs `program` in the pod of this uid; how many processes that were.
    pub fn kill_in_pod(&self, uid: &str, program: &str) -> usize {
        let found = processes_of(uid, program);
        for pid in &found {
            // It may have ended by itself.
            let _ = kill(*pid, Signal::SIGKILL);
        }
        found.len()
    }
}

/// A pod's cgroups carry its uid, with `-` or, below systemd, `_`.
fn processes_of(uid: &str, program: &str) -> Vec<Pid> {
    let names = [uid.to_owned(), uid.replace('-', "_")];
    let own = |folder: &PathBuf| {
        let cgroup = std::fs::read_to_string(folder.join("cgroup")).unwrap_or_default();
        let exe = std::fs::read_link(folder.join("exe")).unwrap_or_default();
        names.iter().any(|name| cgroup.contains(name)) && exe.to_string_lossy().contains(program)
    };
    let folders = std::fs::read_dir("/proc").expect("/proc is there").flatten().map(|entry| entry.path());
    folders
        .filter(own)
        .filter_map(|folder| folder.file_name()?.to_str()?.parse().ok().map(Pid::from_raw))
        .collect()
}
