//! How things look: which colours and attributes stand for what. Colour says nothing that text does not.

use inspector::text::Role;
use ratatui::style::{Color, Modifier, Style};

/// Colours for a dark or a light background, or none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Theme {
    /// The terminal's own 16 colours, for a dark background.
    #[default]
    Dark,
    /// The terminal's own 16 colours, for a light background.
    Light,
    /// Attributes only: `NO_COLOR`.
    Plain,
}

/// How it is drawn.
#[derive(Debug, Clone, Copy, Default)]
pub struct Look {
    /// See there.
    pub theme: Theme,
    /// No lines, dots or arrows outside ASCII.
    pub ascii: bool,
}

impl Look {
    /// The style of a part of a line.
    pub fn role(self, role: Role) -> Style {
        let style = Style::new();
        let colour = |dark, light| match self.theme {
            Theme::Dark => style.fg(dark),
            Theme::Light => style.fg(light),
            Theme::Plain => style,
        };
        match role {
            Role::Plain => style,
            Role::Dim => style.add_modifier(Modifier::DIM),
            Role::Name => colour(Color::Cyan, Color::Blue),
            Role::Title => style.add_modifier(Modifier::BOLD),
            Role::Good | Role::Added => colour(Color::Green, Color::Green),
            Role::Warn => colour(Color::Yellow, Color::Magenta),
            Role::Bad => colour(Color::Red, Color::Red).add_modifier(Modifier::BOLD),
            Role::Removed => colour(Color::Red, Color::Red),
        }
    }

    /// The selected line.
    pub fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// A line between parts of the screen.
    pub fn border(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// The first in ASCII, else the second.
    pub fn either(self, ascii: &'static str, unicode: &'static str) -> &'static str {
        if self.ascii { ascii } else { unicode }
    }
}
