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
        let terminal = std::io::stdout().is_terminal();
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
        let utf8 = locale.is_none_or(|locale| locale.to_ascii_uppercase().replace('-', "").contains("UTF8"));
        let width = terminal.then(terminal::size).flatten().map_or(WIDE, |(columns, _)| columns.into());
        let colour = terminal && !set("NO_COLOR") && std::env::var("TERM").as_deref() != Ok("dumb");
        Self { colour, ascii: terminal && !utf8, width }
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
