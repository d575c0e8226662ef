//! From what has passed to exchanges in the ring.
//!
//! An exchange that ends while it is read is put once. Of one that goes on, what there is of it is put when all that was gathered
//! has been read: copies are what recording costs, and nobody is told in between.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use inspector::read::{Clock, Limits, Reader, Sink};
use inspector::{End, Exchange, Route};
use tokio::time;

use super::queue::{Event, Queue, What};
use super::{GATHER, Inspector};

/// Empties the queue again and again.
pub(super) async fn run(inspector: &Inspector, queue: &Queue) {
    let mut recorder = Recorder { inspector, connections: HashMap::new() };
    loop {
        queue.filled().await;
        time::sleep(GATHER).await;
        for event in queue.take() {
            recorder.take(event);
        }
        recorder.look();
        inspector.tell();
    }
}

struct Recorder<'a> {
    inspector: &'a Inspector,
    connections: HashMap<u64, Connection>,
}

/// One that is being read.
struct Connection {
    reader: Reader,
    ids: Ids,
    deaf: Arc<AtomicBool>,
    /// Something passed since it was looked at.
    touched: bool,
}

/// Which exchange of a connection has which id.
#[derive(Default)]
struct Ids(HashMap<u64, u64>);

impl Recorder<'_> {
    fn take(&mut self, Event { connection, at, what }: Event) {
        let what = match what {
            What::Made(first, deaf) => {
                let reader = Reader::new(*first, Clock::now(), Limits::default());
                let made = Connection { reader, ids: Ids::default(), deaf, touched: false };
                self.connections.insert(connection, made);
                return;
            }
            what => what,
        };
        let over = matches!(what, What::Gone);
        let Some(heard) = self.connections.get_mut(&connection) else { return };
        heard.take(what, at, self.inspector);
        if over || heard.reader.is_opaque() {
            heard.deaf.store(true, Ordering::Relaxed);
            self.connections.remove(&connection);
        }
    }

    /// What goes on is put as far as it has come.
    fn look(&mut self) {
        for connection in self.connections.values_mut().filter(|connection| connection.touched) {
            connection.touched = false;
            for (key, exchange) in connection.reader.open() {
                connection.ids.put(key, exchange.clone(), self.inspector);
            }
        }
    }
}

impl Connection {
    fn take(&mut self, what: What, at: Instant, inspector: &Inspector) {
        self.touched = true;
        let Self { reader, ids, .. } = self;
        let mut sink = Ring { ids, inspector, elsewhere: None };
        match what {
            What::Bytes(side, bytes) => reader.feed(side, &bytes, at, &mut sink),
            What::Ended(side) => reader.finish(side, at, &mut sink),
            What::Lost => reader.cut(End::Unread, at, &mut sink),
            What::Elsewhere(why) => {
                sink.elsewhere = Some(why);
                reader.cut(End::Elsewhere, at, &mut sink);
            }
            What::Gone => reader.cut(End::Cut, at, &mut sink),
            What::Made(..) => {}
        }
    }
}

/// Where the reader of one connection puts its exchanges.
struct Ring<'a> {
    ids: &'a mut Ids,
    inspector: &'a Inspector,
    elsewhere: Option<String>,
}

impl Sink for Ring<'_> {
    fn begun(&mut self, key: u64, _: &Exchange) {
        self.ids.0.insert(key, self.inspector.next_id());
    }

    fn answered(&mut self, _: u64, _: &Exchange) {}

    fn ended(&mut self, key: u64, mut exchange: Exchange) {
        if let Some(why) = &self.elsewhere {
            exchange.route = Route::Originals { why: why.clone() };
        }
        self.ids.put(key, exchange, self.inspector);
        self.ids.0.remove(&key);
    }
}

impl Ids {
    fn put(&self, key: u64, mut exchange: Exchange, inspector: &Inspector) {
        // Only what has begun is put.
        let Some(id) = self.0.get(&key) else { return };
        exchange.id = *id;
        inspector.ring().put(exchange);
    }
}
