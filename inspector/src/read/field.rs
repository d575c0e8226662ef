//! Headers, as they are kept.

use crate::Header;

/// A header whose name is known to be ASCII.
pub(super) fn header(name: &str, value: &[u8]) -> Header {
    Header { name: name.to_owned(), value: text(value.trim_ascii()) }
}

/// UTF-8, or else Latin-1.
pub(super) fn text(bytes: &[u8]) -> String {
    str::from_utf8(bytes).map_or_else(|_| bytes.iter().copied().map(char::from).collect(), str::to_owned)
}

/// What headers take of [`super::Limits::kept`].
pub(super) fn cost(headers: &[Header]) -> usize {
    headers.iter().map(|header| header.name.len() + header.value.len() + 32).sum()
}

/// Whether a byte may be in a name or a method (RFC 9110 §5.6.2).
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether no text has this byte: control characters, but for the tabulator.
pub(super) fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && byte != b'\t'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_utf_8_or_latin_1_without_white_space_around_it() {
        assert_eq!(header("a", " gr\u{fc}n\t".as_bytes()).value, "gr\u{fc}n");
        assert_eq!(header("a", b"gr\xfcn").value, "gr\u{fc}n");
    }
}
