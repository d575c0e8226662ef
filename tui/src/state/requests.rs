//! What passed: a list of exchanges, one of them in full, and what can be done with them.
//!
//! The list has no bodies; who needs one opens it, and goes on when the answer has come. What is wanted so is remembered in
//! one place and only once: who wants something else no longer waits for it.

mod act;
mod compare;
mod copy;
pub mod filtering;
pub mod listed;
pub mod opened;

use std::collections::BTreeMap;
use std::sync::Arc;

use inspector::Exchange;

use super::{Effect, Notice, Outcome, State};
use crate::action::{Action, To};
use crate::command::{Command, CopyAs};
use crate::data::Known;
use crate::feed::Answer;
use filtering::Filtering;
use listed::Listed;
use opened::Opened;

/// Sessions whose places are remembered.
const SESSIONS: usize = 64;

/// See above.
#[derive(Debug, Default)]
pub struct Requests {
    /// Of all sessions.
    pub filtering: Filtering,
    /// By the sessions' ids.
    places: BTreeMap<String, Place>,
    wanted: Option<Wanted>,
}

/// Where the user is in the requests of a session.
#[derive(Debug, Default)]
pub struct Place {
    /// The list.
    pub listed: Listed,
    /// The one that is shown in full.
    pub opened: Option<Opened>,
    /// The last replay, and what it replays.
    replayed: Option<(u64, u64)>,
}

/// What waits for exchanges with their bodies.
#[derive(Debug)]
struct Wanted {
    session: String,
    /// With their secrets.
    revealed: bool,
    what: What,
}

#[derive(Debug)]
enum What {
    /// To be copied.
    Copy { id: u64, copy: CopyAs },
    /// To be compared, with what has come of them.
    Diff([(u64, Option<Arc<Exchange>>); 2]),
}

impl Requests {
    /// The filter, and where the user is in the requests of this session, as they are now.
    pub(crate) fn shown(&mut self, known: &Known) -> (&Filtering, &mut Place) {
        if self.places.len() >= SESSIONS && !self.places.contains_key(&known.session.id) {
            self.places.clear();
        }
        let place = self.places.entry(known.session.id.clone()).or_default();
        place.listed.refresh(known, &self.filtering);
        (&self.filtering, place)
    }

    fn place(&mut self, known: &Known) -> &mut Place {
        self.shown(known).1
    }

    pub(super) fn command(&mut self, command: &Command, known: Option<&Known>) -> Outcome {
        match command {
            Command::Filter => return Outcome::with(self.filtering.begin()),
            Command::FilterBy(text) => return Outcome::Consumed(self.filter(text)),
            _ => {}
        }
        let Some(known) = known else { return Outcome::NotConsumed };
        let filtered = !self.filtering.text.is_empty();
        let place = self.place(known);
        if let Some(opened) = &mut place.opened {
            match command {
                Command::Back | Command::Quit => {
                    place.opened = None;
                    self.wanted = None;
                    return Outcome::DONE;
                }
                Command::Reveal => return Outcome::with(opened.reveal(&known.session.id)),
                Command::Open => return Outcome::DONE,
                command if opened.command(command) => return Outcome::DONE,
                _ => {}
            }
        } else if place.listed.command(command) {
            return Outcome::DONE;
        }
        match command {
            Command::Back if filtered => Outcome::Consumed(self.filter("")),
            Command::NextMatch => self.step(known, true),
            Command::PreviousMatch => self.step(known, false),
            Command::Clear => Outcome::with(act::clear(known)),
            Command::Har(path) => Outcome::with(act::har(known, &place.listed, path.as_deref())),
            Command::Mark
            | Command::Open
            | Command::Reveal
            | Command::Replay
            | Command::ReplayToCluster
            | Command::EditReplay
            | Command::Diff
            | Command::Copy
            | Command::CopyAs(_) => match place.current() {
                Some(id) => self.of_one(command, known, id),
                None => Outcome::with(Effect::Say(Notice::warn("there is no request here"))),
            },
            _ => Outcome::NotConsumed,
        }
    }

    /// What is done with one exchange, the opened or the selected one.
    fn of_one(&mut self, command: &Command, known: &Known, id: u64) -> Outcome {
        let session = known.session.id.clone();
        let place = self.place(known);
        let exchange = || place.bodies(id).or_else(|| known.exchanges.get(&id).cloned());
        Outcome::Consumed(match command {
            Command::Open => {
                self.wanted = None;
                vec![self.open(known, id)]
            }
            Command::Reveal => vec![Effect::Say(Notice::warn("enter opens it, then u shows its secrets"))],
            Command::Mark => vec![Effect::Say(place.listed.mark(id))],
            Command::EditReplay => vec![Effect::Do(Action::Edit { session, id })],
            Command::Replay => exchange().map_or_else(Vec::new, |one| act::replay(known, &one, To::Process)),
            Command::ReplayToCluster => {
                exchange().map_or_else(Vec::new, |one| act::replay(known, &one, To::Cluster))
            }
            Command::Diff => self.diff(known, id),
            Command::Copy => vec![Effect::Show(copy::menu(id))],
            Command::CopyAs(copy) => self.copy(known, id, *copy),
            _ => Vec::new(),
        })
    }

    /// Shows it in full, and asks for its bodies.
    fn open(&mut self, known: &Known, id: u64) -> Effect {
        let place = self.place(known);
        place.listed.select(id);
        place.opened = Some(Opened::new(id));
        Effect::Do(Action::Open { session: known.session.id.clone(), id, reveal: false })
    }

    fn filter(&mut self, text: &str) -> Vec<Effect> {
        let effects = self.filtering.by(text);
        if self.filtering.error.is_none() {
            self.places.values_mut().for_each(|place| place.opened = None);
        }
        effects
    }

    /// To the next that failed, or the one before; opens it where one is open.
    fn step(&mut self, known: &Known, newer: bool) -> Outcome {
        let place = self.place(known);
        let found = place.listed.failed(place.current(), newer);
        Outcome::with(match found {
            Ok(id) if place.opened.is_some() => self.open(known, id),
            Ok(id) => {
                place.listed.select(id);
                return Outcome::DONE;
            }
            Err(why) => Effect::Say(Notice::warn(why)),
        })
    }

    /// An exchange came, or its newer state: what is open is asked for again when it has ended.
    pub(super) fn came(&mut self, session: &str, exchange: &Exchange) -> Vec<Effect> {
        let opened = self.places.get_mut(session).and_then(|place| place.opened.as_mut());
        let again = opened.filter(|opened| opened.id == exchange.id && exchange.end.is_some());
        again.map(|opened| opened.ask(session)).into_iter().collect()
    }

    /// Something could not be done: nothing is waited for any more.
    pub(super) fn failed(&mut self) {
        self.wanted = None;
        self.places.values_mut().filter_map(|place| place.opened.as_mut()).for_each(|opened| {
            opened.waits = false;
        });
    }

    /// An exchange was opened, or a request was sent again.
    pub(super) fn answer(&mut self, answer: Answer) -> Vec<Effect> {
        match answer {
            Answer::Opened { session, exchange, revealed } => {
                if let Some(opened) = self.places.get_mut(&session).and_then(|place| place.opened.as_mut()) {
                    opened.came(&exchange, revealed);
                }
                self.go_on(&session, &exchange, revealed)
            }
            Answer::Replayed { session, of, id } => {
                let place = self.places.entry(session.clone()).or_default();
                place.replayed = Some((id, of));
                place.listed.select(id);
                place.opened = Some(Opened::new(id));
                let said = format!("{of} was sent again, as {id}; d compares them");
                vec![Effect::Do(Action::Open { session, id, reveal: false }), Effect::Say(Notice::good(said))]
            }
            _ => Vec::new(),
        }
    }

    /// Does what waited for this exchange.
    fn go_on(&mut self, session: &str, exchange: &Arc<Exchange>, revealed: bool) -> Vec<Effect> {
        let asked = |wanted: &&mut Wanted| wanted.session == session && wanted.revealed == revealed;
        let Some(wanted) = self.wanted.as_mut().filter(asked) else { return Vec::new() };
        let effects = match &mut wanted.what {
            What::Copy { id, copy } if *id == exchange.id => copy::copied(exchange, *copy),
            What::Diff(both) => {
                both.iter_mut().filter(|(id, _)| *id == exchange.id).for_each(|(_, came)| {
                    *came = Some(exchange.clone());
                });
                let [(_, Some(a)), (_, Some(b))] = both else { return Vec::new() };
                vec![compare::popup(a, b)]
            }
            What::Copy { .. } => return Vec::new(),
        };
        self.wanted = None;
        effects
    }
}

impl Place {
    /// The id of the one that is open, or selected.
    pub fn current(&self) -> Option<u64> {
        self.opened.as_ref().map(|opened| opened.id).or_else(|| self.listed.selected().map(|one| one.id))
    }

    /// With its bodies, where they are here.
    fn bodies(&self, id: u64) -> Option<Arc<Exchange>> {
        let opened = self.opened.as_ref().filter(|opened| opened.id == id && !opened.waits)?;
        opened.exchange.clone()
    }
}

impl State {
    /// The session that the screen is about, and the screen's own state.
    pub(crate) fn requests_of(&mut self) -> Option<(&Known, &mut Requests)> {
        let data = self.frozen.as_deref().unwrap_or(&self.live);
        let focused = self.focus.as_ref().and_then(|id| data.get(id));
        Some((focused.or_else(|| data.sessions.first())?, &mut self.requests))
    }
}
