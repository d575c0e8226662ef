//! What lies above a screen until it is answered or closed.

use inspector::text::{Line, Role};

use super::list::{List, Scroll};
use super::{Effect, Notice};
use crate::action::Action;
use crate::command::{Command, Screen};
use crate::input::key::{Code, Key};
use crate::input::keymap::Binding;

/// What lies there.
#[derive(Debug, Clone)]
pub struct Popup {
    /// Above it.
    pub title: String,
    /// What it is.
    pub kind: Kind,
}

/// What a popup is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// Lines to be read.
    Text {
        /// See above.
        lines: Vec<Line>,
        /// Where in them.
        scroll: Scroll,
    },
    /// Something to be agreed to.
    Question {
        /// One line more about it.
        about: String,
        /// What is done then.
        then: Action,
    },
    /// Something to choose from.
    Menu {
        /// A key, a word, and what is done.
        items: Vec<(char, String, Command)>,
        /// Which.
        list: List,
    },
}

impl PartialEq for Popup {
    fn eq(&self, other: &Self) -> bool {
        self.title == other.title
    }
}

impl Popup {
    /// Lines to be read.
    pub fn text(title: impl Into<String>, lines: Vec<Line>) -> Self {
        Self { title: title.into(), kind: Kind::Text { lines, scroll: Scroll::default() } }
    }

    /// Something to be agreed to.
    pub fn question(question: impl Into<String>, about: impl Into<String>, then: Action) -> Self {
        Self { title: question.into(), kind: Kind::Question { about: about.into(), then } }
    }

    /// Something to choose from.
    pub fn menu(title: impl Into<String>, items: Vec<(char, String, Command)>) -> Self {
        Self { title: title.into(), kind: Kind::Menu { items, list: List::default() } }
    }

    /// What could not be done: what, why, what to do.
    pub(super) fn failure(lines: Vec<String>) -> Self {
        let lines = lines.into_iter().enumerate();
        let role = |at| if at == 0 { Role::Bad } else { Role::Plain };
        Self::text("failed", lines.map(|(at, line)| Line::of(role(at), line)).collect())
    }

    /// What was asked for.
    pub(super) fn told(title: String, lines: Vec<String>) -> Self {
        Self::text(title, lines.into_iter().map(|line| Line::of(Role::Plain, line)).collect())
    }

    /// The keys of a screen.
    pub(super) fn help(bindings: &[Binding], screen: Screen) -> Self {
        let mut lines = Vec::new();
        let keyed = |binding: &&Binding| binding.is_for(screen) && !binding.keys.is_empty();
        for (own, title) in [(true, screen.name()), (false, "everywhere")] {
            lines.push(Line::of(Role::Title, title));
            for binding in bindings.iter().filter(keyed).filter(|binding| binding.screens.is_empty() != own) {
                let name = format!("  {:<12} ", binding.keys());
                let line = Line::of(Role::Name, name).and(Role::Plain, binding.help);
                lines.push(line.and(Role::Dim, format!("  :{}", binding.name)));
            }
            lines.push(Line::default());
        }
        lines.push(Line::of(Role::Dim, "What is done here can be done by commands, too: devbridge --help"));
        Self::text(format!("keys of {}", screen.name()), lines)
    }

    /// Whether it stays, and what comes of it.
    pub(super) fn key(&mut self, key: Key, command: Option<&Command>) -> (bool, Vec<Effect>) {
        let closes = matches!(command, Some(Command::Back | Command::Quit | Command::Help));
        match &mut self.kind {
            Kind::Text { scroll, .. } => {
                let moved = command.is_some_and(|command| scroll.command(command, false));
                (moved || !(closes || key.code == Code::Enter), Vec::new())
            }
            Kind::Question { then, .. } => match key.code {
                Code::Char('y' | 'Y') => (false, vec![Effect::Do(then.clone())]),
                Code::Char('n' | 'N') | Code::Esc | Code::Enter => {
                    (false, vec![Effect::Say(Notice::good("nothing was done"))])
                }
                _ if closes => (false, Vec::new()),
                _ => (true, Vec::new()),
            },
            Kind::Menu { items, list } => {
                let typed = key.typed();
                let chosen = items.iter().find(|(c, ..)| typed == Some(*c));
                let chosen = match key.code {
                    Code::Enter => items.get(list.selected(items.len())),
                    _ => chosen,
                };
                if let Some((_, _, command)) = chosen {
                    return (false, vec![Effect::Again(command.clone())]);
                }
                let moved = command.is_some_and(|command| list.command(command, items.len(), false));
                (moved || !closes, Vec::new())
            }
        }
    }
}
