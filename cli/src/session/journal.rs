//! What a session remembers of itself: what it did and met, what its process wrote, whom that asked, what was saved.
//!
//! All of it is bounded. Each change has a number, and readers ask for what came after the number that they were told last:
//! nothing waits for a slow one, and what is kept no more when it comes is counted for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use inspector::decode::printable;
use tokio::sync::watch;
use tunnel::status::{Event, Level, Network, News, Said};

mod log;
mod saves;
#[cfg(test)]
mod tests;

pub use saves::Saves;

use log::{Log, Room};

/// Events: a line of words each.
const EVENTS: Room = Room { entries: 1000, bytes: 1 << 20 };
/// Lines of the process.
const LINES: Room = Room { entries: 2000, bytes: 4 << 20 };
/// Longest line, in bytes; more of it is cut off.
pub const MAX_LINE: usize = 8 << 10;

/// Cheap to clone.
#[derive(Clone)]
pub struct Journal {
    kept: Arc<Mutex<Kept>>,
    changed: Arc<watch::Sender<u64>>,
}

/// What there is, and the number of the newest change.
#[derive(Default)]
struct Kept {
    version: u64,
    events: Log<Event>,
    lines: Log<Said>,
    saves: Saves,
    network: (u64, Network),
}

/// How far somebody has read; the default is before everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    version: u64,
    /// Events and lines that were told or counted as missed.
    events: u64,
    lines: u64,
}

impl Journal {
    /// An empty one.
    pub fn new() -> Self {
        let kept = Kept { events: Log::new(EVENTS), lines: Log::new(LINES), ..Kept::default() };
        Self { kept: Arc::new(Mutex::new(kept)), changed: Arc::new(watch::Sender::new(0)) }
    }

    /// Something was done or met. Several lines become one, and what would move a cursor is spelled out.
    pub fn event(&self, level: Level, text: &str) {
        let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let text = cut(&printable(&lines.join("; "))).to_owned();
        self.change(|kept, version| {
            let bytes = text.len();
            kept.events.push(version, Event { at_ms: now_ms(), level, text }, bytes);
        });
    }

    /// The process has written a line.
    pub fn said(&self, text: &str) {
        let text = cut(text).to_owned();
        self.change(|kept, version| {
            let bytes = text.len();
            kept.lines.push(version, Said { at_ms: now_ms(), text }, bytes);
        });
    }

    /// Whom the process has asked until now.
    pub fn network(&self, network: Network) {
        self.change(|kept, version| kept.network = (version, network));
    }

    /// What was saved has come further.
    pub fn saves(&self, change: impl FnOnce(&mut Saves)) {
        self.change(|kept, version| {
            kept.saves.at(version);
            change(&mut kept.saves);
        });
    }

    /// Another session begins: what was saved and asked in the one before is not its own.
    pub fn begin(&self) {
        self.change(|kept, version| {
            kept.saves = Saves::default();
            kept.network = (version, Network::default());
        });
    }

    /// The number of the newest change, now and later.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// What has changed since `place`, oldest first, about `most` of it; moves `place` there. Nothing: that was all.
    pub fn since(&self, place: &mut Place, most: usize) -> Vec<News> {
        self.kept().since(place, most)
    }

    fn change(&self, change: impl FnOnce(&mut Kept, u64)) {
        let version = {
            let mut kept = self.kept();
            kept.version += 1;
            let version = kept.version;
            change(&mut kept, version);
            version
        };
        // Of two at once the later one may have been told already.
        self.changed.send_if_modified(|told| {
            let newer = version > *told;
            *told = version.max(*told);
            newer
        });
    }

    /// Never held across an await.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self::new()
    }
}

impl Kept {
    fn since(&self, place: &mut Place, most: usize) -> Vec<News> {
        let most = most.clamp(1, usize::MAX - 1);
        let mut news = Vec::new();
        let missed = self.events.missed(&mut place.events) + self.lines.missed(&mut place.lines);
        if missed > 0 {
            news.push((0, News::Missed(missed)));
        }
        let after = place.version;
        // One more than is told shows that there is more.
        news.extend(
            self.events.after(after).take(most + 1).map(|(at, event)| (at, News::Event(event.clone()))),
        );
        news.extend(self.lines.after(after).take(most + 1).map(|(at, said)| (at, News::Said(said.clone()))));
        news.extend(self.saves.after(after).map(|(at, save)| (at, News::Save(save.clone()))));
        let (at, network) = &self.network;
        if *at > after {
            news.push((*at, News::Network(network.clone())));
        }
        news.sort_by_key(|(at, _)| *at);
        // One change may have touched several.
        let mut end = most;
        while news.get(end).is_some_and(|(at, _)| news.get(end - 1).is_some_and(|(before, _)| before == at)) {
            end += 1;
        }
        place.version = match news.get(end - 1) {
            Some((at, _)) if news.len() > end => after.max(*at),
            _ => self.version,
        };
        news.truncate(end);
        for (_, told) in &news {
            match told {
                News::Event(_) => place.events += 1,
                News::Said(_) => place.lines += 1,
                _ => {}
            }
        }
        news.into_iter().map(|(_, news)| news).collect()
    }
}

/// The first [`MAX_LINE`] bytes, at most, that are whole characters.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_LINE)).unwrap_or_default()
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default()
}
