//! How the screen looks in this terminal.

use tui::theme::{Look, Theme};

use crate::args::dashboard::{self, Theme as Wanted};
use crate::terminal;

/// As wanted, and as the environment has it (<https://no-color.org>; `COLORFGBG` is set by rxvt, konsole and others).
pub(super) fn look(wanted: &dashboard::Look) -> Look {
    let set = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    let colourless = set("NO_COLOR").is_some() || set("TERM").as_deref() == Some("dumb");
    let theme = match wanted.theme {
        Wanted::None => Theme::Plain,
        _ if colourless => Theme::Plain,
        Wanted::Dark => Theme::Dark,
        Wanted::Light => Theme::Light,
        Wanted::Auto if is_light(set("COLORFGBG").as_deref()) => Theme::Light,
        Wanted::Auto => Theme::Dark,
    };
    Look { theme, ascii: wanted.ascii || !terminal::is_utf8() }
}

/// `15;0`: foreground and background, of the 16 colours; 7 and 15 are the light ones.
fn is_light(colours: Option<&str>) -> bool {
    let background = colours.and_then(|colours| colours.rsplit(';').next());
    matches!(background, Some("7" | "15"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_light_background_is_told_by_the_terminal() {
        let told = [None, Some("15;0"), Some("0;15"), Some("0;default;7"), Some("")];
        assert_eq!(told.map(is_light), [false, false, true, true, false]);
    }
}
