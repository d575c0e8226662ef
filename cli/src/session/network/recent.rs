//! Values by key, bounded in number: those that were not used for the longest time go first.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// The most recently used values.
pub(super) struct Recent<K, V> {
    most: usize,
    /// Counts uses; the first is 1.
    clock: u64,
    kept: HashMap<K, (u64, V)>,
    order: BTreeMap<u64, K>,
}

impl<K: Clone + Eq + Hash, V> Recent<K, V> {
    pub(super) fn new(most: usize) -> Self {
        Self { most, clock: 0, kept: HashMap::new(), order: BTreeMap::new() }
    }

    /// Uses the value of `key`, which is made if it is not there.
    pub(super) fn touch(&mut self, key: K, new: impl FnOnce() -> V) -> &mut V {
        if self.kept.len() >= self.most
            && !self.kept.contains_key(&key)
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.kept.remove(&oldest);
        }
        self.clock += 1;
        let (used, value) = self.kept.entry(key.clone()).or_insert_with(|| (0, new()));
        self.order.remove(used);
        *used = self.clock;
        self.order.insert(self.clock, key);
        value
    }

    /// Looks without using it.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.kept.get(key).map(|(_, value)| value)
    }

    /// As [`Self::get`], to be changed.
    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.kept.get_mut(key).map(|(_, value)| value)
    }

    /// All of them, the one that was not used for the longest time first.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.order.values().filter_map(|key| self.get(key))
    }
}
