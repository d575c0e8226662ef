//! Texts in columns: as wide as a terminal draws them.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Stands for what was cut away.
pub const CUT: char = '…';

/// VARIATION SELECTOR-16.
const EMOJI: char = '\u{fe0f}';

/// Columns that a text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text if it is at most `width` columns wide, or its beginning and [`CUT`].
pub fn fit(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let room = width.saturating_sub(1);
    let mut taken = 0;
    let mut out: String = text
        .chars()
        .take_while(|&c| {
            taken += at_most(c);
            taken <= room
        })
        .collect();
    if width > 0 {
        out.push(CUT);
    }
    Cow::Owned(out)
}

/// Columns that a character adds to a text, or more: a text is never wider than the sum of this, and narrower where characters
/// join (UAX #11, UTS #51).
fn at_most(c: char) -> usize {
    match c {
        // What is before it is drawn as an emoji, which is twice as wide as some signs (`*`, `©`) are alone.
        EMOJI => 1,
        c => c.width().unwrap_or(1),
    }
}

/// The text, cut or with spaces after it: exactly `width` columns wide.
pub fn pad(text: &str, width: usize) -> String {
    let text = fit(text, width);
    let spaces = width.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(spaces))
}

/// The same with spaces before it: numbers.
pub fn pad_left(text: &str, width: usize) -> String {
    let text = fit(text, width);
    let spaces = width.saturating_sub(text.width());
    format!("{}{text}", " ".repeat(spaces))
}

/// Tabs as spaces up to the next multiple of `tab`.
pub fn expand_tabs(line: &str, tab: usize) -> Cow<'_, str> {
    if !line.contains('\t') {
        return Cow::Borrowed(line);
    }
    let mut out = String::with_capacity(line.len() + 16);
    let mut column = 0;
    for c in line.chars() {
        let spaces = tab.max(1) - column % tab.max(1);
        if c == '\t' {
            out.extend(std::iter::repeat_n(' ', spaces));
            column += spaces;
        } else {
            out.push(c);
            column += c.width().unwrap_or(0);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_cut_where_its_columns_end() {
        assert_eq!(fit("/orders", 7), "/orders");
        assert_eq!(fit("/orders", 6), "/orde…");
        assert_eq!(fit("/注文/42", 5), "/注…", "wide characters are not halved");
        assert_eq!(
            fit("*\u{fe0f}*\u{fe0f}ab", 5),
            "*\u{fe0f}*\u{fe0f}…",
            "a selector widens what is before it"
        );
        assert_eq!((fit("ab", 1).as_ref(), fit("ab", 0).as_ref()), ("…", ""));
        assert_eq!((pad("注", 4), pad_left("7", 3)), ("注  ".into(), "  7".into()));
        assert_eq!(expand_tabs("a\tb\t\tc", 4), "a   b       c");
    }

    proptest! {
        #[test]
        fn a_column_has_its_width_whatever_is_in_it(text in "(\\PC|[*#©❤👩\u{fe0f}\u{200d}]){0,40}", columns in 0_usize..50) {
            prop_assert!(width(&fit(&text, columns)) <= columns);
            prop_assert_eq!(width(&pad(&text, columns)), columns);
        }
    }
}
