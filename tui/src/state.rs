//! What the dashboard shows and where the user is in it. Knows neither the terminal nor how it is drawn.
//!
//! [`State::update`] takes what is new, [`State::command`] what the user says; [`crate::view`] draws what this is then.

mod about;
mod effect;
pub mod filter;
pub mod journal;
pub mod list;
pub mod popup;
pub mod typing;

pub mod events;
pub mod logs;
pub mod network;
pub mod requests;
pub mod sessions;
pub mod sync;

use jiff::Timestamp;

use crate::action::Action;
use crate::command::{Command, Screen};
use crate::data::{Data, Known, Reach};
use crate::feed::{Answer, Update};
use crate::input::key::Key;
use crate::input::keymap::{self, Binding};
pub use effect::{Closed, Effect, Notice, Outcome};
use popup::Popup;
use typing::{Typed, Typing};

/// All of it.
#[derive(Debug)]
pub struct State {
    live: Data,
    /// What is shown instead, while the picture is held still.
    frozen: Option<Box<Data>>,
    /// Which screen is shown.
    pub screen: Screen,
    /// The session that screens are about.
    pub focus: Option<String>,
    /// The session that is wanted as soon as it is known, by its id or its target's name.
    pub first: Option<String>,
    /// State of each screen.
    pub sessions: sessions::Sessions,
    /// See above.
    pub requests: requests::Requests,
    /// See above.
    pub network: network::Network,
    /// See above.
    pub sync: sync::Sync,
    /// See above.
    pub logs: logs::Logs,
    /// See above.
    pub events: events::Events,
    /// What lies above the screen.
    pub popup: Option<Popup>,
    /// What is being typed.
    pub typing: Option<Typing>,
    /// What was answered last, until the next key.
    pub notice: Option<Notice>,
    /// The mouse is the dashboard's.
    pub mouse: bool,
    /// Which key says what.
    pub bindings: Vec<Binding>,
    /// When it was drawn last, in seconds or minutes.
    age: i64,
}

/// Ages below this are shown in seconds, and what passed longer ago is in no rate.
const SECONDS: i64 = 60;

/// The session that was chosen; before one was, the oldest that answers.
fn meant<'a>(data: &'a Data, focus: Option<&str>) -> Option<&'a Known> {
    let chosen = focus.and_then(|id| data.get(id));
    let here = || data.sessions.iter().find(|known| known.reach == Reach::Here);
    chosen.or_else(here).or_else(|| data.sessions.first())
}

/// The id of the session of this id, or of this target.
fn named(data: &Data, name: &str) -> Option<String> {
    let is = |known: &&Known| {
        let session = &known.session;
        session.id == name || session.target == name || session.target.rsplit('/').next() == Some(name)
    };
    data.sessions.iter().find(is).map(|known| known.session.id.clone())
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self {
            live: Data::default(),
            frozen: None,
            screen: Screen::default(),
            focus: None,
            first: None,
            sessions: sessions::Sessions::default(),
            requests: requests::Requests::default(),
            network: network::Network::default(),
            sync: sync::Sync::default(),
            logs: logs::Logs::default(),
            events: events::Events::default(),
            popup: None,
            typing: None,
            notice: None,
            mouse: false,
            bindings: keymap::bindings(),
            age: 0,
        }
    }

    /// What is shown.
    pub fn data(&self) -> &Data {
        self.frozen.as_deref().unwrap_or(&self.live)
    }

    /// Whether the picture is held still.
    pub fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// The session that screens are about, as it is shown.
    pub fn known(&self) -> Option<&Known> {
        let data = self.data();
        meant(data, self.focus.as_deref())
    }

    /// Updates that had no room.
    pub fn dropped(&mut self, count: u64) {
        self.live.dropped = self.live.dropped.saturating_add(count);
    }

    /// Takes over what is new.
    pub fn update(&mut self, update: Update) -> Vec<Effect> {
        if let Update::Answer(answer) = update {
            return self.answer(answer);
        }
        let mut effects = match &update {
            Update::Exchange { session, exchange } => self.requests.came(session, exchange),
            _ => Vec::new(),
        };
        let about = |state: &Self| state.known().map(|known| known.session.id.clone());
        let before = about(self);
        self.live.update(update);
        if let Some(name) = &self.first
            && let Some(id) = named(&self.live, name)
        {
            (self.focus, self.first) = (Some(id), None);
        }
        if about(self) != before {
            effects.extend(self.entered());
        }
        effects
    }

    fn answer(&mut self, answer: Answer) -> Vec<Effect> {
        let effects = match answer {
            Answer::Done(text) => vec![Effect::Say(Notice::good(text))],
            Answer::Failed(lines) => {
                self.requests.failed();
                vec![Effect::Show(Popup::failure(lines))]
            }
            Answer::Told { title, lines } => vec![Effect::Show(Popup::told(title, lines))],
            answer => self.requests.answer(answer),
        };
        self.settle(effects)
    }

    /// A key was pressed.
    pub fn key(&mut self, key: Key) -> Vec<Effect> {
        self.notice = None;
        // What somebody looks at stays, whatever comes and goes.
        if let Some(known) = self.known() {
            (self.focus, self.first) = (Some(known.session.id.clone()), None);
        }
        // Never typed by accident, and never text.
        if let Some(always @ (Command::Interrupt | Command::Suspend | Command::Redraw)) =
            keymap::command(&self.bindings, self.screen, key)
        {
            return self.command(&always);
        }
        if let Some(typing) = &mut self.typing {
            return match typing.key(key, &self.bindings, self.screen) {
                Typed::More => Vec::new(),
                Typed::Cancelled => {
                    self.typing = None;
                    Vec::new()
                }
                Typed::Wrong(why) => self.settle(vec![Effect::Say(Notice::warn(why))]),
                Typed::Done(command) => {
                    self.typing = None;
                    self.command(&command)
                }
            };
        }
        if let Some(popup) = &mut self.popup {
            let command = keymap::command(&self.bindings, self.screen, key);
            let (stays, effects) = popup.key(key, command.as_ref());
            if !stays {
                self.popup = None;
            }
            return self.settle(effects);
        }
        match keymap::command(&self.bindings, self.screen, key) {
            Some(command) => self.command(&command),
            None => self.settle(vec![Effect::Say(Notice::warn(format!(
                "{key} does nothing here; ? shows what does"
            )))]),
        }
    }

    /// The user said this.
    pub fn command(&mut self, command: &Command) -> Vec<Effect> {
        let known = {
            let data = self.frozen.as_deref().unwrap_or(&self.live);
            meant(data, self.focus.as_deref())
        };
        let outcome = match self.screen {
            Screen::Sessions => {
                let data = self.frozen.as_deref().unwrap_or(&self.live);
                self.sessions.command(command, data, &mut self.focus)
            }
            Screen::Requests => self.requests.command(command, known),
            Screen::Network => self.network.command(command, known),
            Screen::Sync => self.sync.command(command, known),
            Screen::Logs => self.logs.command(command, known),
            Screen::Events => self.events.command(command, known),
        };
        let effects = match outcome {
            Outcome::Consumed(effects) => effects,
            Outcome::NotConsumed => self.everywhere(command),
        };
        self.settle(effects)
    }

    /// What screens leave.
    fn everywhere(&mut self, command: &Command) -> Vec<Effect> {
        match command {
            Command::Quit => return vec![Effect::Close(Closed::Quit)],
            Command::Interrupt => return vec![Effect::Close(Closed::Interrupted)],
            Command::Suspend => return vec![Effect::Suspend],
            Command::Redraw => return vec![Effect::Redraw],
            Command::Help => return vec![Effect::Show(Popup::help(&self.bindings, self.screen))],
            Command::Palette => self.typing = Some(Typing::command()),
            Command::Go(screen) => return vec![Effect::Go(*screen)],
            Command::NextScreen => return vec![Effect::Go(self.screen.step(1))],
            Command::PreviousScreen => return vec![Effect::Go(self.screen.step(-1))],
            Command::NextSession => return self.step_session(1),
            Command::PreviousSession => return self.step_session(-1),
            Command::Session(name) => return self.session(name),
            Command::Freeze => {
                self.frozen = match self.frozen {
                    Some(_) => None,
                    None => Some(Box::new(self.live.clone())),
                };
            }
            Command::Mouse => self.mouse = !self.mouse,
            Command::Leave => return self.leave(),
            _ => {}
        }
        Vec::new()
    }

    fn leave(&self) -> Vec<Effect> {
        let Some(known) = self.known() else { return Vec::new() };
        let session = &known.session;
        let question = format!("end the session of {} in {}?", session.target, session.namespace);
        let then = Action::Leave { session: session.id.clone() };
        vec![Effect::Show(Popup::question(question, "requests go to the originals again", then))]
    }

    fn step_session(&mut self, by: isize) -> Vec<Effect> {
        let sessions = &self.data().sessions;
        let own = self.known().map(|known| &known.session.id);
        let at = sessions.iter().position(|known| Some(&known.session.id) == own).unwrap_or(0);
        let next = at.wrapping_add_signed(by).wrapping_add(sessions.len()).checked_rem(sessions.len());
        if let Some(known) = next.and_then(|next| sessions.get(next)) {
            self.focus = Some(known.session.id.clone());
        }
        self.entered()
    }

    fn session(&mut self, name: &str) -> Vec<Effect> {
        match named(self.data(), name) {
            Some(id) => self.focus = Some(id),
            None => return vec![Effect::Say(Notice::warn(format!("there is no session of `{name}`")))],
        }
        self.entered()
    }

    /// Does what is this state's to do; gives back the rest.
    fn settle(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        let mut left = Vec::new();
        for effect in effects {
            match effect {
                Effect::Say(notice) => self.notice = Some(notice),
                Effect::Show(popup) => self.popup = Some(popup),
                Effect::Go(screen) => {
                    self.screen = screen;
                    left.extend(self.entered());
                }
                Effect::Again(command) => left.extend(self.command(&command)),
                Effect::Type(before) => self.typing = Some(Typing::filter(&before)),
                effect => left.push(effect),
            }
        }
        left
    }

    /// What a screen needs that nobody tells unasked.
    fn entered(&mut self) -> Vec<Effect> {
        let known = {
            let data = self.frozen.as_deref().unwrap_or(&self.live);
            meant(data, self.focus.as_deref())
        };
        match self.screen {
            Screen::Logs => self.logs.entered(known),
            Screen::Events => self.events.entered(known),
            _ => Vec::new(),
        }
    }

    /// Whether the picture has aged since this was asked last: rates and ages are of now.
    pub(crate) fn is_older(&mut self, now: Timestamp) -> bool {
        let recent = |at: Timestamp, seconds| now.as_second().saturating_sub(at.as_second()) < seconds;
        let passing = |known: &Known| {
            let last = known.exchanges.values().next_back();
            last.is_some_and(|exchange| recent(exchange.started, SECONDS))
        };
        let young = |known: &Known| known.session.since.parse().is_ok_and(|since| recent(since, SECONDS));
        let lively = !self.is_frozen()
            && (self.screen == Screen::Network
                || self.live.sessions.iter().any(|known| passing(known) || young(known)));
        let unit = if lively { 1 } else { SECONDS };
        let age = now.as_second() / unit;
        std::mem::replace(&mut self.age, age) != age
    }
}
