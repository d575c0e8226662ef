//! The processes of a pod, seen from the machine that all of the cluster runs on.

use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tokio::process::Command;

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

    /// Fills the memory of the container that runs `program` in the pod of this uid, up to its limit, until the kernel has
    /// ended that program. The kernel prefers processes of pods to what fills, by their `oom_score_adj`.
    pub async fn fill_memory_in_pod(&self, uid: &str, program: &str) {
        let [pid] = processes_of(uid, program)[..] else { panic!("one {program} on this machine") };
        let cgroup = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("a process has a cgroup");
        let procs = memory_cgroup(&cgroup).join("cgroup.procs");
        let fill = "echo $$ > \"$0\" && exec tail /dev/zero";
        let mut filler = Command::new("sh");
        let _filler = filler.args(["-c", fill]).arg(procs).kill_on_drop(true).spawn().expect("sh is there");
        deadline::eventually(deadline::LOOK, "the kernel ends the container", || async {
            if processes_of(uid, program).contains(&pid) { Err("it runs") } else { Ok(()) }
        })
        .await;
    }
}

/// Where a process' memory is counted, from what `/proc/PID/cgroup` says: lines of `number:controllers:path`, with an
/// empty middle for version 2 (cgroups(7)).
fn memory_cgroup(cgroup: &str) -> PathBuf {
    let lines = cgroup.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let lines: Vec<_> = lines.collect();
    let of = |wanted: &str| {
        let controllers = |all: &str| all.split(',').any(|one| one == wanted);
        lines.iter().find(|(all, _)| controllers(all)).map(|(_, path)| path.trim_start_matches('/'))
    };
    match (of("memory"), of("")) {
        (Some(path), _) => Path::new("/sys/fs/cgroup/memory").join(path),
        (None, Some(path)) => Path::new("/sys/fs/cgroup").join(path),
        (None, None) => panic!("no memory is counted: {cgroup}"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_counted_in_one_of_two_hierarchies() {
        let first = memory_cgroup("9:cpu,cpuacct:/a\n7:memory:/kubepods/x\n0::/y\n");
        assert_eq!(first, Path::new("/sys/fs/cgroup/memory/kubepods/x"));
        assert_eq!(memory_cgroup("0::/kubepods/x\n"), Path::new("/sys/fs/cgroup/kubepods/x"));
    }
}
