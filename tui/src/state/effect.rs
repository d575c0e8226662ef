//! What commands bring about.

use inspector::text::Role;

use super::popup::Popup;
use crate::action::Action;
use crate::command::{Command, Screen};

/// A line for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How it looks.
    pub role: Role,
    /// One line.
    pub text: String,
}

impl Notice {
    /// It went well.
    pub fn good(text: impl Into<String>) -> Self {
        Self { role: Role::Good, text: text.into() }
    }

    /// It did not, or makes no sense here.
    pub fn warn(text: impl Into<String>) -> Self {
        Self { role: Role::Warn, text: text.into() }
    }
}

/// What a command brings about.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// To be done by whoever can.
    Do(Action),
    /// To be put into the terminal's clipboard.
    Clipboard(String),
    /// Say this.
    Say(Notice),
    /// Lay this above the screen.
    Show(Popup),
    /// To another screen.
    Go(Screen),
    /// As if this had been said.
    Again(Command),
    /// Begin to type a filter, from this one.
    Type(String),
    /// The dashboard closes.
    Close(Closed),
    /// Stop, as a job of the shell.
    Suspend,
    /// Draw all of it anew.
    Redraw,
}

/// How the dashboard was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// By the user; sessions go on.
    Quit,
    /// By Ctrl-C; the session that it belongs to ends.
    Interrupted,
    /// Nothing comes any more.
    Ended,
}

/// What a screen made of a command.
#[derive(Debug, Default, PartialEq)]
pub enum Outcome {
    /// It is not for it.
    #[default]
    NotConsumed,
    /// Done, with these effects.
    Consumed(Vec<Effect>),
}

impl Outcome {
    /// Done.
    pub const DONE: Self = Self::Consumed(Vec::new());

    /// Done, with one effect.
    pub fn with(effect: Effect) -> Self {
        Self::Consumed(vec![effect])
    }

    /// Done if it was.
    pub fn done(consumed: bool) -> Self {
        if consumed { Self::DONE } else { Self::NotConsumed }
    }
}
