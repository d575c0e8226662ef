//! A line that is being typed: a command after `:`, or a filter after `/`.

use tui_input::{Input, InputRequest};

use crate::command::{Command, Screen};
use crate::input::key::{Code, Key};
use crate::input::keymap::Binding;
use crate::input::palette;

/// Longer lines are not taken.
const LONGEST: usize = 4096;

/// What is being typed.
#[derive(Debug, Clone)]
pub struct Typing {
    /// What it is.
    pub what: What,
    input: Input,
}

/// What is being typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A command's name.
    Command,
    /// A filter.
    Filter,
}

/// What a key did to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// It goes on.
    More,
    /// It is to be forgotten.
    Cancelled,
    /// It means nothing: why.
    Wrong(String),
    /// It is done.
    Done(Command),
}

impl Typing {
    /// A command.
    pub fn command() -> Self {
        Self { what: What::Command, input: Input::default() }
    }

    /// A filter, from what it was before.
    pub fn filter(before: &str) -> Self {
        Self { what: What::Filter, input: Input::new(before.to_owned()) }
    }

    /// What is there so far.
    pub fn text(&self) -> &str {
        self.input.value()
    }

    /// The column of the cursor in it.
    pub fn cursor(&self) -> usize {
        self.input.visual_cursor()
    }

    pub(super) fn key(&mut self, key: Key, bindings: &[Binding], screen: Screen) -> Typed {
        let request = match key {
            Key { code: Code::Enter, .. } => return self.done(bindings, screen),
            Key { code: Code::Esc, .. } => return Typed::Cancelled,
            Key { code: Code::Tab, .. } if self.what == What::Command => {
                self.complete(bindings, screen);
                return Typed::More;
            }
            Key { code: Code::Backspace, .. } if self.text().is_empty() => return Typed::Cancelled,
            Key { code: Code::Backspace, .. } => InputRequest::DeletePrevChar,
            Key { code: Code::Delete, .. } => InputRequest::DeleteNextChar,
            Key { code: Code::Left, .. } => InputRequest::GoToPrevChar,
            Key { code: Code::Right, .. } => InputRequest::GoToNextChar,
            Key { code: Code::Home, .. } => InputRequest::GoToStart,
            Key { code: Code::End, .. } => InputRequest::GoToEnd,
            Key { code: Code::Char('a'), ctrl: true, .. } => InputRequest::GoToStart,
            Key { code: Code::Char('e'), ctrl: true, .. } => InputRequest::GoToEnd,
            Key { code: Code::Char('u'), ctrl: true, .. } => InputRequest::DeleteLine,
            Key { code: Code::Char('w'), ctrl: true, .. } => InputRequest::DeletePrevWord,
            Key { code: Code::Char('k'), ctrl: true, .. } => InputRequest::DeleteTillEnd,
            key => match key.typed() {
                Some(c) if self.text().len() < LONGEST => InputRequest::InsertChar(c),
                _ => return Typed::More,
            },
        };
        self.input.handle(request);
        Typed::More
    }

    /// Text that was pasted.
    pub fn paste(&mut self, text: &str) {
        for c in text.chars().filter(|c| !c.is_control()) {
            if self.text().len() < LONGEST {
                self.input.handle(InputRequest::InsertChar(c));
            }
        }
    }

    fn done(&self, bindings: &[Binding], screen: Screen) -> Typed {
        let text = self.text().trim();
        match self.what {
            What::Filter => Typed::Done(Command::FilterBy(text.to_owned())),
            What::Command if text.is_empty() => Typed::Cancelled,
            What::Command => match palette::parse(bindings, screen, text) {
                Ok(command) => Typed::Done(command),
                Err(why) => Typed::Wrong(why),
            },
        }
    }

    /// As far as all that begins so goes on alike.
    fn complete(&mut self, bindings: &[Binding], screen: Screen) {
        let all = palette::completions(bindings, screen, self.text());
        let Some((first, _)) = all.first() else { return };
        let alike = |name: &str| first.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
        let common = all.iter().map(|(name, _)| alike(name)).min().unwrap_or(0);
        if let Some(text) = first.get(..common).filter(|text| text.len() > self.text().len()) {
            self.input = Input::new(text.to_owned());
        }
    }
}
