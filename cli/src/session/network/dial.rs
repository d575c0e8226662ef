//! One connection of the process, from the attempt to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use tunnel::splice::{Observer, Way};
use tunnel::status::Peer;

use super::{Contacts, micros};
use crate::session::inspect::Tap;
use crate::session::journal::now_ms;

/// An address that was connected to.
pub(super) struct Known {
    /// Without what `traffic` counts.
    peer: Peer,
    traffic: Arc<Traffic>,
}

/// What connections count while they are open, without a look at the table.
#[derive(Default)]
pub(super) struct Traffic {
    open: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Known {
    pub(super) fn new(to: SocketAddr) -> Self {
        Self { peer: Peer { address: to.to_string(), ..Peer::default() }, traffic: Arc::default() }
    }

    pub(super) fn tried(&mut self, name: Option<String>) -> Arc<Traffic> {
        self.peer.connections += 1;
        self.peer.at_ms = now_ms();
        // What was known of it before may be still true.
        self.peer.name = name.or(self.peer.name.take());
        Arc::clone(&self.traffic)
    }

    pub(super) fn peer(&self) -> Peer {
        Peer {
            open: self.traffic.open.load(Ordering::Relaxed),
            sent: self.traffic.sent.load(Ordering::Relaxed),
            received: self.traffic.received.load(Ordering::Relaxed),
            ..self.peer.clone()
        }
    }
}

/// A connection that is being made.
pub struct Dial {
    contacts: Contacts,
    to: SocketAddr,
    since: Instant,
    traffic: Arc<Traffic>,
}

impl Dial {
    pub(super) fn new(contacts: Contacts, to: SocketAddr, traffic: Arc<Traffic>) -> Self {
        Self { contacts, to, since: Instant::now(), traffic }
    }

    /// It could not be made.
    pub fn failed(self, why: impl Into<String>) {
        self.change(|peer, _| {
            peer.failed += 1;
            peer.why = Some(why.into());
        });
    }

    /// It was made; the tap sees what passes, too.
    pub fn stands(self, tap: Option<Tap>) -> Open {
        self.traffic.open.fetch_add(1, Ordering::Relaxed);
        self.change(|peer, took| {
            peer.last_us = took;
            peer.most_us = peer.most_us.max(took);
            peer.why = None;
        });
        Open { contacts: self.contacts, traffic: self.traffic, tap }
    }

    fn change(&self, change: impl FnOnce(&mut Peer, u64)) {
        let took = micros(self.since.elapsed());
        // Others may have taken its place meanwhile.
        if let Some(known) = self.contacts.table().peers.get_mut(&self.to) {
            change(&mut known.peer, took);
        }
        self.contacts.mark();
    }
}

/// A connection that is open until this is dropped. Sees what passes.
pub struct Open {
    contacts: Contacts,
    traffic: Arc<Traffic>,
    tap: Option<Tap>,
}

impl Open {
    /// So many bytes have gone that way.
    pub fn count(&self, way: Way, bytes: u64) {
        let counter = match way {
            Way::ToFlow => &self.traffic.sent,
            Way::ToTcp => &self.traffic.received,
        };
        counter.fetch_add(bytes, Ordering::Relaxed);
        self.contacts.mark_soon();
    }
}

impl Observer for Open {
    fn passed(&self, way: Way, bytes: Bytes) {
        self.count(way, bytes.len() as u64);
        if let Some(tap) = &self.tap {
            tap.passed(way, bytes);
        }
    }

    fn ended(&self, way: Way) {
        if let Some(tap) = &self.tap {
            tap.ended(way);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.traffic.open.fetch_sub(1, Ordering::Relaxed);
        self.contacts.mark();
    }
}
