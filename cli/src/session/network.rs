//! Whom the process asks: names in the pod's DNS, and addresses that it connects to through the pod.
//!
//! Counted where it passes, told a few times a second at most: nothing that is carried waits for it.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time;
use tunnel::status::{Name, Network};

mod dial;
mod question;
mod recent;
#[cfg(test)]
mod tests;

pub use dial::{Dial, Open};

use super::journal::{Journal, now_ms};
use dial::Known;
use question::Answered;
use recent::Recent;

/// Names and peers that are kept, of each.
const MOST: usize = 500;
/// Addresses whose names are known.
const ADDRESSES: usize = 2000;
/// Between two times that it is told.
const PACE: Duration = Duration::from_millis(250);

/// What is known of it. Cheap to clone.
#[derive(Clone, Default)]
pub struct Contacts(Arc<Inner>);

struct Inner {
    table: Mutex<Table>,
    /// Something has changed since it was told.
    changed: AtomicBool,
    more: Notify,
}

struct Table {
    /// By name and kind.
    names: Recent<(String, String), Name>,
    peers: Recent<SocketAddr, Known>,
    /// The names that addresses were found by.
    addresses: Recent<IpAddr, String>,
}

impl Default for Inner {
    fn default() -> Self {
        let table =
            Table { names: Recent::new(MOST), peers: Recent::new(MOST), addresses: Recent::new(ADDRESSES) };
        Self { table: Mutex::new(table), changed: AtomicBool::default(), more: Notify::new() }
    }
}

impl Contacts {
    /// The process has asked this and got that; none: no answer came. Both may be anything.
    pub fn asked(&self, question: &[u8], answer: Option<&[u8]>, took: Duration) {
        let Answered { name, kind, answer, failed, addresses } = question::read(question, answer);
        let took = micros(took);
        {
            let mut table = self.table();
            for address in addresses {
                *table.addresses.touch(address, String::new) = name.clone();
            }
            let key = (name.clone(), kind.clone());
            let known = table.names.touch(key, || Name { name, kind, ..Name::default() });
            known.answer = answer;
            known.asked += 1;
            known.failed += u64::from(failed);
            known.last_us = took;
            known.most_us = known.most_us.max(took);
            known.at_ms = now_ms().saturating_sub(took / 1000);
        }
        self.mark();
    }

    /// The process connects to this address; `name` is what else is known of it.
    pub fn dials(&self, to: SocketAddr, name: Option<&str>) -> Dial {
        let traffic = {
            let mut table = self.table();
            let name = name.map(str::to_owned).or_else(|| table.addresses.get(&to.ip()).cloned());
            let known = table.peers.touch(to, || Known::new(to));
            known.tried(name)
        };
        self.mark();
        Dial::new(self.clone(), to, traffic)
    }

    /// Tells the journal whenever something has changed, until dropped.
    pub async fn publish(self, journal: Journal) {
        let mut told = Network::default();
        loop {
            self.0.more.notified().await;
            self.0.changed.swap(false, Ordering::AcqRel);
            let now = self.now();
            if now != told {
                told.clone_from(&now);
                journal.network(now);
            }
            time::sleep(PACE).await;
        }
    }

    /// All of it.
    pub fn now(&self) -> Network {
        let table = self.table();
        Network {
            dns: table.names.values().cloned().collect(),
            outbound: table.peers.values().map(Known::peer).collect(),
        }
    }

    fn mark(&self) {
        if !self.0.changed.swap(true, Ordering::AcqRel) {
            self.0.more.notify_one();
        }
    }

    /// As [`Self::mark`], for what happens with every packet.
    fn mark_soon(&self) {
        if !self.0.changed.load(Ordering::Acquire) {
            self.mark();
        }
    }

    /// Never held across an await.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
