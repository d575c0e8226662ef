//! Lines of the inspector on a terminal.

use std::io::IsTerminal;

use inspector::text::{Line, Role};
use owo_colors::OwoColorize;

use crate::terminal;

/// Columns where nobody says how many there are.
const WIDE: usize = 160;

/// How lines look on stdout.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    colour: bool,
    ascii: bool,
    /// Columns.
    pub(super) width: usize,
}

impl Paint {
    /// As the terminal and the environment have it.
    pub(super) fn new() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_terminal = std::io::stdout().is_terminal();
        let width = is_terminal.then(terminal::size).flatten().map_or(WIDE, |(columns, _)| columns.into());
        let colour = is_terminal && !set("NO_COLOR") && std::env::var("TERM").as_deref() != Ok("dumb");
        Self { colour, ascii: is_terminal && !terminal::is_utf8(), width }
    }

    /// A line as it is printed.
    pub(super) fn line(self, line: &Line) -> String {
        let ascii;
        let line = if self.ascii {
            ascii = line.to_ascii();
            &ascii
        } else {
            line
        };
        if !self.colour {
            return line.text();
        }
        line.spans.iter().map(|span| painted(span.role, &span.text)).collect()
    }

    /// Several, one below the other.
    pub(super) fn lines(self, lines: &[Line]) -> String {
        lines.iter().map(|line| self.line(line)).collect::<Vec<_>>().join("\n")
    }
}

/// Colour says nothing that the text does not.
fn painted(role: Role, text: &str) -> String {
    match role {
        Role::Plain => text.to_owned(),
        Role::Dim => text.dimmed().to_string(),
        Role::Name => text.cyan().to_string(),
        Role::Title => text.bold().to_string(),
        Role::Good | Role::Added => text.green().to_string(),
        Role::Warn => text.yellow().to_string(),
        Role::Bad | Role::Removed => text.red().to_string(),
    }
}
