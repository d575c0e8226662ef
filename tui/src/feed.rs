//! What comes in, from whoever follows the sessions to the screen: bounded, and never waited for.
//!
//! States take each other's place, so that only the newest waits. The rest queues up; where the screen is slower than its
//! sources the oldest of it goes, and how much went is shown.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use inspector::Exchange;
use tunnel::status::{Event, Network, Said, Save, Session};

/// Updates that wait to be drawn; ten times a second they are taken.
const ROOM: usize = 4096;
/// Answers that wait; there is one for each action, and those are asked for by hand.
const ANSWERS: usize = 256;

/// Something new about a session, named by its id.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// Its newest state.
    Session(Box<Session>),
    /// All that it keeps is told from the beginning: what it said before would be there twice.
    Anew {
        /// Its id.
        session: String,
    },
    /// It does not answer any more.
    Lost {
        /// Its id.
        session: String,
        /// For people.
        why: String,
    },
    /// It has ended, as somebody wanted.
    Ended {
        /// Its id.
        session: String,
    },
    /// An exchange, or its newer state; without bodies.
    Exchange {
        /// Whose.
        session: String,
        /// See above.
        exchange: Arc<Exchange>,
    },
    /// Exchanges up to this id are kept no more.
    Forgotten {
        /// Whose.
        session: String,
        /// See above.
        up_to: u64,
    },
    /// Something that devbridge did or met, or Kubernetes.
    Event {
        /// Whose.
        session: String,
        /// Who says so.
        by: By,
        /// See above.
        event: Event,
    },
    /// A line that somebody wrote.
    Line {
        /// Whose.
        session: String,
        /// Who wrote it.
        source: Source,
        /// The pod, where it is one's.
        pod: Option<String>,
        /// See above.
        line: Said,
    },
    /// Whom its process has asked.
    Network {
        /// Whose.
        session: String,
        /// All of it.
        network: Box<Network>,
    },
    /// What was saved, or its newer state.
    Save {
        /// Whose.
        session: String,
        /// See above.
        save: Save,
    },
    /// So many of its events and lines were not told, because somebody was too slow.
    Missed {
        /// Whose.
        session: String,
        /// See above.
        count: u64,
    },
    /// What became of an action.
    Answer(Answer),
}

/// Who says that something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum By {
    /// devbridge.
    Devbridge,
    /// Kubernetes, of the target's objects.
    Kubernetes,
}

/// Whose lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The developer's process, here or in the pods.
    #[default]
    Process,
    /// The target's own pods.
    Originals,
    /// devbridge's agent.
    Agent,
}

/// What became of an action.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// An exchange with its bodies.
    Opened {
        /// Whose.
        session: String,
        /// See above.
        exchange: Arc<Exchange>,
        /// Its secrets are in it.
        revealed: bool,
    },
    /// A request was sent again; the id of what came.
    Replayed {
        /// Whose.
        session: String,
        /// What was replayed.
        of: u64,
        /// See above.
        id: u64,
    },
    /// It is done, in a few words.
    Done(String),
    /// It is not: what, why, what to do. One line each.
    Failed(Vec<String>),
    /// Several lines to be read.
    Told {
        /// Above them.
        title: String,
        /// See above.
        lines: Vec<String>,
    },
}

/// Where updates are put and taken from. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Feed(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    sessions: BTreeMap<String, Box<Session>>,
    networks: BTreeMap<String, Box<Network>>,
    queue: VecDeque<Update>,
    answers: VecDeque<Update>,
    dropped: u64,
    /// Nothing comes any more.
    closed: bool,
}

/// What has waited.
#[derive(Debug, Default, PartialEq)]
pub struct Taken {
    /// In an order that can be folded: states first.
    pub updates: Vec<Update>,
    /// So many had no room since the last time.
    pub dropped: u64,
    /// Nothing comes any more: the screen is to close.
    pub closed: bool,
}

impl Feed {
    /// Puts an update where the screen finds it. Never waits.
    pub fn put(&self, update: Update) {
        let mut waiting = self.waiting();
        match update {
            Update::Session(session) => drop(waiting.sessions.insert(session.id.clone(), session)),
            Update::Network { session, network } => drop(waiting.networks.insert(session, network)),
            answer @ (Update::Answer(_) | Update::Lost { .. } | Update::Ended { .. }) => {
                if waiting.answers.len() < ANSWERS {
                    waiting.answers.push_back(answer);
                }
            }
            update => {
                if waiting.queue.len() >= ROOM {
                    waiting.queue.pop_front();
                    waiting.dropped += 1;
                }
                waiting.queue.push_back(update);
            }
        }
    }

    /// Says that nothing comes any more, so that the screen closes.
    pub fn close(&self) {
        self.waiting().closed = true;
    }

    /// Takes all that waits.
    pub fn take(&self) -> Taken {
        let mut waiting = self.waiting();
        let Waiting { sessions, networks, queue, answers, .. } = &mut *waiting;
        let sessions = std::mem::take(sessions).into_values().map(Update::Session);
        let networks = std::mem::take(networks);
        let networks = networks.into_iter().map(|(session, network)| Update::Network { session, network });
        let updates = sessions.chain(networks).chain(queue.drain(..)).chain(answers.drain(..)).collect();
        Taken { updates, dropped: std::mem::take(&mut waiting.dropped), closed: waiting.closed }
    }

    /// Held for as long as it takes to move a value.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tunnel::status::Level;

    use super::*;

    fn event(number: u64) -> Update {
        let event = Event { at_ms: number, level: Level::Info, text: String::new() };
        Update::Event { session: "a".into(), by: By::Devbridge, event }
    }

    #[test]
    fn what_has_no_room_goes_oldest_first_and_is_counted() {
        let feed = Feed::default();
        (0..10_000).for_each(|number| feed.put(event(number)));
        let answer = Update::Answer(Answer::Done("sent".into()));
        feed.put(answer.clone());
        let taken = feed.take();
        assert_eq!((taken.updates.len(), taken.dropped), (ROOM + 1, 10_000 - ROOM as u64));
        assert_eq!(taken.updates.first(), Some(&event(taken.dropped)));
        assert_eq!(taken.updates.last(), Some(&answer), "answers are never dropped for events");
        assert_eq!(feed.take(), Taken::default());
    }

    #[test]
    fn of_states_only_the_newest_waits() {
        let feed = Feed::default();
        for asked in 0..100 {
            let dns = vec![tunnel::status::Name { asked, ..Default::default() }];
            let network = Box::new(Network { dns, outbound: Vec::new() });
            feed.put(Update::Network { session: "a".into(), network });
        }
        let taken = feed.take();
        let [Update::Network { network, .. }] = &taken.updates[..] else { panic!("{taken:?}") };
        assert_eq!((network.dns[0].asked, taken.dropped), (99, 0));
    }
}
