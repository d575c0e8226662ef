//! What was saved, and what became of it.
//!
//! Saves become one on their way: a pod that is busy gets all that came meanwhile at once, and a process is started once for
//! several. So what is true of a save is true of those before it, too.

use std::collections::BTreeMap;

use tokio::time::Instant;
use tunnel::status::Save;

/// Saves that are kept.
const MOST: usize = 100;

/// The newest saves by generation.
#[derive(Default)]
pub struct Saves {
    kept: BTreeMap<u64, Kept>,
    version: u64,
}

struct Kept {
    save: Save,
    version: u64,
    saved: Instant,
    /// The process was started anew for it and does not listen yet.
    awaited: bool,
}

impl Saves {
    /// Changes from now on have this number.
    pub(super) fn at(&mut self, version: u64) {
        self.version = version;
    }

    /// Something was saved at that time. One that failed before it was sent is there again with the same generation, and more
    /// in it.
    pub fn noticed(&mut self, save: Save, saved: Instant) {
        let kept = Kept { version: self.version, saved, awaited: false, save };
        self.kept.insert(kept.save.generation, kept);
        while self.kept.len() > MOST {
            self.kept.pop_first();
        }
    }

    /// The pod that the session is at has what was saved until `generation`; `restarts`: the process is started anew for it.
    pub fn synced(&mut self, generation: u64, bytes: u64, restarts: bool) {
        self.each(
            |kept| kept.save.generation <= generation && kept.save.synced_ms.is_none(),
            |kept| {
                kept.save.synced_ms = Some(millis(kept.saved));
                kept.save.failed = None;
                kept.awaited = restarts;
            },
        );
        if let Some(kept) = self.kept.get_mut(&generation).filter(|kept| kept.version == self.version) {
            kept.save.bytes = bytes;
        }
    }

    /// The process is started anew for all that was saved until `generation`.
    pub fn restarts(&mut self, generation: u64) {
        let due = |kept: &Kept| {
            kept.save.generation <= generation && kept.save.listens_ms.is_none() && kept.save.failed.is_none()
        };
        self.each(due, |kept| kept.awaited = true);
    }

    /// The process that was started anew listens.
    pub fn listens(&mut self) {
        self.each(
            |kept| kept.awaited,
            |kept| {
                kept.save.listens_ms = Some(millis(kept.saved));
                kept.awaited = false;
            },
        );
    }

    /// The process that was started anew will not listen.
    pub fn does_not_listen(&mut self, why: &str) {
        self.each(
            |kept| kept.awaited,
            |kept| {
                kept.save.failed = Some(why.to_owned());
                kept.awaited = false;
            },
        );
    }

    /// What was saved until `generation` and is not in the pod does not get there for now.
    pub fn failed(&mut self, generation: u64, why: &str) {
        let waits = |kept: &Kept| {
            let Save { synced_ms, listens_ms, failed, .. } = &kept.save;
            !kept.awaited && synced_ms.is_none() && listens_ms.is_none() && failed.is_none()
        };
        self.each(
            |kept| kept.save.generation <= generation && waits(kept),
            |kept| kept.save.failed = Some(why.to_owned()),
        );
    }

    /// Saves that have changed after this version, and when.
    pub(super) fn after(&self, version: u64) -> impl Iterator<Item = (u64, &Save)> {
        self.kept.values().filter(move |kept| kept.version > version).map(|kept| (kept.version, &kept.save))
    }

    fn each(&mut self, which: impl Fn(&Kept) -> bool, change: impl Fn(&mut Kept)) {
        for kept in self.kept.values_mut().filter(|kept| which(kept)) {
            kept.version = self.version;
            change(kept);
        }
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
