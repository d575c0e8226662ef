//! Which key says what, on which screen. Help, the hints at the bottom and the palette are made of this table, so that none
//! of them can say something else than the keys do.

use super::key::{Code, Key};
use crate::command::{Command, CopyAs, Screen};

/// A command, its keys, and what is said of it.
#[derive(Debug, Clone)]
pub struct Binding {
    /// Any of them.
    pub keys: Vec<Key>,
    /// What they say.
    pub command: Command,
    /// Where; empty: everywhere.
    pub screens: &'static [Screen],
    /// Its word in the palette.
    pub name: &'static str,
    /// What it does, for help.
    pub help: &'static str,
    /// A word for the hints at the bottom; none: it is not hinted at.
    pub hint: Option<&'static str>,
}

impl Binding {
    /// Whether it is for this screen.
    pub fn is_for(&self, screen: Screen) -> bool {
        self.screens.is_empty() || self.screens.contains(&screen)
    }

    /// `j/down`
    pub fn keys(&self) -> String {
        self.keys.iter().map(Key::to_string).collect::<Vec<_>>().join("/")
    }
}

const ALL: &[Screen] = &[];
const SESSIONS: &[Screen] = &[Screen::Sessions];
const REQUESTS: &[Screen] = &[Screen::Requests];
const SYNC: &[Screen] = &[Screen::Sync];
const LOGS: &[Screen] = &[Screen::Logs];
const LISTS: &[Screen] = &[Screen::Requests, Screen::Network, Screen::Logs, Screen::Events];
const DETAILS: &[Screen] = &[Screen::Network, Screen::Sync, Screen::Logs, Screen::Events];
const GROWING: &[Screen] = &[Screen::Requests, Screen::Logs, Screen::Events];
const TEXTS: &[Screen] = &[Screen::Logs, Screen::Events];

/// All bindings; those of one screen come before those of several, and these before those of all.
pub fn bindings() -> Vec<Binding> {
    use Command as C;
    let mut all = Vec::new();
    let mut bind = |screens, keys: &[Key], command, name, help, hint| {
        all.push(Binding { keys: keys.to_vec(), command, screens, name, help, hint });
    };
    let (c, p) = (Key::char, Key::plain);

    bind(SESSIONS, &[p(Code::Enter)], C::Open, "open", "show its requests", Some("requests"));
    bind(SESSIONS, &[c('x')], C::Leave, "leave", "end the session; asks first", Some("leave"));

    bind(REQUESTS, &[p(Code::Enter)], C::Open, "open", "show all of it", Some("open"));
    bind(REQUESTS, &[c('r')], C::Replay, "replay", "send it again, to the process", Some("replay"));
    let help = "change it in $EDITOR and send it";
    bind(REQUESTS, &[c('R')], C::EditReplay, "edit", help, Some("edit+replay"));
    let help = "send it again, to an original; asks first";
    bind(REQUESTS, &[c('O')], C::ReplayToCluster, "replay-to-cluster", help, None);
    bind(REQUESTS, &[c(' ')], C::Mark, "mark", "mark it, to compare it", Some("mark"));
    let help = "compare the two that are marked, or a replay with what it replays";
    bind(REQUESTS, &[c('d')], C::Diff, "diff", help, Some("diff"));
    bind(REQUESTS, &[c('y')], C::Copy, "copy", "copy it: curl, HTTPie, raw, body, URL", Some("copy"));
    bind(REQUESTS, &[], C::CopyAs(CopyAs::Curl), "copy-curl", "copy it as a command line of curl", None);
    let help = "copy it as a command line of HTTPie";
    bind(REQUESTS, &[], C::CopyAs(CopyAs::Httpie), "copy-httpie", help, None);
    bind(REQUESTS, &[], C::CopyAs(CopyAs::Raw), "copy-raw", "copy it as it was sent", None);
    bind(REQUESTS, &[], C::CopyAs(CopyAs::Body), "copy-body", "copy the body of the answer", None);
    bind(REQUESTS, &[], C::CopyAs(CopyAs::Url), "copy-url", "copy its address", None);
    bind(
        REQUESTS,
        &[c('w')],
        C::Har(None),
        "har",
        "write those in view to a file, as HAR [FILE]",
        Some("HAR"),
    );
    bind(REQUESTS, &[c('u')], C::Reveal, "reveal", "show secrets, or cover them", None);
    bind(REQUESTS, &[c('c')], C::Clear, "clear", "forget all requests; asks first", None);

    bind(DETAILS, &[p(Code::Enter)], C::Open, "open", "show all of it", Some("open"));

    bind(SYNC, &[c('v')], C::Verify, "verify", "compare the pods with this laptop", Some("verify"));
    bind(SYNC, &[c('R')], C::Repair, "repair", "compare, and send again what differs", Some("repair"));

    bind(LOGS, &[c('s')], C::Source, "source", "the process, the originals, or the agent", Some("source"));
    bind(LOGS, &[c('t')], C::Times, "times", "when each line was written, or not", Some("times"));

    bind(LISTS, &[c('/')], C::Filter, "filter", "only what matches [EXPRESSION]", Some("filter"));
    bind(LISTS, &[c('n')], C::NextMatch, "next", "to the next that failed, or warns", None);
    bind(LISTS, &[c('N')], C::PreviousMatch, "previous", "to the one before", None);
    bind(GROWING, &[c('F')], C::Follow, "follow", "stay with the newest, or not", Some("follow"));
    bind(TEXTS, &[c('W')], C::Wrap, "wrap", "long lines go on below, or are cut", Some("wrap"));
    bind(TEXTS, &[c('l')], C::Level, "level", "only what matters more, or all", Some("level"));
    // The letters beside them are taken: `l` is the level.
    bind(TEXTS, &[p(Code::Left)], C::Left, "left", "to the left, where long lines are cut", None);
    bind(TEXTS, &[p(Code::Right)], C::Right, "right", "to the right, where long lines are cut", None);

    bind(ALL, &[c('j'), p(Code::Down)], C::Down, "down", "down", None);
    bind(ALL, &[c('k'), p(Code::Up)], C::Up, "up", "up", None);
    bind(ALL, &[Key::ctrl('d')], C::HalfDown, "half-down", "half a page down", None);
    bind(ALL, &[Key::ctrl('u')], C::HalfUp, "half-up", "half a page up", None);
    bind(ALL, &[p(Code::PageDown), Key::ctrl('f')], C::PageDown, "page-down", "a page down", None);
    bind(ALL, &[p(Code::PageUp), Key::ctrl('b')], C::PageUp, "page-up", "a page up", None);
    bind(ALL, &[c('g'), p(Code::Home)], C::First, "first", "to the first", None);
    bind(ALL, &[c('G'), p(Code::End)], C::Last, "last", "to the last", None);
    bind(REQUESTS, &[c('h'), p(Code::Left)], C::Left, "left", "to the left, or the part before", None);
    bind(REQUESTS, &[c('l'), p(Code::Right)], C::Right, "right", "to the right, or the next part", None);
    bind(ALL, &[p(Code::Esc)], C::Back, "back", "close what is open; take the filter away", None);
    for (key, screen) in ('1'..).zip(Screen::ALL) {
        bind(ALL, &[c(key)], C::Go(screen), screen.name(), "to this screen", None);
    }
    bind(ALL, &[p(Code::Tab)], C::NextScreen, "next-screen", "to the next screen", None);
    bind(ALL, &[p(Code::BackTab)], C::PreviousScreen, "previous-screen", "to the screen before", None);
    bind(ALL, &[c(']')], C::NextSession, "next-session", "to the next session", None);
    bind(ALL, &[c('[')], C::PreviousSession, "previous-session", "to the session before", None);
    bind(ALL, &[c('f')], C::Freeze, "freeze", "hold the picture still, or go on", None);
    bind(ALL, &[c('m')], C::Mouse, "mouse", "take the mouse from the terminal, or give it back", None);
    bind(ALL, &[c(':')], C::Palette, "palette", "type a command", Some("command"));
    bind(ALL, &[c('?')], C::Help, "help", "these keys", Some("help"));
    bind(ALL, &[c('q')], C::Quit, "quit", "back; at the top: close the dashboard", Some("quit"));
    bind(ALL, &[Key::ctrl('c')], C::Interrupt, "interrupt", "close the dashboard at once", None);
    bind(ALL, &[Key::ctrl('z')], C::Suspend, "suspend", "stop, as a job of the shell", None);
    bind(ALL, &[Key::ctrl('l')], C::Redraw, "redraw", "draw all of it anew", None);
    all
}

/// What a key says on a screen.
pub fn command(bindings: &[Binding], screen: Screen, key: Key) -> Option<Command> {
    let of_it = bindings.iter().find(|binding| binding.is_for(screen) && binding.keys.contains(&key));
    of_it.map(|binding| binding.command.clone())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn no_key_says_two_things_by_accident() {
        let all = bindings();
        for screen in Screen::ALL {
            let mut keys = BTreeMap::new();
            for binding in all.iter().filter(|binding| binding.is_for(screen)) {
                for key in &binding.keys {
                    let before = keys.insert(key.to_string(), binding.name);
                    assert!(before.is_none(), "{screen:?}: {key} is {before:?} and {}", binding.name);
                }
            }
        }
    }

    #[test]
    fn names_are_unique_on_each_screen() {
        let all = bindings();
        for screen in Screen::ALL {
            let mut names: Vec<_> =
                all.iter().filter(|binding| binding.is_for(screen)).map(|binding| binding.name).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{screen:?}");
        }
    }
}
