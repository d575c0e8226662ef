//! Words of a POSIX shell.

/// One word that stands for exactly `text`, which has no NUL.
pub(super) fn quote(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
    // At the beginning of a line a word may be more than a word: `if`; here words come after `curl` alone.
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A line that does nothing, of letters, digits, spaces and `. , -` only: other characters are left out.
pub(super) fn comment(text: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | ',' | '-');
    format!("# {}\n", text.chars().filter(plain).collect::<String>())
}
