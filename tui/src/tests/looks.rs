//! Colours: none where none are wanted, and others on a light background.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Color;

use super::{Rig, sample};
use crate::theme::{Look, Theme};
use crate::view::{self, Scene};

/// Every screen, one of them below a popup.
fn buffers(theme: Theme) -> Vec<Buffer> {
    let mut rig = Rig::new();
    let scene =
        Scene { look: Look { theme, ascii: false }, zone: jiff::tz::TimeZone::UTC, now: sample::now() };
    let keys = ["1", "2", "3", "4", "5", "6", "] 4", "?"];
    let draw = |keys: &str| {
        rig.keys(keys);
        let mut terminal = Terminal::new(TestBackend::new(120, 36)).unwrap();
        terminal.draw(|frame| view::draw(&mut rig.state, &scene, frame)).unwrap();
        terminal.backend().buffer().clone()
    };
    keys.map(draw).into_iter().collect()
}

#[test]
fn without_colours_there_are_none() {
    for buffer in buffers(Theme::Plain) {
        let coloured =
            buffer.content().iter().find(|cell| (cell.fg, cell.bg) != (Color::Reset, Color::Reset));
        assert_eq!(coloured, None);
    }
}

#[test]
fn a_light_background_has_other_colours_and_the_same_text() {
    for (dark, light) in buffers(Theme::Dark).into_iter().zip(buffers(Theme::Light)) {
        assert_ne!(dark, light);
        let text = |buffer: &Buffer| {
            buffer.content().iter().map(|cell| cell.symbol().to_owned()).collect::<String>()
        };
        assert_eq!(text(&dark), text(&light));
        let yellow = light.content().iter().any(|cell| matches!(cell.fg, Color::Yellow | Color::Cyan));
        assert!(!yellow, "it cannot be read on white");
    }
}

#[test]
fn in_ascii_all_screens_are() {
    let mut rig = Rig::new().ascii();
    for keys in ["3", "3 enter", "esc 4", "] 4", "v", "R", "n 5", "k", "l /", "enter esc 6", "enter"] {
        rig.keys(keys);
        let picture = rig.picture((70, 20));
        assert!(picture.is_ascii(), "{keys}: {picture}");
    }
}
