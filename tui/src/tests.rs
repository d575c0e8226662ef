//! Screens as they are drawn, at three sizes, and keys as they are pressed.

mod anything;
mod events;
mod logs;
mod looks;
mod network;
mod requests;
pub(crate) mod sample;
mod sync;

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::action::Action;
use crate::feed::Update;
use crate::input::key::{Code, Key};
use crate::state::{Effect, State};
use crate::theme::{Look, Theme};
use crate::view::{self, Scene};

/// Full, usual and small.
pub(crate) const SIZES: [(u16, u16); 3] = [(120, 36), (80, 24), (60, 15)];

/// A dashboard without a terminal.
pub(crate) struct Rig {
    pub(crate) state: State,
    look: Look,
}

impl Rig {
    /// One that knows the samples.
    pub(crate) fn new() -> Self {
        let mut rig = Self { state: State::new(), look: Look { theme: Theme::Dark, ascii: false } };
        sample::updates().into_iter().for_each(|update| drop(rig.state.update(update)));
        rig
    }

    /// One that knows nothing.
    pub(crate) fn empty() -> Self {
        Self { state: State::new(), look: Look::default() }
    }

    pub(crate) fn ascii(mut self) -> Self {
        self.look.ascii = true;
        self
    }

    pub(crate) fn update(&mut self, update: Update) {
        self.state.update(update);
    }

    /// Presses keys, written as help writes them, with spaces between; the actions that came of them.
    pub(crate) fn keys(&mut self, keys: &str) -> Vec<Action> {
        let effects = keys.split(' ').flat_map(|key| self.state.key(key_of(key))).collect::<Vec<_>>();
        let actions = effects.into_iter().filter_map(|effect| match effect {
            Effect::Do(action) => Some(action),
            _ => None,
        });
        actions.collect()
    }

    /// Types a text.
    pub(crate) fn text(&mut self, text: &str) {
        for c in text.chars() {
            self.state.key(Key::char(c));
        }
    }

    /// The picture, as text.
    pub(crate) fn picture(&mut self, (width, height): (u16, u16)) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let scene = Scene { look: self.look, zone: jiff::tz::TimeZone::UTC, now: sample::now() };
        terminal.draw(|frame| view::draw(&mut self.state, &scene, frame)).unwrap();
        let picture = terminal.backend().to_string();
        let lines = picture.lines().map(|line| line.trim_matches('"').trim_end());
        lines.collect::<Vec<_>>().join("\n")
    }

    /// At all three sizes.
    pub(crate) fn pictures(&mut self) -> String {
        let each = SIZES.map(|size| format!("--- {}x{}\n{}", size.0, size.1, self.picture(size)));
        each.join("\n")
    }
}

fn key_of(written: &str) -> Key {
    if let Some(c) = written.strip_prefix("ctrl-").and_then(|rest| rest.chars().next()) {
        return Key::ctrl(c);
    }
    let code = match written {
        "enter" => Code::Enter,
        "esc" => Code::Esc,
        "tab" => Code::Tab,
        "shift-tab" => Code::BackTab,
        "backspace" => Code::Backspace,
        "up" => Code::Up,
        "down" => Code::Down,
        "left" => Code::Left,
        "right" => Code::Right,
        "pgup" => Code::PageUp,
        "pgdn" => Code::PageDown,
        "space" => Code::Char(' '),
        one => Code::Char(one.chars().next().unwrap()),
    };
    Key::plain(code)
}

#[test]
fn sessions() {
    insta::assert_snapshot!(Rig::new().pictures());
}

#[test]
fn while_the_agent_does_not_answer_others_serve() {
    let mut rig = Rig::new();
    let mut session = sample::orders();
    session.link = tunnel::status::Link::Lost;
    rig.update(Update::Session(Box::new(session)));
    let picture = rig.picture((100, 20));
    for seen in ["originals serve", "agent lost, dialling again", "the agent does not answer"] {
        assert!(picture.contains(seen), "{seen}: {picture}");
    }
    assert!(!picture.contains("laptop serves"), "{picture}");
}

#[test]
fn without_a_session_it_says_how_to_begin_one() {
    insta::assert_snapshot!(Rig::empty().picture((80, 24)));
}

#[test]
fn in_ascii() {
    let mut rig = Rig::new().ascii();
    rig.keys("?");
    let picture = rig.picture((100, 30));
    assert!(picture.is_ascii(), "{picture}");
    insta::assert_snapshot!(picture);
}
