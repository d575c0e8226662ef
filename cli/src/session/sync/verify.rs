//! Whether the pods have what the laptop has: every file is read again there and compared, whatever was said before.

use serde::{Deserialize, Serialize};

use super::Sync;
use super::compare::compare;
use super::files::{Files, FilesError};
use super::items::Item;
use super::outlet::Question;

/// Differences of one pod that are told one by one.
const TOLD: usize = 1000;

/// What became of comparing one pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// Its name.
    pub pod: String,
    /// Which generation it was compared with.
    pub generation: u64,
    /// Paths that are the same.
    pub same: u64,
    /// Paths that are not, a thousand of them at most.
    pub differences: Vec<Difference>,
    /// They were sent again, and the pod has what the laptop has now.
    pub repaired: bool,
}

/// A path that is not the same at both ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Relative to the folder.
    pub path: String,
    /// What differs.
    pub what: What,
}

/// How a path differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// It is missing in the pod, or its contents or kind are others.
    Contents,
    /// Permissions or time.
    Metadata,
    /// Only the pod has it.
    Extra,
}

impl Sync {
    /// Has every pod compared with the laptop, and sends again what differs if that is to be repaired. Waits for pods that
    /// are busy.
    pub async fn verify(&self, repair: bool) -> Vec<Verified> {
        let outlets = self.local().outlets.clone();
        let all = outlets.iter().map(|outlet| outlet.verify(repair));
        futures::future::join_all(all).await.into_iter().flatten().collect()
    }

    /// Compares one pod, and answers; whether it was repaired.
    pub(super) async fn compare(
        &self,
        pod: &str,
        files: &mut Files,
        question: Question,
    ) -> Result<bool, FilesError> {
        let (local, generation) = {
            let local = self.local();
            (std::sync::Arc::clone(&local.entries), local.generation)
        };
        let batch = compare(files, self.folder(), &self.order.pulls, &local, self.order.keep).await?;
        let differences: Vec<_> = batch.iter().filter_map(difference).collect();
        let same = (batch.len() - differences.len()) as u64;
        let mut repaired = false;
        if question.repair && !differences.is_empty() {
            files.forget().await?;
            repaired = files.write(self.folder(), batch, generation).await?.same;
        }
        let pod = pod.to_owned();
        let differences = differences.into_iter().take(TOLD).collect();
        // Who asked may not wait any more.
        let _ = question.answer.send(Verified { pod, generation, same, differences, repaired });
        Ok(repaired)
    }
}

fn difference(item: &Item) -> Option<Difference> {
    let (path, what) = match item {
        Item::Keep(..) => return None,
        Item::Folder(path, _) | Item::Link(path, _) | Item::File { path, .. } => (path, What::Contents),
        Item::Meta(path, ..) => (path, What::Metadata),
        Item::Remove(path) => (path, What::Extra),
    };
    Some(Difference { path: path.display().to_string(), what })
}
