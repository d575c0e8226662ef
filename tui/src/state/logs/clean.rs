//! A line that somebody wrote for a terminal, as text: colours and cursor movements are taken out, so that what is left can
//! be searched, cut and drawn. What would still move a cursor is spelled out.

use std::borrow::Cow;

use inspector::decode::printable;
use inspector::text::fit;

/// Columns between tabs.
const TAB: usize = 8;

/// Where in an escape sequence (ECMA-48 §5) a character stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// In none.
    Text,
    /// After ESC, and what stands between that and the end of a short sequence.
    Escape,
    Between,
    /// In a control sequence, `ESC [`.
    Control,
    /// In a string, `ESC ]` and its like, which began at this byte.
    String(usize),
    /// In it, after ESC.
    StringEscape(usize),
}

/// One line, without escape sequences and control characters.
pub fn clean(text: &str) -> Cow<'_, str> {
    let text = overwritten(text);
    if !text.contains(char::is_control) {
        return printable(text);
    }
    let text = without_escapes(text);
    Cow::Owned(printable(&fit::expand_tabs(&text, TAB)).into_owned())
}

/// What is left of a line whose writer has gone back to its beginning, as progress bars do.
fn overwritten(text: &str) -> &str {
    let text = text.trim_end_matches(['\r', '\n']);
    text.rsplit('\r').find(|part| !part.is_empty()).unwrap_or_default()
}

fn without_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = At::Text;
    for (place, c) in text.char_indices() {
        let next = step(at, c, place);
        if (at, next) == (At::Text, At::Text) || broken(at, c, next) {
            out.push(c);
        }
        at = next;
    }
    // A string without an end hides nothing.
    if let At::String(begun) | At::StringEscape(begun) = at {
        out.push_str(text.get(begun..).unwrap_or_default());
    }
    out
}

fn step(at: At, c: char, place: usize) -> At {
    let final_byte = ('\u{40}'..='\u{7e}').contains(&c);
    match (at, c) {
        (At::String(begun), '\u{1b}') => At::StringEscape(begun),
        (At::String(_), '\u{7}' | '\u{9c}') | (At::StringEscape(_), '\\') => At::Text,
        (At::String(begun), _) => At::String(begun),
        (_, '\u{1b}') => At::Escape,
        (At::Text, '\u{9b}') | (At::Escape | At::StringEscape(_), '[') => At::Control,
        (At::Text, '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}')
        | (At::Escape | At::StringEscape(_), ']' | 'P' | 'X' | '^' | '_') => At::String(place),
        (At::Escape | At::Between | At::StringEscape(_), '\u{20}'..='\u{2f}') => At::Between,
        (At::Control, '\u{20}'..='\u{3f}') => At::Control,
        (At::Control, _) if final_byte => At::Text,
        (At::Text | At::Escape | At::Between | At::Control | At::StringEscape(_), _) => At::Text,
    }
}

/// Whether a character has ended a sequence that it is no part of.
fn broken(before: At, c: char, after: At) -> bool {
    let ends = match before {
        At::Escape | At::Between | At::StringEscape(_) => '\u{30}'..='\u{7e}',
        At::Control => '\u{40}'..='\u{7e}',
        At::Text | At::String(_) => return false,
    };
    after == At::Text && !ends.contains(&c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_written_for_a_terminal_is_text() {
        for (written, read) in [
            ("plain", "plain"),
            ("\u{1b}[1;31mError:\u{1b}[0m no stock", "Error: no stock"),
            ("\u{9b}32mgreen\u{9b}m", "green"),
            ("\u{1b}]0;title\u{7}text", "text"),
            ("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{1b}Pq#0\u{1b}\\sixel", "sixel"),
            ("\u{1b}(Btext\u{1b}7\u{1b}>", "text"),
            ("a\tb\u{1b}[0m\tc", "a       b       c"),
            ("注\tb", "注      b"),
            ("10%\r20%\rdone\r\n", "done"),
            ("ring\u{7}", "ring\\u{7}"),
            ("\u{202e}desrever", "\\u{202e}desrever"),
            ("\u{1b}]0;no end", "]0;no end"),
            ("\u{1b}注", "注"),
            ("\u{1b}[31\u{1b}[0mx", "x"),
            ("\u{1b}", ""),
        ] {
            assert_eq!(clean(written), read, "{written:?}");
        }
    }

    proptest! {
        #[test]
        fn no_control_character_is_left(text in "([\\x00-\\x1f\\x7f-\\x9f]|[ -~]|\\PC|\\[|\\]|\x1b){0,40}") {
            let cleaned = clean(&text);
            prop_assert!(!cleaned.contains(char::is_control), "{:?}", cleaned);
            prop_assert_eq!(clean(&cleaned), cleaned.as_ref());
        }

        #[test]
        fn what_is_no_control_stays(text in "[ -~注é]{0,40}") {
            prop_assert_eq!(clean(&text), text.as_str());
        }
    }
}
