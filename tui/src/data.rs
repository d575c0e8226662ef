//! What is known of the sessions: updates, folded. Bounded, whatever comes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use inspector::Exchange;
use tunnel::status::{Event, Network, Said, Save, Session};

use crate::feed::{By, Source, Update};

/// What is kept of one session.
const EXCHANGES: usize = 1000;
const EVENTS: usize = 1000;
const LINES: usize = 2000;
const SAVES: usize = 100;
/// Longer lines are cut.
const LONGEST: usize = 8 << 10;
/// Sessions that are over are remembered so long as there are no more of them.
const OVER: usize = 16;

/// All that is known. Cheap enough to be cloned when the screen is frozen.
#[derive(Debug, Clone, Default)]
pub struct Data {
    /// In the order in which they began.
    pub sessions: Vec<Known>,
    /// Updates that nobody saw, because they came too fast.
    pub dropped: u64,
}

/// What is known of a session.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its newest state.
    pub session: Box<Session>,
    /// Whether it answers.
    pub reach: Reach,
    /// Its newest exchanges by id, without bodies.
    pub exchanges: BTreeMap<u64, Arc<Exchange>>,
    /// Exchanges up to this id are kept no more.
    pub forgotten: u64,
    /// What devbridge and Kubernetes said, in the order in which it came.
    pub events: VecDeque<Happened>,
    /// What was written, oldest first.
    pub lines: BTreeMap<Source, VecDeque<Line>>,
    /// Whom its process has asked.
    pub network: Box<Network>,
    /// What was saved, oldest first.
    pub saves: VecDeque<Save>,
    /// Events and lines of it that nobody saw.
    pub missed: u64,
}

/// Whether a session answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// It does.
    Here,
    /// It does not, and should.
    Lost(String),
    /// It has ended.
    Ended,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// Counts a session's: it is found by it when others before it are kept no more.
    pub number: u64,
    /// Who says so.
    pub by: By,
    /// See there.
    pub event: Event,
}

/// A line that somebody wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Counts those of a session's source, as above.
    pub number: u64,
    /// The pod, where it is one's.
    pub pod: Option<String>,
    /// See there.
    pub said: Said,
}

impl Known {
    fn new(session: Box<Session>) -> Self {
        Self {
            session,
            reach: Reach::Here,
            exchanges: BTreeMap::new(),
            forgotten: 0,
            events: VecDeque::new(),
            lines: BTreeMap::new(),
            network: Box::default(),
            saves: VecDeque::new(),
            missed: 0,
        }
    }

    /// Whether its code runs in pods, and not on the laptop.
    pub fn is_synced(&self) -> bool {
        self.session.sync.is_some()
    }
}

impl Data {
    /// A session.
    pub fn get(&self, id: &str) -> Option<&Known> {
        self.sessions.iter().find(|known| known.session.id == id)
    }

    fn get_mut(&mut self, id: &str) -> Option<&mut Known> {
        self.sessions.iter_mut().find(|known| known.session.id == id)
    }

    /// Takes over what is new. What is said of sessions that nobody has told of is not kept.
    pub fn update(&mut self, update: Update) {
        match update {
            Update::Session(session) => self.session(session),
            Update::Anew { session } => {
                if let Some(known) = self.get_mut(&session) {
                    // What it keeps of requests, saves and the network takes the place of what is here.
                    known.events.retain(|happened| happened.by != By::Devbridge);
                    known.lines.remove(&Source::Process);
                }
            }
            Update::Lost { session, why } => self.reach(&session, Reach::Lost(why)),
            Update::Ended { session } => self.reach(&session, Reach::Ended),
            Update::Exchange { session, exchange } => {
                if let Some(known) = self.get_mut(&session).filter(|known| exchange.id > known.forgotten) {
                    known.exchanges.insert(exchange.id, exchange);
                    while known.exchanges.len() > EXCHANGES {
                        known.exchanges.pop_first();
                    }
                }
            }
            Update::Forgotten { session, up_to } => {
                if let Some(known) = self.get_mut(&session) {
                    known.forgotten = known.forgotten.max(up_to);
                    known.exchanges = known.exchanges.split_off(&known.forgotten.saturating_add(1));
                }
            }
            Update::Event { session, by, mut event } => {
                if let Some(known) = self.get_mut(&session) {
                    cut(&mut event.text);
                    let number = known.events.back().map_or(1, |last| last.number + 1);
                    push(&mut known.events, Happened { number, by, event }, EVENTS);
                }
            }
            Update::Line { session, source, pod, mut line } => {
                if let Some(known) = self.get_mut(&session) {
                    cut(&mut line.text);
                    let lines = known.lines.entry(source).or_default();
                    let number = lines.back().map_or(1, |last| last.number + 1);
                    push(lines, Line { number, pod, said: line }, LINES);
                }
            }
            Update::Network { session, network } => {
                if let Some(known) = self.get_mut(&session) {
                    known.network = network;
                }
            }
            Update::Save { session, save } => {
                if let Some(known) = self.get_mut(&session) {
                    let same = known.saves.iter_mut().rev().find(|other| other.generation == save.generation);
                    match same {
                        Some(same) => *same = save,
                        None => push(&mut known.saves, save, SAVES),
                    }
                }
            }
            Update::Missed { session, count } => {
                if let Some(known) = self.get_mut(&session) {
                    known.missed = known.missed.saturating_add(count);
                }
            }
            Update::Answer(_) => {}
        }
    }

    fn session(&mut self, session: Box<Session>) {
        match self.get_mut(&session.id) {
            Some(known) => (known.session, known.reach) = (session, Reach::Here),
            None => {
                self.sessions.push(Known::new(session));
                self.sessions.sort_by(|a, b| {
                    (&a.session.since, &a.session.id).cmp(&(&b.session.since, &b.session.id))
                });
            }
        }
    }

    fn reach(&mut self, id: &str, reach: Reach) {
        if let Some(known) = self.get_mut(id).filter(|known| known.reach != Reach::Ended) {
            known.reach = reach;
        }
        let over = self.sessions.iter().filter(|known| known.reach != Reach::Here).count();
        if over > OVER
            && let Some(oldest) = self.sessions.iter().position(|known| known.reach != Reach::Here)
        {
            self.sessions.remove(oldest);
        }
    }
}

fn push<T>(to: &mut VecDeque<T>, value: T, most: usize) {
    if to.len() >= most {
        to.pop_front();
    }
    to.push_back(value);
}

fn cut(text: &mut String) {
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
}
