//! Text from a network for a terminal: what would move its cursor, or turn the direction of reading, is spelled out.

use std::borrow::Cow;

/// One line: line ends are spelled out, too.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_spelled) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    text.chars().for_each(|c| push(&mut out, c));
    Cow::Owned(out)
}

/// Several lines: `\n`, `\r\n` (as `\n`) and `\t` stay.
pub fn printable_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' | '\t' => out.push(c),
            _ => push(&mut out, c),
        }
    }
    out
}

fn push(out: &mut String, c: char) {
    if is_spelled(c) { out.extend(c.escape_default()) } else { out.push(c) }
}

/// Control characters, line and paragraph separators, and what turns the direction of reading.
fn is_spelled(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
