//! `devbridge dashboard`.

use clap::{Args, ValueEnum};

/// `devbridge dashboard`
#[derive(Debug, Args)]
pub struct Dashboard {
    /// The session that it begins with: its id, or its target; default: the first
    #[arg(value_name = "TARGET")]
    pub session: Option<String>,
    /// One line for each thing that happens, instead of a screen: for screen readers, pipes and CI; the default where stdout
    /// is no terminal
    #[arg(long)]
    pub plain: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documentation here would become a heading in --help")]
    pub look: Look,
}

/// How the screen looks.
#[derive(Debug, Clone, Args)]
pub struct Look {
    /// Colours, from the terminal's own 16; `none` as with NO_COLOR
    #[arg(long, value_enum, default_value_t, env = "DEVBRIDGE_THEME")]
    pub theme: Theme,
    /// Nothing outside ASCII; the default where the locale is not UTF-8
    #[arg(long)]
    pub ascii: bool,
    /// Take the mouse from the terminal, to scroll with its wheel; `m` gives it back
    #[arg(long)]
    pub mouse: bool,
}

/// Which colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Theme {
    /// For the background that $COLORFGBG tells of, else a dark one
    #[default]
    Auto,
    /// For a dark background
    Dark,
    /// For a light background
    Light,
    /// No colours
    None,
}
