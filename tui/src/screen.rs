//! The loop: keys in, what is new in, one picture out.
//!
//! It wakes ten times a second at most when nothing is pressed, and draws only when something has changed. So whatever comes,
//! and however fast, costs ten pictures a second.

use std::io;
use std::time::Instant;

use crossterm::event::{self, Event, KeyEventKind, MouseEventKind};
use crossterm::execute;
use crossterm::terminal::{Clear, ClearType};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use nix::sys::signal::{Signal, raise};
use ratatui::backend::CrosstermBackend;

use crate::action::Action;
use crate::command::Command;
use crate::feed::Feed;
use crate::input::key::Key;
use crate::pace::Pace;
use crate::state::{Closed, Effect, Notice, State};
use crate::terminal::{self, Drawn, Held, OnPanic};
use crate::theme::Look;
use crate::view::{self, Scene};

/// How it is to look, and where it begins.
#[derive(Debug, Clone)]
pub struct Options {
    /// Colours and signs.
    pub look: Look,
    /// In which zone times are shown.
    pub zone: TimeZone,
    /// The session that is shown first, by its id or its target's name.
    pub first: Option<String>,
    /// Takes the mouse from the beginning.
    pub mouse: bool,
}

/// Does what the user wants. Must not wait.
pub trait Acts {
    /// Begins with it; false: too much is under way.
    fn act(&mut self, action: Action) -> bool;

    /// Does something that needs the terminal, which is not the dashboard's meanwhile. May wait.
    fn act_in_the_terminal(&mut self, action: Action);
}

/// What a picture is drawn on: a terminal, given back when dropped.
pub struct Terminal {
    drawn: Drawn,
    held: Option<Held>,
    _panic: OnPanic,
}

impl Terminal {
    /// Takes the terminal of this process.
    ///
    /// # Errors
    /// There is none.
    pub fn take() -> io::Result<Self> {
        let panic = OnPanic::begin();
        let held = Some(Held::take()?);
        Ok(Self { drawn: blank()?, held, _panic: panic })
    }

    /// Gives it back while `work` runs.
    fn without(&mut self, work: impl FnOnce()) -> io::Result<()> {
        self.held = None;
        work();
        self.held = Some(Held::take()?);
        self.redraw()
    }

    /// Draws all of it the next time.
    fn redraw(&mut self) -> io::Result<()> {
        self.drawn = blank()?;
        Ok(())
    }
}

/// A screen with nothing on it, and nothing known of it. The library's own way asks the terminal where its cursor is, and
/// somebody else may read the answer.
fn blank() -> io::Result<Drawn> {
    execute!(io::stdout(), Clear(ClearType::All))?;
    Drawn::new(CrosstermBackend::new(io::stdout()))
}

/// Shows what `feed` brings until it is closed. Blocks its thread.
///
/// # Errors
/// The terminal is gone.
pub fn run(
    mut terminal: Terminal,
    feed: &Feed,
    acts: &mut impl Acts,
    options: Options,
) -> io::Result<Closed> {
    let Options { look, zone, first, mouse } = options;
    let mut state = State::new();
    (state.first, state.mouse) = (first, mouse);
    let mut pace = Pace::default();
    let mut changed = true;
    loop {
        if pace.looks(Instant::now(), changed) {
            let taken = feed.take();
            changed |= taken.dropped > 0 || !taken.updates.is_empty();
            state.dropped(taken.dropped);
            let mut effects = Vec::new();
            for update in taken.updates {
                effects.extend(state.update(update));
            }
            if let Some(closed) = perform(effects, &mut state, &mut terminal, acts)? {
                return Ok(closed);
            }
            if taken.closed {
                return Ok(Closed::Ended);
            }
            let now = Timestamp::now();
            changed |= state.is_older(now);
            pace.looked(Instant::now());
            if changed && pace.draws(Instant::now()) {
                let scene = Scene { look, zone: zone.clone(), now };
                terminal.drawn.draw(|frame| view::draw(&mut state, &scene, frame))?;
                changed = false;
                pace.drawn(Instant::now());
            }
        }
        if !terminal::wait(pace.wait(Instant::now(), changed))? {
            continue;
        }
        let effects = match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => {
                Key::of(key).map(|key| state.key(key)).unwrap_or_default()
            }
            Event::Paste(text) => {
                if let Some(typing) = &mut state.typing {
                    typing.paste(&text);
                }
                Vec::new()
            }
            Event::Mouse(mouse) => match mouse.kind {
                MouseEventKind::ScrollUp => state.command(&Command::Up),
                MouseEventKind::ScrollDown => state.command(&Command::Down),
                _ => continue,
            },
            Event::Resize(..) => Vec::new(),
            _ => continue,
        };
        changed = true;
        if let Some(closed) = perform(effects, &mut state, &mut terminal, acts)? {
            return Ok(closed);
        }
        if let Some(held) = &mut terminal.held {
            held.mouse(state.mouse)?;
        }
    }
}

/// Does what is to be done; some: the dashboard closes.
fn perform(
    effects: Vec<Effect>,
    state: &mut State,
    terminal: &mut Terminal,
    acts: &mut impl Acts,
) -> io::Result<Option<Closed>> {
    for effect in effects {
        match effect {
            Effect::Close(closed) => return Ok(Some(closed)),
            Effect::Do(action @ Action::Edit { .. }) => {
                terminal.without(|| acts.act_in_the_terminal(action))?;
            }
            Effect::Do(action) => {
                if !acts.act(action) {
                    state.notice = Some(Notice::warn("too much is under way; try again"));
                }
            }
            Effect::Clipboard(text) => {
                terminal::clipboard(&text)?;
                // The terminal's clipboard has it, and that is said.
                let _ = acts.act(Action::Copy { text });
            }
            Effect::Suspend => terminal.without(|| {
                // To this thread, so that it does not run on: all of the process stops here until the shell lets it go on.
                let _ = raise(Signal::SIGTSTP);
            })?,
            Effect::Redraw => terminal.redraw()?,
            // The state has done these.
            Effect::Say(_) | Effect::Show(_) | Effect::Go(_) | Effect::Again(_) | Effect::Type(_) => {}
        }
    }
    Ok(None)
}
