//! Everything that the cluster can list, to be compared before and after.
//!
//! What may differ is written down in [`forget`], each with its reason, and is as little as the cluster allows.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;

use crate::deadline;
use crate::{Api, ApiError, World};

/// The paths of all lists, with a gap for the namespace.
#[derive(Debug, Clone)]
pub(crate) struct Lists {
    namespaced: Vec<(String, String)>,
    cluster: Vec<(String, String)>,
}

/// All objects of a namespace and of the cluster around it, by path.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    objects: BTreeMap<String, Value>,
}

impl Lists {
    /// Asks the cluster which kinds it can list.
    pub(crate) async fn discover(api: &Api) -> Result<Self, ApiError> {
        let mut found = Self { namespaced: Vec::new(), cluster: Vec::new() };
        let groups = api.get("/apis").await?;
        let roots = groups["groups"].as_array().into_iter().flatten();
        let roots = roots.filter_map(|group| {
            Some(format!("/apis/{}", group["preferredVersion"]["groupVersion"].as_str()?))
        });
        for root in roots.chain(["/api/v1".to_owned()]) {
            let resources = api.get(&root).await?;
            for resource in resources["resources"].as_array().into_iter().flatten() {
                let name = resource["name"].as_str().unwrap_or_default();
                let listable =
                    resource["verbs"].as_array().is_some_and(|verbs| verbs.iter().any(|verb| verb == "list"));
                if !listable || name.contains('/') || is_no_object(&root, name) {
                    continue;
                }
                let lists =
                    if resource["namespaced"] == true { &mut found.namespaced } else { &mut found.cluster };
                lists.push((root.clone(), name.to_owned()));
            }
        }
        assert!(found.namespaced.len() > 20, "a cluster lists more kinds than {found:?}");
        Ok(found)
    }
}

/// Kinds that tell of objects, and are none.
fn is_no_object(root: &str, name: &str) -> bool {
    match name {
        // What happened stays true after it was undone; the cluster itself forgets it after an hour.
        "events" => true,
        // Asked anew each time.
        "componentstatuses" => true,
        _ => root.contains("metrics.k8s.io"),
    }
}

impl Snapshot {
    /// Lists everything in a namespace, and around all namespaces.
    pub(crate) async fn take(api: &Api, lists: &Lists, namespace: &str) -> Result<Self, ApiError> {
        let namespaced =
            lists.namespaced.iter().map(|(root, name)| format!("{root}/namespaces/{namespace}/{name}"));
        let cluster = lists.cluster.iter().map(|(root, name)| format!("{root}/{name}"));
        let paths: Vec<String> = namespaced.chain(cluster).collect();
        let answers = join_all(paths.iter().map(|path| api.get(path))).await;
        let mut objects = BTreeMap::new();
        for (path, list) in paths.iter().zip(answers) {
            for mut object in list?["items"].as_array_mut().map(std::mem::take).unwrap_or_default() {
                if !is_of_others(path, &object, namespace) {
                    forget(path, &mut object);
                    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                    objects.insert(format!("{path}/{name}"), object);
                }
            }
        }
        Ok(Self { objects })
    }

    /// What is different, in words; empty when nothing is.
    pub fn changes_to(&self, after: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        for (path, object) in &self.objects {
            match after.objects.get(path) {
                None => changes.push(format!("{path} is gone")),
                Some(now) => differences(path, object, now, &mut changes),
            }
        }
        changes.extend(
            after
                .objects
                .keys()
                .filter(|path| !self.objects.contains_key(*path))
                .map(|path| format!("{path} is new")),
        );
        changes
    }

    /// The paths of all objects that mention devbridge in what is theirs: labels, names, spec.
    pub fn left_behind(&self) -> Vec<&str> {
        self.objects
            .iter()
            .filter(|(_, object)| object.to_string().contains("devbridge.dev"))
            .map(|(path, _)| path.as_str())
            .collect()
    }
}

impl World {
    /// Everything that can be listed now.
    pub async fn snapshot(&self) -> Snapshot {
        let lists = self.cluster().lists();
        Snapshot::take(self.api(), lists, self.namespace())
            .await
            .unwrap_or_else(|error| panic!("snapshot: {error}"))
    }

    /// Waits until nothing of devbridge can be listed.
    pub async fn nothing_is_left(&self) {
        deadline::eventually(deadline::CLEAN, "nothing is left behind", || async {
            let now = self.snapshot().await;
            let left = now.left_behind();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        })
        .await;
    }

    /// Waits until everything is as it was; what devbridge made is removed by the cluster after the command returned.
    pub async fn is_again(&self, before: &Snapshot) {
        self.is_again_within(before, deadline::CLEAN).await;
    }

    /// The same with another deadline.
    pub async fn is_again_within(&self, before: &Snapshot, within: Duration) {
        deadline::eventually(within, "everything is as before", || async {
            let changes = before.changes_to(&self.snapshot().await);
            if changes.is_empty() { Ok(()) } else { Err(changes.join("\n  ")) }
        })
        .await;
    }
}

/// Objects of the cluster's scope that belong to other tests, or to the cluster's own machines.
fn is_of_others(path: &str, object: &Value, namespace: &str) -> bool {
    let name = &object["metadata"]["name"];
    if path.ends_with("/namespaces") {
        return name != namespace;
    }
    // One for each Service in the cluster.
    if path.ends_with("/ipaddresses") {
        return object["spec"]["parentRef"]["namespace"] != namespace;
    }
    // Made for each ServiceAccount or test user of other tests.
    path.ends_with("/clusterrolebindings")
        && object["metadata"]["labels"]["devbridge-test"] != namespace
        && name.as_str().is_some_and(|name| name.starts_with("devbridge-test-"))
}

/// Takes out what the cluster changes by itself.
fn forget(path: &str, object: &mut Value) {
    let remove = |of: &mut Value, keys: &[&str]| {
        if let Some(map) = of.as_object_mut() {
            keys.iter().for_each(|key| {
                map.remove(*key);
            });
        }
    };
    // Every write counts up the one and is noted in the other, the write that undoes included.
    remove(&mut object["metadata"], &["resourceVersion", "managedFields"]);
    if path.ends_with("/endpointslices") || path.ends_with("/endpoints") {
        // Derived from Services and pods, and written by a controller that notes when, and keeps no order.
        remove(&mut object["metadata"], &["generation"]);
        remove(&mut object["metadata"]["annotations"], &["endpoints.kubernetes.io/last-change-trigger-time"]);
        if object["metadata"]["annotations"].as_object().is_none_or(serde_json::Map::is_empty) {
            remove(&mut object["metadata"], &["annotations"]);
        }
        for list in ["endpoints", "ports", "subsets"] {
            if let Some(list) = object[list].as_array_mut() {
                list.sort_by_key(ToString::to_string);
            }
        }
        // `null` and missing are the same.
        if object["endpoints"].is_null() {
            remove(object, &["endpoints"]);
        }
        if object["subsets"].is_null() {
            remove(object, &["subsets"]);
        }
        if object["ports"].is_null() {
            remove(object, &["ports"]);
        }
    }
    // Heartbeats of machines, and the images they hold.
    if path.ends_with("/nodes") {
        remove(object, &["status"]);
    }
    // When a lease was renewed last: machines and controllers do that all the time. (Ours are gone altogether.)
    if path.ends_with("/leases") {
        remove(&mut object["spec"], &["renewTime"]);
    }
}

fn differences(path: &str, before: &Value, after: &Value, changes: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                differences(&format!("{path} .{key}"), &before[key], &after[key], changes);
            }
        }
        (a, b) if a == b => {}
        (a, b) => changes.push(format!("{path}: was {a}, is {b}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(path: &str, mut object: Value) -> Snapshot {
        forget(path, &mut object);
        Snapshot { objects: BTreeMap::from([(format!("{path}/x"), object)]) }
    }

    #[test]
    fn a_key_that_stayed_in_a_selector_is_seen() {
        let services = "/api/v1/namespaces/n/services";
        let before = one(
            services,
            json!({ "metadata": { "resourceVersion": "1" }, "spec": { "selector": { "a": "b" } } }),
        );
        let touched = one(
            services,
            json!({ "metadata": { "resourceVersion": "9" }, "spec": { "selector": { "a": "b" } } }),
        );
        let left = one(
            services,
            json!({ "metadata": {}, "spec": { "selector": { "a": "b", "devbridge.dev/agent": "x" } } }),
        );
        assert_eq!(before.changes_to(&touched), Vec::<String>::new());
        assert_eq!(before.changes_to(&left).len(), 1);
        assert_eq!(left.left_behind().len(), 1);
    }

    #[test]
    fn objects_that_came_or_went_are_seen() {
        let empty = Snapshot { objects: BTreeMap::new() };
        let pods = one("/api/v1/namespaces/n/pods", json!({ "metadata": {} }));
        assert_eq!(empty.changes_to(&pods), ["/api/v1/namespaces/n/pods/x is new"]);
        assert_eq!(pods.changes_to(&empty), ["/api/v1/namespaces/n/pods/x is gone"]);
    }
}
