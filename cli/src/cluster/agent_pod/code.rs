//! What is different in an agent's pod that runs the laptop's code: it may use what the target may use, and the folder for the
//! code can be written.

use std::path::PathBuf;

use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements, Volume, VolumeMount};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::json;

use super::BASE;

/// Memory of the agent itself beside the code: what waits for readers that do not read, and its own.
const OWN_MEMORY: u64 = 128 << 20;
/// The volume for the code.
const VOLUME: &str = "devbridge-code";

/// The laptop's code in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// The folder in the container.
    pub to: PathBuf,
    /// What runs there.
    pub command: Vec<Vec<u8>>,
    /// `$(NAME)` in it stands for a variable, as Kubernetes has it.
    pub expand: bool,
    /// A volume of the pod's own lies over the folder, filled from the image.
    pub volume: bool,
    /// In so many pods.
    pub replicas: i32,
}

impl Code {
    /// Puts a volume over the folder, filled by a container of the same image before the agent starts, if the folder can't be
    /// written otherwise.
    pub(super) fn seed(&self, spec: &mut PodSpec, container: usize) {
        let Some(own) = spec.containers.get(container) else { return };
        let read_only = own.security_context.as_ref().and_then(|security| security.read_only_root_filesystem);
        let mounted = own.volume_mounts.iter().flatten().any(|mount| self.to.starts_with(&mount.mount_path));
        if !(self.volume || read_only == Some(true) && !mounted) {
            return;
        }
        let to = self.to.to_string_lossy().into_owned();
        let mount =
            |path: String| VolumeMount { name: VOLUME.into(), mount_path: path, ..VolumeMount::default() };
        let copies = format!("{BASE}/code");
        let mut seed = Container {
            name: VOLUME.into(),
            image: own.image.clone(),
            image_pull_policy: own.image_pull_policy.clone(),
            security_context: own.security_context.clone(),
            command: own.command.clone(),
            args: Some(["--once", "--", "seed", to.as_str(), copies.as_str()].map(str::to_owned).into()),
            resources: Some(super::own_resources()),
            env: own.env.clone(),
            env_from: own.env_from.clone(),
            ..Container::default()
        };
        let ours = |mount: &&VolumeMount| mount.mount_path.starts_with(BASE);
        seed.volume_mounts = Some(own.volume_mounts.iter().flatten().filter(ours).cloned().collect());
        seed.volume_mounts.get_or_insert_default().push(mount(copies));
        spec.init_containers.get_or_insert_default().push(seed);
        let volume = serde_json::from_value::<Volume>(json!({ "name": VOLUME, "emptyDir": {} }));
        spec.volumes.get_or_insert_default().extend(volume);
        if let Some(own) = spec.containers.get_mut(container) {
            own.volume_mounts.get_or_insert_default().push(mount(to));
        }
    }
}

/// The target's own, and the agent's memory beside it.
pub(super) fn resources(own: Option<ResourceRequirements>) -> Option<ResourceRequirements> {
    let mut resources = own?;
    for list in [&mut resources.requests, &mut resources.limits].into_iter().flatten() {
        if let Some(memory) = list.get_mut("memory")
            && let Some(bytes) = bytes(&memory.0)
        {
            *memory = Quantity((bytes + OWN_MEMORY).to_string());
        }
    }
    Some(resources)
}

/// Bytes of a quantity without a fraction: Kubernetes' API conventions, "Resource Quantities".
fn bytes(quantity: &str) -> Option<u64> {
    let digits = quantity.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match quantity.get(digits.len()..)? {
        "" => 1,
        "k" => 1000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(container: serde_json::Value) -> PodSpec {
        serde_json::from_value(json!({ "containers": [container] })).unwrap()
    }

    fn code(volume: bool) -> Code {
        Code { to: "/app".into(), command: Vec::new(), expand: false, volume, replicas: 1 }
    }

    #[test]
    fn a_folder_that_cannot_be_written_gets_a_volume_that_is_filled_from_the_image() {
        let read_only = json!({ "readOnlyRootFilesystem": true });
        let mut pod = spec(json!({ "name": "app", "image": "web:1", "securityContext": read_only,
            "volumeMounts": [{ "name": "devbridge-boot", "mountPath": "/devbridge/boot" }] }));
        code(false).seed(&mut pod, 0);
        let seed = &pod.init_containers.as_ref().unwrap()[0];
        assert_eq!(seed.image.as_deref(), Some("web:1"));
        let mounts = |container: &Container| -> Vec<_> {
            container.volume_mounts.iter().flatten().map(|mount| mount.mount_path.clone()).collect()
        };
        assert_eq!(mounts(seed), ["/devbridge/boot", "/devbridge/code"]);
        assert_eq!(mounts(&pod.containers[0]), ["/devbridge/boot", "/app"]);
    }

    #[test]
    fn one_that_can_be_written_is_used_as_it_is_unless_asked() {
        let mut pod = spec(json!({ "name": "app" }));
        code(false).seed(&mut pod, 0);
        assert!(pod.init_containers.is_none());
        code(true).seed(&mut pod, 0);
        assert!(pod.init_containers.is_some());
        let mounted = json!([{ "name": "data", "mountPath": "/app" }]);
        let mut pod = spec(
            json!({ "name": "app", "securityContext": { "readOnlyRootFilesystem": true }, "volumeMounts": mounted }),
        );
        code(false).seed(&mut pod, 0);
        assert!(pod.init_containers.is_none(), "a volume of the target's own lies there");
    }

    #[test]
    fn the_code_may_use_what_the_target_may() {
        let own = json!({ "limits": { "memory": "256Mi", "cpu": "2" }, "requests": { "memory": "1G" } });
        let with = resources(serde_json::from_value(own).unwrap()).unwrap();
        assert_eq!(with.limits.as_ref().unwrap()["memory"].0, (384_u64 << 20).to_string());
        assert_eq!(with.limits.unwrap()["cpu"].0, "2");
        assert_eq!(with.requests.unwrap()["memory"].0, (1_000_000_000 + OWN_MEMORY).to_string());
        assert_eq!(resources(None), None);
    }
}
